import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import type { NodeControl, SessionMessage, SessionOffer, SocketMessage } from './index.ts';
import {
  ACK_BYTES_MAX,
  ACK_RANGES_MAX,
  blankStreamSegment,
  decodeNodeControl,
  decodeSessionMessage,
  decodeSessionOffer,
  decodeSocketMessage,
  decodeStreamSegment,
  encodeDatagramHeader,
  encodeFragmentHeader,
  encodeNodeControl,
  encodePortUnreachable,
  encodeSessionMessage,
  encodeSessionOffer,
  encodeStreamSegment,
  type ResetReason,
  SEGMENT_ACK,
  SEGMENT_DATA,
  SEGMENT_NUMBERED,
  SEGMENT_OPEN,
  SEGMENT_RESET,
  type StreamSegment,
} from './index.ts';

interface Vector<T> {
  readonly name: string;
  readonly hex: string;
  readonly value: T;
}

function vectorsOf<T>(file: string): readonly (Vector<T> & { readonly bytes: Uint8Array })[] {
  const url = new URL(`../../src/wire/vectors/${file}.json`, import.meta.url);
  const vectors: readonly Vector<T>[] = JSON.parse(readFileSync(url, 'utf8'));
  return vectors.map((vector) => ({ ...vector, bytes: fromHex(vector.hex)! }));
}

/** What a test says of a segment; ranges and data are spelled out. */
interface SpelledSegment {
  readonly flags: number;
  readonly stream: number;
  readonly number?: number;
  readonly toPort?: number;
  readonly fromPort?: number;
  readonly windowLimit?: number;
  readonly ackDelay?: number;
  readonly ranges?: readonly (readonly [number, number])[];
  readonly reset?: ResetReason;
  readonly offset?: number;
  readonly data: string;
}

function encodeSpelled(value: SpelledSegment): Uint8Array {
  const { ranges, data, ...fields } = value;
  const segment: StreamSegment = Object.assign(blankStreamSegment(), fields);
  segment.rangeCount = ranges?.length ?? 0;
  ranges?.forEach(([first, last], i) => {
    segment.rangeFirst[i] = first;
    segment.rangeLast[i] = last;
  });
  const bytes = new Uint8Array(1024);
  const end = encodeStreamSegment(bytes, 0, segment);
  const payload = fromHex(data)!;
  bytes.set(payload, end);
  return bytes.slice(0, end + payload.length);
}

function decodeSpelled(bytes: Uint8Array): SpelledSegment | undefined {
  const s = blankStreamSegment();
  if (!decodeStreamSegment(s, bytes, 0, bytes.length)) return undefined;
  const has = (flag: number): boolean => (s.flags & flag) !== 0;
  const ranges = s.rangeFirst.slice(0, s.rangeCount).map((f, i) => [f, s.rangeLast[i]!] as const);
  return {
    flags: s.flags,
    stream: s.stream,
    ...(has(SEGMENT_NUMBERED) ? { number: s.number } : {}),
    ...(has(SEGMENT_OPEN) ? { toPort: s.toPort, fromPort: s.fromPort } : {}),
    ...(has(SEGMENT_ACK) ? { windowLimit: s.windowLimit, ackDelay: s.ackDelay, ranges } : {}),
    ...(has(SEGMENT_RESET) ? { reset: s.reset } : {}),
    ...(has(SEGMENT_DATA) ? { offset: s.offset } : {}),
    data: toHex(bytes.subarray(s.dataStart, s.dataEnd)),
  };
}

function encodeSocketMessage(m: SocketMessage, bytes: Uint8Array): void {
  if (m.kind === 'datagram') encodeDatagramHeader(bytes, 0, m);
  else if (m.kind === 'fragment') encodeFragmentHeader(bytes, 0, m);
  else if (m.kind === 'port-unreachable') encodePortUnreachable(bytes, 0, m);
}

