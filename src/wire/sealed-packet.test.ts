import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import {
  DROP_FIRST,
  DROP_NEVER,
  isSealedPacket,
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD_BYTES,
  sealedCounter,
  sealedDropPrecedence,
  sealedReceiver,
  writeSealedHeader,
} from './sealed-packet.ts';

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly value: {
    receiverIndex: number;
    counter: number;
    dropPrecedence?: number;
  };
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/sealed-packet.json', import.meta.url), 'utf8'),
);

for (const { name, hex, value } of vectors) {
  test(`golden vector: ${name}`, () => {
    const header = new Uint8Array(SEALED_HEADER_BYTES);
    const { receiverIndex, counter, dropPrecedence = DROP_NEVER } = value;
    writeSealedHeader(header, 0, receiverIndex, counter, dropPrecedence);
    assert.equal(toHex(header), hex);
    const bytes = fromHex(hex)!;
    assert.equal(sealedDropPrecedence(bytes, 0), dropPrecedence);
    assert.equal(sealedReceiver(bytes, 0), value.receiverIndex);
    assert.equal(sealedCounter(bytes, 0), value.counter);
  });
}

test('a header survives the wire', () => {
  const counters = fc.maxSafeNat();
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), counters, (index, counter) => {
      const bytes = new Uint8Array(64);
      const precedence = counter % (DROP_FIRST + 1);
      writeSealedHeader(bytes, 3, index, counter, precedence);
      assert.equal(sealedDropPrecedence(bytes, 3), precedence);
      assert.equal(isSealedPacket(bytes, 3, SEALED_OVERHEAD_BYTES + 1), true);
      assert.equal(sealedReceiver(bytes, 3), index);
      assert.equal(sealedCounter(bytes, 3), counter);
    }),
  );
});

test('a counter beyond 2^53 - 1, another type and too few bytes are told', () => {
  const bytes = new Uint8Array(48);
  writeSealedHeader(bytes, 0, 1, 1);
  assert.equal(isSealedPacket(bytes, 0, SEALED_OVERHEAD_BYTES), false);
  bytes[9] = 0x20;
  assert.equal(sealedCounter(bytes, 0), -1);
  for (const [at, value] of [
    [0, 1],
    [1, DROP_FIRST + 1],
    [2, 1],
    [3, 1],
  ] as const) {
    writeSealedHeader(bytes, 0, 1, 1);
    assert.equal(isSealedPacket(bytes, 0, 48), true);
    bytes[at] = value;
    assert.equal(isSealedPacket(bytes, 0, 48), false, `byte ${at}`);
  }
});
