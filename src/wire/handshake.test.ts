import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AeadAlgorithm } from '../kernel/index.ts';
import { concatBytes, fromHex, toHex } from '../kernel/index.ts';
import type { HandshakeIntent } from './handshake.ts';
import {
  decodeCookieReply,
  decodeHandshake1,
  decodeHandshake2,
  decodeHandshake3,
  decodeHandshakePayload,
  encodeCookieReply,
  encodeHandshake1,
  encodeHandshake2,
  encodeHandshake3,
  encodeHandshakePayload,
  HANDSHAKE_1_BYTES,
} from './handshake.ts';

interface PayloadValue {
  intent: HandshakeIntent;
  aeads: AeadAlgorithm[];
  epoch: number;
  chain: string;
  reason: string;
}
type Vector = { name: string; hex: string } & (
  | { message: '1'; value: { senderIndex: number; noise: string } }
  | { message: '2'; value: { senderIndex: number; receiverIndex: number; noise: string } }
  | { message: '3'; value: { receiverIndex: number; noise: string } }
  | { message: 'cookie'; value: { receiverIndex: number; nonce: string; sealed: string } }
  | { message: 'payload'; value: PayloadValue }
);

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/handshake.json', import.meta.url), 'utf8'),
);

/** Fields of bytes written in hexadecimal become bytes. */
function spelledOut<T extends object>(value: T, ...names: string[]): T {
  const entries = Object.entries(value).map(([name, field]) =>
    names.includes(name) ? [name, fromHex(field)] : [name, field],
  );
  return Object.fromEntries(entries);
}

for (const vector of vectors) {
  test(`golden vector: ${vector.name}`, () => {
    const bytes = fromHex(vector.hex)!;
    if (vector.message === '1') {
      const { senderIndex, noise } = vector.value;
      const whole = concatBytes(bytes, new Uint8Array(HANDSHAKE_1_BYTES - bytes.length));
      assert.equal(toHex(encodeHandshake1(senderIndex, fromHex(noise)!)), toHex(whole));
      assert.deepEqual(decodeHandshake1(whole), spelledOut(vector.value, 'noise'));
    } else if (vector.message === '2') {
      const { senderIndex: sender, receiverIndex: receiver, noise } = vector.value;
      assert.equal(toHex(encodeHandshake2({ sender, receiver }, fromHex(noise)!)), vector.hex);
      assert.deepEqual(decodeHandshake2(bytes), spelledOut(vector.value, 'noise'));
    } else if (vector.message === '3') {
      const { receiverIndex, noise } = vector.value;
      assert.equal(toHex(encodeHandshake3(receiverIndex, fromHex(noise)!)), vector.hex);
      assert.deepEqual(decodeHandshake3(bytes), spelledOut(vector.value, 'noise'));
    } else if (vector.message === 'cookie') {
      const value = spelledOut(vector.value, 'nonce', 'sealed') as never;
      assert.equal(toHex(encodeCookieReply(value)), vector.hex);
      assert.deepEqual(decodeCookieReply(bytes), value);
    } else {
      const value = spelledOut(vector.value, 'chain') as never;
      assert.equal(toHex(encodeHandshakePayload(value)), vector.hex);
      assert.deepEqual(decodeHandshakePayload(bytes), value);
    }
  });
}

test('a payload survives the wire, whatever later versions put behind it', () => {
  const aeads = fc.uniqueArray(fc.constantFrom<AeadAlgorithm>('aes-128-gcm', 'chacha20-poly1305'));
  const payloads = fc.record(
    {
      intent: fc.constantFrom<HandshakeIntent>('member', 'enrol', 'refuse'),
      aeads,
      epoch: fc.nat(0xffff_ffff),
      chain: fc.uint8Array({ maxLength: 800 }),
      reason: fc.string({ maxLength: 60 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(payloads, fc.uint8Array({ maxLength: 20 }), (payload, later) => {
      const bytes = concatBytes(encodeHandshakePayload(payload), Uint8Array.of(0), later);
      assert.deepEqual(decodeHandshakePayload(bytes), payload);
      const several = { ...payload, isOneOfSeveral: true as const };
      const again = concatBytes(encodeHandshakePayload(several), later);
      assert.deepEqual(decodeHandshakePayload(again), several);
    }),
  );
});

test('an algorithm not known is passed over', () => {
  const bytes = new Uint8Array([0, 3, 9, 2, 1, 0, 0, 0, 1, 0, 0, 0]);
  assert.deepEqual(decodeHandshakePayload(bytes)?.aeads, ['chacha20-poly1305', 'aes-128-gcm']);
});

test('any bytes at all decode to something or nothing, without a throw', () => {
  const sized = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.uint8Array({ minLength: HANDSHAKE_1_BYTES, maxLength: HANDSHAKE_1_BYTES }),
  );
  fc.assert(
    fc.property(sized, fc.integer({ min: 0x11, max: 0x14 }), (bytes, type) => {
      if (bytes.length >= 4) bytes.set([type, 0, 0, 0]);
      decodeHandshake1(bytes);
      decodeHandshake2(bytes);
      decodeHandshake3(bytes);
      decodeCookieReply(bytes);
      decodeHandshakePayload(bytes);
    }),
    { numRuns: 500 },
  );
});