describe('golden vectors, both ways', () => {
  for (const { name, hex, bytes, value } of vectorsOf<NodeControl>('node-control'))
    test(`node control: ${name}`, () => {
      assert.equal(toHex(encodeNodeControl(value)), hex);
      assert.deepEqual(decodeNodeControl(bytes, 0, bytes.length), value);
    });
  type SpelledSession = Omit<SessionMessage, 'noise'> & { readonly noise: string };
  for (const { name, hex, bytes, value } of vectorsOf<SpelledSession>('session'))
    test(`session: ${name}`, () => {
      const noise = fromHex(value.noise)!;
      assert.equal(toHex(encodeSessionMessage({ ...value, noise })), hex);
      const decoded = decodeSessionMessage(bytes, 0, bytes.length)!;
      assert.deepEqual({ ...decoded, noise: toHex(decoded.noise) }, value);
    });
  for (const { name, hex, bytes, value } of vectorsOf<SessionOffer>('session-offer'))
    test(`session offer: ${name}`, () => {
      assert.equal(toHex(encodeSessionOffer(value)), hex);
      assert.deepEqual(decodeSessionOffer(bytes), value);
    });
  for (const { name, hex, bytes, value } of vectorsOf<SocketMessage>('socket-message'))
    test(`socket message: ${name}`, () => {
      const written = bytes.slice();
      written.fill(
        0,
        0,
        Math.min(value.payloadOffset, value.kind === 'confirm' ? 0 : bytes.length),
      );
      encodeSocketMessage(value, written);
      assert.equal(toHex(written), hex);
      assert.deepEqual(decodeSocketMessage(bytes, 0, bytes.length), value);
    });
  for (const { name, hex, bytes, value } of vectorsOf<SpelledSegment>('stream-segment'))
    test(`stream segment: ${name}`, () => {
      assert.equal(toHex(encodeSpelled(value)), hex);
      assert.deepEqual(decodeSpelled(bytes), value);
    });
});

describe('stream segments', () => {
  const ranges = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 70_000 }), fc.nat(70_000)), {
      minLength: 1,
      maxLength: ACK_RANGES_MAX,
    })
    .map((steps) => {
      let at = 0;
      const rising = steps.map(([gap, size]): [number, number] => {
        const first = at + gap;
        at = first + size + 1;
        return [first, first + size];
      });
      return rising.reverse();
    });

  test('come back as they went, with any set of ranges', () => {
    fc.assert(
      fc.property(ranges, fc.uint8Array({ maxLength: 50 }), fc.nat(2 ** 31), (drawn, data, n) => {
        const value: SpelledSegment = {
          flags: SEGMENT_NUMBERED | SEGMENT_ACK | SEGMENT_DATA,
          stream: n,
          number: n * 1000,
          windowLimit: n * 5000,
          ackDelay: 16 * (n % 60_000),
          ranges: drawn,
          offset: n * 7,
          data: toHex(data),
        };
        const bytes = encodeSpelled(value);
        assert.ok(bytes.length <= 18 + ACK_BYTES_MAX + data.length);
        assert.deepEqual(decodeSpelled(bytes), value);
      }),
    );
  });

  test('leave out the oldest ranges when there is little room', () => {
    const segment = blankStreamSegment();
    segment.flags = SEGMENT_ACK;
    segment.rangeCount = ACK_RANGES_MAX;
    for (let i = 0; i < ACK_RANGES_MAX; i++) {
      segment.rangeFirst[i] = 1_000_000 - 1_000 * i;
      segment.rangeLast[i] = segment.rangeFirst[i]! + 500;
    }
    const bytes = new Uint8Array(400);
    const end = encodeStreamSegment(bytes, 0, segment, 60);
    assert.ok(end <= 60);
    const back = blankStreamSegment();
    assert.ok(decodeStreamSegment(back, bytes, 0, end));
    assert.ok(back.rangeCount > 3 && back.rangeCount < ACK_RANGES_MAX);
    assert.equal(back.rangeLast[0], 1_000_500);
  });

  test('refuse ranges below zero, data without a number, an open part of the acceptor', () => {
    const bad = ['202000000001', '200800000001000000000000', '20030000000100000000000000500051'];
    for (const hex of bad) assert.equal(decodeSpelled(fromHex(hex)!), undefined, hex);
    const under = encodeSpelled({
      flags: SEGMENT_ACK,
      stream: 1,
      windowLimit: 0,
      ackDelay: 0,
      ranges: [[3, 5]],
      data: '',
    });
    under[under.length - 1] = 9;
    assert.equal(decodeSpelled(under), undefined);
  });
});

test('no decoder throws or reads past its bound, whatever the bytes', () => {
  const segment = blankStreamSegment();
  const bytes = fc.uint8Array({ maxLength: 80 });
  fc.assert(
    fc.property(bytes, fc.constantFrom(0x20, 0x01, 0x02, 0x03), fc.nat(255), (raw, type, flags) => {
      for (const input of [raw, Uint8Array.from([type, flags, ...raw])]) {
        const end = input.length;
        if (decodeStreamSegment(segment, input, 0, end)) {
          assert.ok(segment.dataEnd <= end && segment.dataStart <= segment.dataEnd);
          assert.ok(segment.rangeCount <= ACK_RANGES_MAX);
        }
        const message = decodeSocketMessage(input, 0, end);
        assert.ok(message === undefined || message.payloadOffset <= end);
        decodeNodeControl(input, 0, end);
        decodeSessionMessage(input, 0, end);
        decodeSessionOffer(input);
      }
    }),
    { numRuns: 20_000 },
  );
});
