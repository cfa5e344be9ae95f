import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AeadKey, Crypto } from '../kernel/index.ts';
import { AEAD_COUNTER_BYTES, AEAD_TAG_BYTES, createAeadBatch, writeU32 } from '../kernel/index.ts';
import { simCrypto } from './crypto.ts';
import { NonceGuard } from './nonce-guard.ts';

function watched(): { crypto: Crypto; reuses: string[] } {
  const reuses: string[] = [];
  const guard = new NonceGuard(simCrypto(), (text) => reuses.push(text));
  return { crypto: guard.crypto(), reuses };
}

const keyOf = (crypto: Crypto, n: number): AeadKey =>
  crypto.aeadKey('chacha20-poly1305', new Uint8Array(32).fill(n));

/** Seals one byte under the counter and opens it again; whether it came back. */
function sealOne(crypto: Crypto, key: AeadKey, counter: number, text: number): boolean {
  const batch = createAeadBatch(1);
  const slab = new Uint8Array(AEAD_COUNTER_BYTES + 1 + AEAD_TAG_BYTES);
  slab[AEAD_COUNTER_BYTES] = text;
  batch.count = 1;
  batch.keys[0] = key;
  batch.slabs[0] = slab;
  batch.offsets[0] = AEAD_COUNTER_BYTES;
  batch.lengths[0] = 1;
  writeU32(slab, 4, counter);
  crypto.sealBatch(batch);
  crypto.openBatch(batch);
  return batch.results[0] === 1 && slab[AEAD_COUNTER_BYTES] === text && batch.keys[0] === key;
}

test('counters that never repeat pass, in any order, and packets open as before', () => {
  const { crypto, reuses } = watched();
  const key = keyOf(crypto, 1);
  for (const counter of [1, 2, 9, 3, 0x1_0000, 0])
    assert.ok(sealOne(crypto, key, counter, counter & 255));
  assert.deepEqual(reuses, []);
});

test('one nonce for two texts is found, also across two copies of a key', () => {
  const { crypto, reuses } = watched();
  sealOne(crypto, keyOf(crypto, 1), 7, 10);
  sealOne(crypto, keyOf(crypto, 2), 7, 11);
  assert.equal(reuses.length, 0);
  sealOne(crypto, keyOf(crypto, 1), 7, 11);
  assert.equal(reuses.length, 1);
});

test('the same text again is let pass; other additional data is not', () => {
  const { crypto, reuses } = watched();
  const key = keyOf(crypto, 3);
  const nonce = new Uint8Array(12);
  const first = key.seal(nonce, Uint8Array.of(1), Uint8Array.of(2));
  assert.deepEqual(key.seal(nonce, Uint8Array.of(1), Uint8Array.of(2)), first);
  assert.equal(reuses.length, 0);
  key.seal(nonce, Uint8Array.of(1), Uint8Array.of(3));
  assert.equal(reuses.length, 1);
});
