import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import { toHex } from '../kernel/index.ts';
import type { ReliableAck } from './reliable-ack.ts';
import { ACK_DELAY_STEP, decodeReliableAck, encodeReliableAck } from './reliable-ack.ts';

const vectors: readonly { name: string; hex: string; value: ReliableAck }[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/reliable-ack.json', import.meta.url), 'utf8'),
);

for (const { name, hex, value } of vectors)
  test(`golden vector: ${name}`, () => {
    const bytes = encodeReliableAck(value);
    assert.equal(toHex(bytes), hex);
    assert.deepEqual(decodeReliableAck(bytes, 0, bytes.length), value);
  });

const u32 = fc.nat(0xffff_ffff);
const addresses = fc.integer({ min: 1, max: 0xffff_ffff }).map((n) => n as NodeAddress);
const acks = fc.record(
  {
    session: u32,
    greatest: u32,
    delay: fc.nat(0xffff).map((n) => n * ACK_DELAY_STEP),
    runs: fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 1, maxLength: 63 }),
    paused: fc.array(
      fc.record(
        { source: addresses, destination: addresses, flow: fc.nat(0xffff) },
        { noNullPrototype: true },
      ),
      { maxLength: 64 },
    ),
  },
  { noNullPrototype: true },
);

test('an acknowledgement survives the wire', () => {
  fc.assert(
    fc.property(acks, (ack) => {
      const bytes = encodeReliableAck(ack);
      assert.deepEqual(decodeReliableAck(bytes, 0, bytes.length), ack);
    }),
  );
});

test('whatever the bytes, decoding neither throws nor takes what it would not write', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const ack = decodeReliableAck(bytes, 0, bytes.length);
      if (ack !== undefined) assert.deepEqual(encodeReliableAck(ack), bytes);
    }),
    { numRuns: 2_000 },
  );
});
