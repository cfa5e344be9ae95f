import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import { fromHex, toHex } from '../kernel/index.ts';
import {
  AGE_UNIT,
  decodeFlood,
  decodeFloodAck,
  decodeSync,
  encodeFlood,
  encodeFloodAck,
  encodeSync,
  RECORD_BODY_BYTES_MAX,
  RECORD_BYTES_MAX,
  RECORD_KEY_MAX,
  type RecordVersion,
  recordKey,
  type SyncFrame,
  VERSIONS_PER_ACK_MAX,
  VERSIONS_PER_DIGEST_MAX,
} from './flood.ts';

type SpelledFlood = RecordVersion & { age: number; body: string };
type Vector =
  | { frame: 'flood'; name: string; hex: string; value: SpelledFlood }
  | { frame: 'flood-ack'; name: string; hex: string; value: RecordVersion[] }
  | { frame: 'sync'; name: string; hex: string; value: SyncFrame };

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/flood.json', import.meta.url), 'utf8'),
);

for (const vector of vectors) {
  test(`golden vector: ${vector.name}`, () => {
    const bytes = fromHex(vector.hex)!;
    switch (vector.frame) {
      case 'flood': {
        const { body, ...rest } = vector.value;
        const record = { ...rest, body: fromHex(body)! };
        assert.equal(toHex(encodeFlood(record)), vector.hex);
        assert.deepEqual(decodeFlood(bytes, 0, bytes.length), record);
        break;
      }
      case 'flood-ack':
        assert.equal(toHex(encodeFloodAck(vector.value)), vector.hex);
        assert.deepEqual(decodeFloodAck(bytes, 0, bytes.length), vector.value);
        break;
      case 'sync':
        assert.equal(toHex(encodeSync(vector.value)), vector.hex);
        assert.deepEqual(decodeSync(bytes, 0, bytes.length), vector.value);
        break;
    }
  });
}

const u8 = fc.nat(0xff);
const u32 = fc.nat(0xffff_ffff);
const version: fc.Arbitrary<RecordVersion> = fc.record(
  {
    type: u8,
    part: u8,
    origin: u32.map((n) => n as NodeAddress),
    epoch: u32,
    sequence: u32,
  },
  { noNullPrototype: true },
);

test('a flooded record decodes to what was encoded, anywhere in a slab', () => {
  const body = fc.uint8Array({ maxLength: RECORD_BODY_BYTES_MAX });
  fc.assert(
    fc.property(version, fc.nat(0xffff), body, fc.nat(40), (v, tenths, bytes, offset) => {
      const record = { ...v, age: tenths * AGE_UNIT, body: bytes };
      const encoded = encodeFlood(record);
      const slab = new Uint8Array(offset + encoded.length + 7).fill(0xee);
      slab.set(encoded, offset);
      assert.deepEqual(decodeFlood(slab, offset, offset + encoded.length), record);
    }),
  );
});

test('age is rounded up, so it never shrinks on the way', () => {
  fc.assert(
    fc.property(version, fc.nat(0xffff * AGE_UNIT), (v, age) => {
      const bytes = encodeFlood({ ...v, age, body: new Uint8Array(0) });
      const decoded = decodeFlood(bytes, 0, bytes.length)!;
      assert.ok(decoded.age >= age && decoded.age < age + AGE_UNIT);
    }),
  );
});

test('acknowledgements decode to what was encoded', () => {
  const versions = fc.array(version, { minLength: 1, maxLength: VERSIONS_PER_ACK_MAX });
  fc.assert(
    fc.property(versions, (list) => {
      const bytes = encodeFloodAck(list);
      assert.ok(bytes.length <= RECORD_BYTES_MAX);
      assert.deepEqual(decodeFloodAck(bytes, 0, bytes.length), list);
    }),
  );
});

test('a digest decodes to what was encoded and fits a packet', () => {
  const versions = fc
    .uniqueArray(version, { maxLength: VERSIONS_PER_DIGEST_MAX, selector: recordKey })
    .map((list) => list.sort((a, b) => recordKey(a) - recordKey(b)));
  fc.assert(
    fc.property(versions, fc.nat(0xffff), (list, chunk) => {
      const frame: SyncFrame = {
        kind: 'digest',
        chunk,
        first: list[0] === undefined ? 0 : recordKey(list[0]),
        last: RECORD_KEY_MAX,
        versions: list,
      };
      const bytes = encodeSync(frame);
      assert.ok(bytes.length <= RECORD_BYTES_MAX);
      assert.deepEqual(decodeSync(bytes, 0, bytes.length), frame);
    }),
  );
});

test('a digest out of order, out of range or with a cut entry is refused', () => {
  const entry = (origin: number): RecordVersion => ({
    type: 1,
    part: 0,
    origin: origin as NodeAddress,
    epoch: 1,
    sequence: 1,
  });
  const digest = (versions: RecordVersion[], last = RECORD_KEY_MAX): Uint8Array =>
    encodeSync({ kind: 'digest', chunk: 1, first: 0, last, versions });
  const refused = [
    digest([entry(2), entry(1)]),
    digest([entry(2), entry(2)]),
    digest([entry(2)], recordKey(entry(1))),
    digest([entry(1)]).slice(0, -1),
    encodeSync({ kind: 'digest', chunk: 1, first: 5, last: 4, versions: [] }),
  ];
  for (const bytes of refused) assert.equal(decodeSync(bytes, 0, bytes.length), undefined);
});

test('arbitrary bytes are decoded or refused, never thrown at', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1300 }), fc.nat(20), (bytes, offset) => {
      const end = bytes.length;
      const at = Math.min(offset, end);
      decodeFloodAck(bytes, at, end);
      decodeSync(bytes, at, end);
      const record = decodeFlood(bytes, at, end);
      if (record !== undefined)
        assert.equal(toHex(encodeFlood(record)), toHex(bytes.subarray(at, end)));
    }),
    { numRuns: 500 },
  );
});
