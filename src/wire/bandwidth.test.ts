import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import { concatBytes, fromHex, NODE_ADDRESS_MAX, toHex } from '../kernel/index.ts';
import type { LinkBandwidth } from './link-bandwidth.ts';
import { decodeLinkBandwidths, encodeLinkBandwidths } from './link-bandwidth.ts';
import { decodeRateCode, encodeRateCode, RATE_CODE_NONE } from './rate-code.ts';
import type { ReservationAnswer, ReservationRequest } from './reservation.ts';
import {
  decodeReservationAnswer,
  decodeReservationRequest,
  encodeReservationAnswer,
  encodeReservationRequest,
  RESERVATION_STEP,
  RESERVATION_VERDICTS,
} from './reservation.ts';
import type { TrainFrame, TrainReport } from './train.ts';
import {
  decodeTrainFrame,
  decodeTrainReport,
  encodeTrainFrame,
  encodeTrainReport,
  TRAIN_PACKETS_MAX,
} from './train.ts';

type Vector = { name: string; hex: string } & (
  | { form: 'bandwidths'; value: (LinkBandwidth | null)[] }
  | { form: 'train'; value: TrainFrame }
  | { form: 'train-report'; value: TrainReport }
  | { form: 'request'; value: ReservationRequest }
  | { form: 'answer'; value: ReservationAnswer }
);

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/bandwidth.json', import.meta.url), 'utf8'),
);

const encoded = (vector: Vector): Uint8Array => {
  switch (vector.form) {
    case 'bandwidths':
      return encodeLinkBandwidths(vector.value.map((link) => link ?? undefined));
    case 'train':
      return encodeTrainFrame(vector.value);
    case 'train-report':
      return encodeTrainReport(vector.value);
    case 'request':
      return encodeReservationRequest(vector.value);
    case 'answer':
      return encodeReservationAnswer(vector.value);
  }
};

const DECODERS = {
  train: decodeTrainFrame,
  'train-report': decodeTrainReport,
  request: decodeReservationRequest,
  answer: decodeReservationAnswer,
};

for (const vector of vectors)
  test(`golden vector: ${vector.name}`, () => {
    const bytes = fromHex(vector.hex)!;
    assert.equal(toHex(encoded(vector)), vector.hex);
    const read =
      vector.form === 'bandwidths'
        ? decodeLinkBandwidths(bytes, vector.value.length).map((link) => link ?? null)
        : DECODERS[vector.form](bytes, 0, bytes.length);
    assert.deepEqual(read, vector.value);
  });

test('a rate survives its byte to within 3.2 percent, and order is kept', () => {
  const rates = fc.integer({ min: 256_000, max: 3_900_000_000 });
  fc.assert(
    fc.property(rates, rates, (x, y) => {
      const back = decodeRateCode(encodeRateCode(x))!;
      assert.ok(Math.abs(back - x) <= 0.032 * x, `${x} came back as ${back}`);
      if (x <= y) assert.ok(encodeRateCode(x) <= encodeRateCode(y));
    }),
  );
});

test('every code but the last is its own rate back', () => {
  for (let code = 0; code < RATE_CODE_NONE; code++)
    assert.equal(encodeRateCode(decodeRateCode(code)!), code);
  assert.equal(decodeRateCode(RATE_CODE_NONE), undefined);
  assert.equal(encodeRateCode(1e15), 254);
});

test('bandwidths are found among other extensions, and one of a wrong length says nothing', () => {
  const links = [{ capacity: 16_384_000, available: 8_000 }, undefined];
  const own = encodeLinkBandwidths(links);
  const other = Uint8Array.of(9, 3, 1, 2, 3);
  assert.deepEqual(decodeLinkBandwidths(concatBytes(other, own), 2), links);
  assert.deepEqual(decodeLinkBandwidths(own, 3), [undefined, undefined, undefined]);
  assert.deepEqual(decodeLinkBandwidths(other, 1), [undefined]);
  assert.equal(encodeLinkBandwidths([undefined]).length, 0);
});

const u32 = fc.nat(0xffff_ffff);
const address = fc.integer({ min: 1, max: NODE_ADDRESS_MAX }).map((n) => n as NodeAddress);
const rate = u32.map((n) => n * RESERVATION_STEP);
const whole = { noNullPrototype: true };

test('trains, reports, requests and answers survive the wire', () => {
  const train = fc
    .tuple(u32, fc.integer({ min: 2, max: TRAIN_PACKETS_MAX }), fc.nat(TRAIN_PACKETS_MAX - 1))
    .map(([id, packets, place]) => ({ train: id, place: place % packets, packets }));
  const report = fc.record(
    {
      train: u32,
      arrived: fc.integer({ min: 2, max: TRAIN_PACKETS_MAX }),
      time: u32,
      wireBytes: u32,
    },
    whole,
  );
  const request = fc.record(
    { isRelease: fc.boolean(), flow: fc.nat(0xffff), id: u32, neighbour: address, rate },
    whole,
  );
  const answer = fc.record(
    {
      verdict: fc.constantFrom(...RESERVATION_VERDICTS),
      id: u32,
      neighbour: address,
      available: rate,
      capacity: rate,
    },
    whole,
  );
  const back =
    <T>(
      encode: (value: T) => Uint8Array,
      decode: (typeof DECODERS)['train' | 'answer' | 'request' | 'train-report'],
    ) =>
    (value: T): void => {
      const bytes = encode(value);
      assert.deepEqual(decode(bytes, 0, bytes.length), value);
    };
  fc.assert(fc.property(train, back(encodeTrainFrame, decodeTrainFrame)));
  fc.assert(fc.property(report, back(encodeTrainReport, decodeTrainReport)));
  fc.assert(fc.property(request, back(encodeReservationRequest, decodeReservationRequest)));
  fc.assert(fc.property(answer, back(encodeReservationAnswer, decodeReservationAnswer)));
});

test('whatever the bytes, decoding neither throws nor takes what it would not write', () => {
  const pairs: [(bytes: Uint8Array) => Uint8Array | undefined, number][] = [
    [(b) => written(decodeTrainFrame(b, 0, b.length), encodeTrainFrame), 6],
    [(b) => written(decodeTrainReport(b, 0, b.length), encodeTrainReport), 14],
    [(b) => written(decodeReservationRequest(b, 0, b.length), encodeReservationRequest), 16],
    [(b) => written(decodeReservationAnswer(b, 0, b.length), encodeReservationAnswer), 20],
  ];
  for (const [again, size] of pairs)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: size - 1, maxLength: size + 1 }), (bytes) => {
        const made = again(bytes);
        if (made !== undefined) assert.deepEqual(made, bytes);
      }),
    );
});

const written = <T>(value: T | undefined, encode: (value: T) => Uint8Array) =>
  value === undefined ? undefined : encode(value);
