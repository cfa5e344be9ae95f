/** Memory that is not ours must not be touched, and every byte must be what `node:crypto` makes it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  AEAD_COUNTER_BYTES,
  AEAD_TAG_BYTES,
  AEAD_TEXT_BYTES_MAX,
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
const COUNTER = new Uint8Array(AEAD_COUNTER_BYTES).fill(7);

const oneByOne = fastCrypto(portable, 1, false);
if (found.ok && oneByOne.ok) {
  cryptoConformance('fast', found.value);
  againstNode('fast crypto', found.value);
  againstNode('fast crypto, a packet a call', oneByOne.value);
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

function againstNode(name: string, fast: Crypto): void {
  for (const algorithm of ALGORITHMS) {
    const raw = new Random(1).bytes(aeadKeyBytes(algorithm));
    const near = fast.aeadKey(algorithm, raw);
    const far = portable.aeadKey(algorithm, raw);

    describe(`${name}, ${algorithm}: as node:crypto does it`, () => {
      it('for every length from 0 to 2000, alone and in a batch, both ways', () => {
        const random = new Random(2);
        for (let length = 0; length <= 2_000; length++) {
          const text = random.bytes(length);
          const counter = random.bytes(AEAD_COUNTER_BYTES);
          const [one, two] = [near, far].map((key) => entry(key, counter, text, length % 17));
          fast.sealBatch(one!.batch);
          portable.sealBatch(two!.batch);
          assert.deepEqual(one!.slab, two!.slab);
          const { batch, slab, at } = one!;
          fast.openBatch(batch);
          assert.equal(batch.results[0], 1);
          assert.deepEqual(slab.slice(at - AEAD_COUNTER_BYTES, at), counter);
          assert.deepEqual(slab.slice(at, at + length), text);
          assertGuarded(slab, at - AEAD_COUNTER_BYTES, at + length + AEAD_TAG_BYTES);
        }
      });

      it('a forgery at any bit of counter, text or tag is refused and touches nothing else', () => {
        const bytes = fc.uint8Array({ maxLength: 2_000 });
        fc.assert(
          fc.property(bytes, fc.nat(), (text, where) => {
            const counter = new Random(where).bytes(AEAD_COUNTER_BYTES);
            const { batch, slab, at } = entry(near, counter, text, where % 9);
            fast.sealBatch(batch);
            const sealed = slab.slice();
            const from = at - AEAD_COUNTER_BYTES;
            const end = at + text.length + AEAD_TAG_BYTES;
            const bit = where % (8 * (end - from));
            slab[from + (bit >> 3)]! ^= 1 << (bit & 7);
            fast.openBatch(batch);
            assert.equal(batch.results[0], 0);
            assertGuarded(slab, from, end);
            slab.set(sealed);
            fast.openBatch(batch);
            assert.equal(batch.results[0], 1, 'a forgery must not spoil the key');
            assert.deepEqual(slab.slice(at, at + text.length), text);
          }),
          { numRuns: 300 },
        );
      });

      it('a batch whose entries would leave their slab is refused before anything is touched', () => {
        const spoil: ((batch: AeadBatch) => void)[] = [
          (b) => (b.lengths[0] = b.slabs[0]!.length),
          (b) => (b.lengths[0] = 0xffff_ffff),
          (b) => (b.offsets[0] = 0xffff_fff0),
          (b) => (b.offsets[0] = b.slabs[0]!.length - AEAD_TAG_BYTES + 1),
          (b) => (b.offsets[0] = AEAD_COUNTER_BYTES - 1),
          (b) => (b.count = 2),
          (b) => (b.keys[0] = far),
        ];
        for (const change of spoil) {
          const { batch, slab } = entry(near, COUNTER, new Uint8Array(64), 0);
          change(batch);
          const before = slab.slice();
          assert.throws(() => fast.sealBatch(batch), InvariantError);
          assert.throws(() => fast.openBatch(batch), InvariantError);
          assert.deepEqual(slab, before);
        }
      });

      it('a slab whose memory was given away is refused', () => {
        const { batch, slab } = entry(near, COUNTER, new Uint8Array(64), 0);
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
      for (let i = 0; i < 64; i++) {
        const algorithm = ALGORITHMS[i & 1]!;
        batch.keys[i] = fast.aeadKey(algorithm, random.bytes(aeadKeyBytes(algorithm)));
        batch.slabs[i] = slab;
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

  it('the longest text there may be is sealed and opened, and a longer one refused', () => {
    const key = fast.aeadKey('aes-128-gcm', new Uint8Array(16));
    const text = new Random(4).bytes(AEAD_TEXT_BYTES_MAX);
    const { batch, slab, at } = entry(key, COUNTER, text, 1);
    fast.sealBatch(batch);
    fast.openBatch(batch);
    assert.equal(batch.results[0], 1);
    assert.deepEqual(slab.slice(at, at + text.length), text);
    batch.lengths[0]!++;
    assert.throws(() => fast.sealBatch(batch), InvariantError);
  });
}

function entry(
  key: AeadKey,
  counter: Uint8Array,
  text: Uint8Array,
  skew: number,
): { batch: AeadBatch; slab: Uint8Array; at: number } {
  const at = 32 + skew + AEAD_COUNTER_BYTES;
  const slab = new Uint8Array(at + text.length + AEAD_TAG_BYTES + 32).fill(GUARD);
  slab.set(counter, at - AEAD_COUNTER_BYTES);
  slab.set(text, at);
  const batch = createAeadBatch(1);
  batch.count = 1;
  batch.keys[0] = key;
  batch.slabs[0] = slab;
  batch.heads[0] = 0x15_03_00 + skew;
  batch.offsets[0] = at;
  batch.lengths[0] = text.length;
  return { batch, slab, at };
}

function assertGuarded(slab: Uint8Array, from: number, to: number): void {
  assert.ok(slab.subarray(0, from).every((byte) => byte === GUARD));
  assert.ok(slab.subarray(to).every((byte) => byte === GUARD));
}
