/** Memory that is not ours must not be touched, and every byte must be what `node:crypto` makes it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  type AeadAlgorithm,
  type AeadBatch,
  type AeadKey,
  aeadKeyBytes,
  type Crypto,
  createAeadBatch,
  InvariantError,
  Random,
} from '../../kernel/index.ts';
import { cryptoConformance } from '../../security/crypto-conformance.test.ts';
import { chooseCrypto } from '../choose.ts';
import { nodeCrypto } from '../crypto.ts';
import { fastCrypto } from './fast-crypto.ts';

const portable = nodeCrypto();
const found = fastCrypto(portable);
const ALGORITHMS: readonly AeadAlgorithm[] = ['aes-128-gcm', 'chacha20-poly1305'];
const GUARD = 0xa5;

if (found.ok) {
  cryptoConformance('fast', found.value);
  againstNode();
}

it('where it is not to be had or not right, the portable one serves, and the reason is told', () => {
  const chosen = chooseCrypto();
  if (found.ok) assert.deepEqual([chosen.kind, chosen.isFallback], ['fast', false]);
  else {
    assert.deepEqual([chosen.kind, chosen.isFallback], ['portable', true]);
    assert.equal(chosen.reason, found.reason);
    assert.throws(() => chooseCrypto('fast'), { code: 'FAST_UNDERLAY_UNAVAILABLE' });
  }
  const keys = (algorithm: AeadAlgorithm, key: Uint8Array): AeadKey =>
    portable.aeadKey(
      algorithm,
      key.map((byte) => byte ^ 1),
    );
  const other: Crypto = Object.create(portable, { aeadKey: { value: keys } });
  const refused = fastCrypto(other);
  assert.ok(!refused.ok);
  assert.match(refused.reason, found.ok ? /does not do what node:crypto does/ : /\w/);
});

function againstNode(): void {
  assert.ok(found.ok);
  const fast = found.value;

  for (const algorithm of ALGORITHMS) {
    const raw = new Random(1).bytes(aeadKeyBytes(algorithm));
    const near = fast.aeadKey(algorithm, raw);
    const far = portable.aeadKey(algorithm, raw);

    describe(`fast crypto, ${algorithm}: as node:crypto does it`, () => {
      it('for every length from 0 to 2000, alone and in a batch, both ways', () => {
        const random = new Random(2);
        for (let length = 0; length <= 2_000; length++) {
          const nonce = random.bytes(AEAD_NONCE_BYTES);
          const aad = random.bytes(length % 33);
          const text = random.bytes(length);
          const expected = far.seal(nonce, text, aad);
          assert.deepEqual(near.seal(nonce, text, aad), expected);
          assert.deepEqual(near.open(nonce, expected, aad), text);
          const { batch, slab, at } = entry(near, nonce, text, aad, length % 17);
          fast.sealBatch(batch);
          assert.deepEqual(slab.slice(at, at + length + AEAD_TAG_BYTES), expected);
          fast.openBatch(batch);
          assert.equal(batch.results[0], 1);
          assert.deepEqual(slab.slice(at, at + length), text);
          assertGuarded(slab, at - aad.length, at + length + AEAD_TAG_BYTES);
        }
      });

      it('a forgery at any bit of text or tag is refused and stays as it came', () => {
        const bytes = fc.uint8Array({ maxLength: 2_000 });
        fc.assert(
          fc.property(bytes, fc.uint8Array({ maxLength: 40 }), fc.nat(), (text, aad, where) => {
            const nonce = new Random(where).bytes(AEAD_NONCE_BYTES);
            const { batch, slab, at } = entry(near, nonce, text, aad, where % 9);
            fast.sealBatch(batch);
            const bit = where % (8 * (text.length + AEAD_TAG_BYTES));
            slab[at + (bit >> 3)]! ^= 1 << (bit & 7);
            const before = slab.slice();
            fast.openBatch(batch);
            assert.equal(batch.results[0], 0);
            assert.deepEqual(slab, before);
            slab[at + (bit >> 3)]! ^= 1 << (bit & 7);
            fast.openBatch(batch);
            assert.equal(batch.results[0], 1, 'a forgery must not spoil the key');
            assert.deepEqual(slab.slice(at, at + text.length), text);
          }),
          { numRuns: 300 },
        );
      });

      it('a batch whose entries would leave their slab is refused before anything is touched', () => {
        const nonce = new Uint8Array(AEAD_NONCE_BYTES);
        const spoil: ((batch: AeadBatch) => void)[] = [
          (b) => (b.lengths[0] = b.slabs[0]!.length),
          (b) => (b.lengths[0] = 0xffff_ffff),
          (b) => (b.offsets[0] = 0xffff_fff0),
          (b) => (b.offsets[0] = b.slabs[0]!.length - AEAD_TAG_BYTES + 1),
          (b) => (b.aadLengths[0] = 0xffff_ffff),
          (b) => (b.aadOffsets[0] = b.slabs[0]!.length),
          (b) => (b.count = 2),
          (b) => (b.keys[0] = far),
        ];
        for (const change of spoil) {
          const { batch, slab } = entry(near, nonce, new Uint8Array(64), new Uint8Array(16), 0);
          change(batch);
          const before = slab.slice();
          assert.throws(() => fast.sealBatch(batch), InvariantError);
          assert.throws(() => fast.openBatch(batch), InvariantError);
          assert.deepEqual(slab, before);
        }
      });

      it('a slab whose memory was given away is refused', () => {
        const { batch, slab } = entry(
          near,
          new Uint8Array(AEAD_NONCE_BYTES),
          new Uint8Array(64),
          new Uint8Array(16),
          0,
        );
        fast.sealBatch(batch);
        structuredClone(slab.buffer, { transfer: [slab.buffer as ArrayBuffer] });
        assert.throws(() => fast.openBatch(batch), InvariantError);
      });
    });
  }

  it('many short-lived keys with collections in between neither mix nor crash', () => {
    const random = new Random(3);
    for (let round = 0; round < 40; round++) {
      const batch = createAeadBatch(64);
      const slab = random.bytes(64 * 128);
      const before = slab.slice();
      batch.count = 64;
      batch.nonces.set(random.bytes(batch.nonces.length));
      for (let i = 0; i < 64; i++) {
        const algorithm = ALGORITHMS[i & 1]!;
        batch.keys[i] = fast.aeadKey(algorithm, random.bytes(aeadKeyBytes(algorithm)));
        batch.slabs[i] = slab;
        batch.aadOffsets[i] = 128 * i;
        batch.aadLengths[i] = 16;
        batch.offsets[i] = 128 * i + 16;
        batch.lengths[i] = 96;
      }
      fast.sealBatch(batch);
      // Garbage enough that some of the keys of earlier rounds are collected.
      for (let i = 0; i < 200; i++) new Uint8Array(65_536).fill(i);
      fast.openBatch(batch);
      assert.ok(batch.results.every((result) => result === 1));
      for (let i = 0; i < 64; i++)
        assert.deepEqual(
          slab.subarray(128 * i, 128 * i + 112),
          before.subarray(128 * i, 128 * i + 112),
        );
    }
  });

  it('single calls beyond the size at hand work, and shorter ones after them', () => {
    const key = fast.aeadKey('aes-128-gcm', new Uint8Array(16));
    const nonce = new Uint8Array(AEAD_NONCE_BYTES);
    for (const length of [100_000, 10, 300_000, 0]) {
      const text = new Random(length).bytes(length);
      const sealed = key.seal(nonce, text, nonce);
      assert.deepEqual(key.open(nonce, sealed, nonce), text);
    }
  });
}

function entry(
  key: AeadKey,
  nonce: Uint8Array,
  text: Uint8Array,
  aad: Uint8Array,
  skew: number,
): { batch: AeadBatch; slab: Uint8Array; at: number } {
  const aadAt = 32 + skew;
  const at = aadAt + aad.length;
  const slab = new Uint8Array(at + text.length + AEAD_TAG_BYTES + 32).fill(GUARD);
  slab.set(aad, aadAt);
  slab.set(text, at);
  const batch = createAeadBatch(1);
  batch.count = 1;
  batch.keys[0] = key;
  batch.slabs[0] = slab;
  batch.nonces.set(nonce);
  batch.aadOffsets[0] = aadAt;
  batch.aadLengths[0] = aad.length;
  batch.offsets[0] = at;
  batch.lengths[0] = text.length;
  return { batch, slab, at };
}

function assertGuarded(slab: Uint8Array, from: number, to: number): void {
  assert.ok(slab.subarray(0, from).every((byte) => byte === GUARD));
  assert.ok(slab.subarray(to).every((byte) => byte === GUARD));
}
