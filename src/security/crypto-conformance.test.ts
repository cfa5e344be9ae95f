/** What every implementation of `Crypto` must do; each one's own test calls this. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AeadAlgorithm, AeadBatch, AeadKey, Crypto } from '../kernel/index.ts';
import {
  AEAD_COUNTER_BYTES,
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  aeadKeyBytes,
  concatBytes,
  createAeadBatch,
  InvariantError,
  Random,
  utf8Encode,
} from '../kernel/index.ts';

const ALGORITHMS: readonly AeadAlgorithm[] = ['aes-128-gcm', 'chacha20-poly1305'];
/** An odd offset: nothing may count on alignment. */
const FIRST_AT = 3;
const HEAD = 0x15_02_07;

export function cryptoConformance(name: string, crypto: Crypto): void {
  describe(`${name}: conformance of Crypto`, () => {
    hashes(crypto);
    signatures(crypto);
    agreement(crypto);
    for (const algorithm of ALGORITHMS) {
      describe(algorithm, () => {
        oneByOne(crypto, algorithm);
        batches(crypto, algorithm);
      });
    }
    it('prefers each algorithm at most once, and one at least', () => {
      const preference = crypto.aeadPreference;
      assert.ok(preference.length > 0);
      assert.equal(new Set(preference).size, preference.length);
      assert.deepEqual(crypto.aeadPreference, preference);
    });
  });
}

function hashes(crypto: Crypto): void {
  it('hashes are 32 plain bytes, the same for the same input and different for others', () => {
    const seen = new Set<string>();
    for (let length = 0; length < 70; length++) {
      const message = new Uint8Array(length).fill(7);
      const hash = crypto.sha256(message);
      assert.equal(Object.getPrototypeOf(hash), Uint8Array.prototype);
      assert.equal(hash.length, 32);
      assert.deepEqual(crypto.sha256(message), hash);
      const mac = crypto.hmacSha256(utf8Encode('key'), message);
      assert.equal(mac.length, 32);
      assert.notDeepEqual(crypto.hmacSha256(utf8Encode('kez'), message), mac);
      seen.add(hash.join()).add(mac.join());
    }
    assert.equal(seen.size, 140);
  });
}

function signatures(crypto: Crypto): void {
  const seed = new Random(3).bytes(32);
  const signer = crypto.signer(seed);
  const message = utf8Encode('a link-state record');

  it('a signature of 64 bytes verifies for its key and message', () => {
    const signature = signer.sign(message);
    assert.equal(signature.length, 64);
    assert.equal(signer.publicKey.length, 32);
    assert.deepEqual(crypto.signer(seed).publicKey, signer.publicKey);
    assert.equal(crypto.verify(signer.publicKey, message, signature), true);
  });

  it('a signature fails for another message or key, when changed, and when cut', () => {
    const signature = signer.sign(message);
    const other = crypto.signer(new Random(4).bytes(32));
    assert.equal(crypto.verify(other.publicKey, message, signature), false);
    assert.equal(crypto.verify(signer.publicKey, utf8Encode('another'), signature), false);
    for (let at = 0; at < signature.length; at += 7) {
      const changed = signature.slice();
      changed[at]! ^= 1;
      assert.equal(crypto.verify(signer.publicKey, message, changed), false);
    }
    assert.equal(crypto.verify(signer.publicKey, message, signature.slice(0, 63)), false);
    assert.equal(crypto.verify(signer.publicKey.slice(0, 31), message, signature), false);
  });

  it('whatever a peer sends as key and signature is refused without a throw', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 60, maxLength: 68 }),
      (key, text, signature) => assert.equal(crypto.verify(key, text, signature), false),
    );
    fc.assert(property, { numRuns: 100 });
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(key, (k) => void crypto.keyAgreement(seed).agree(k)),
      { numRuns: 100 },
    );
  });
}

function agreement(crypto: Crypto): void {
  it('two ends agree on 32 bytes that a third does not have', () => {
    const random = new Random(5);
    const near = crypto.keyAgreement(random.bytes(32));
    const far = crypto.keyAgreement(random.bytes(32));
    const third = crypto.keyAgreement(random.bytes(32));
    const shared = near.agree(far.publicKey);
    assert.equal(shared?.length, 32);
    assert.deepEqual(far.agree(near.publicKey), shared);
    assert.notDeepEqual(third.agree(near.publicKey), shared);
    assert.notDeepEqual(third.agree(far.publicKey), shared);
  });

  it('a key of low order or of the wrong length has no shared secret', () => {
    const near = crypto.keyAgreement(new Random(6).bytes(32));
    assert.equal(near.agree(new Uint8Array(32)), undefined);
    assert.equal(near.agree(new Uint8Array(0)), undefined);
    assert.equal(near.agree(new Uint8Array(31).fill(9)), undefined);
    assert.equal(near.agree(new Uint8Array(33).fill(9)), undefined);
  });
}

function oneByOne(crypto: Crypto, algorithm: AeadAlgorithm): void {
  const random = new Random(8);
  const keyText = random.bytes(aeadKeyBytes(algorithm));
  const key = crypto.aeadKey(algorithm, keyText);
  const nonce = random.bytes(AEAD_NONCE_BYTES);

  it('opens what was sealed, and nothing that differs by one bit', () => {
    for (const length of [0, 1, 3, 4, 17, 64]) {
      const text = random.bytes(length);
      const aad = random.bytes(length % 7);
      const sealed = key.seal(nonce, text, aad);
      assert.equal(sealed.length, length + AEAD_TAG_BYTES);
      const twin = crypto.aeadKey(algorithm, keyText);
      assert.deepEqual(twin.open(nonce, sealed, aad), text);
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        assert.equal(key.open(nonce, flipped(sealed, bit), aad), undefined);
      }
      for (let bit = 0; bit < 8 * aad.length; bit++) {
        assert.equal(key.open(nonce, sealed, flipped(aad, bit)), undefined);
      }
      for (let bit = 0; bit < 8 * nonce.length; bit += 5) {
        assert.equal(key.open(flipped(nonce, bit), sealed, aad), undefined);
      }
      for (let bit = 0; bit < 8 * keyText.length; bit += 11) {
        const other = crypto.aeadKey(algorithm, flipped(keyText, bit));
        assert.equal(other.open(nonce, sealed, aad), undefined);
      }
    }
  });

  it('hides the text, and hides it otherwise under another nonce', () => {
    const text = new Uint8Array(64);
    const sealed = key.seal(nonce, text, new Uint8Array(0)).subarray(0, 64);
    const again = key.seal(flipped(nonce, 95), text, new Uint8Array(0)).subarray(0, 64);
    assert.ok(sealed.filter((byte) => byte === 0).length < 8);
    assert.ok(sealed.filter((byte, i) => byte === again[i]).length < 8);
  });

  it('refuses fewer bytes than a tag has', () => {
    for (let length = 0; length < AEAD_TAG_BYTES; length++) {
      assert.equal(key.open(nonce, new Uint8Array(length), new Uint8Array(0)), undefined);
    }
  });

  it('takes only keys of its length', () => {
    assert.throws(() => crypto.aeadKey(algorithm, new Uint8Array(24)), InvariantError);
  });
}

function batches(crypto: Crypto, algorithm: AeadAlgorithm): void {
  const key = crypto.aeadKey(algorithm, new Random(9).bytes(aeadKeyBytes(algorithm)));
  const lengths = [0, 1, 40, 100, 1400];

  it('seals a batch in place as single calls would, and touches nothing around it', () => {
    const { batch, slab, texts } = filled(key, lengths);
    const before = slab.slice();
    crypto.sealBatch(batch);
    for (let i = 0; i < batch.count; i++) {
      assert.equal(batch.results[i], 1);
      const at = batch.offsets[i]!;
      const length = batch.lengths[i]!;
      const counter = before.slice(at - AEAD_COUNTER_BYTES, at);
      const nonce = concatBytes(new Uint8Array(4), counter);
      const aad = concatBytes(counter, Uint8Array.of(0x15, 2, 7, length >> 8, length & 255));
      const sealed = slab.slice(at, at + length + AEAD_TAG_BYTES);
      assert.deepEqual(sealed, key.seal(nonce, texts[i]!, aad));
      before.set(sealed, at);
    }
    assert.deepEqual(slab, before);
  });

  it('opens a batch in place and says for each entry whether it was authentic', () => {
    const { batch, slab, texts } = filled(key, lengths);
    crypto.sealBatch(batch);
    slab[batch.offsets[2]! + 5]! ^= 4;
    slab[batch.offsets[3]! - 1]! ^= 1;
    batch.heads[4]! ^= 1;
    crypto.openBatch(batch);
    assert.deepEqual([...batch.results.subarray(0, batch.count)], [1, 1, 0, 0, 0]);
    for (const i of [0, 1]) {
      const at = batch.offsets[i]!;
      assert.deepEqual(slab.slice(at, at + batch.lengths[i]!), texts[i]);
    }
  });

  it('a text that is cut or longer than sealed does not open, and the key is good afterwards', () => {
    const { batch, slab, texts } = filled(key, lengths);
    crypto.sealBatch(batch);
    const sealed = slab.slice();
    for (const change of [-1, 1]) {
      slab.set(sealed);
      batch.lengths[4]! += change;
      crypto.openBatch(batch);
      assert.deepEqual([...batch.results.subarray(0, batch.count)], [1, 1, 1, 1, 0]);
      batch.lengths[4]! -= change;
    }
    slab.set(sealed);
    crypto.openBatch(batch);
    assert.equal(batch.results[4], 1);
    const at = batch.offsets[4]!;
    assert.deepEqual(slab.slice(at, at + batch.lengths[4]!), texts[4]);
  });

  it('an empty batch does nothing', () => {
    const batch = createAeadBatch(4);
    crypto.sealBatch(batch);
    crypto.openBatch(batch);
    assert.equal(batch.count, 0);
  });
}

function filled(
  key: AeadKey,
  lengths: readonly number[],
): { batch: AeadBatch; slab: Uint8Array; texts: Uint8Array[] } {
  const random = new Random(10);
  const slab = random.bytes(4_096);
  const batch = createAeadBatch(lengths.length);
  const texts: Uint8Array[] = [];
  let at = FIRST_AT;
  for (const [i, length] of lengths.entries()) {
    batch.keys[i] = key;
    batch.slabs[i] = slab;
    at += AEAD_COUNTER_BYTES;
    batch.heads[i] = HEAD;
    batch.offsets[i] = at;
    batch.lengths[i] = length;
    texts.push(slab.slice(at, at + length));
    at += length + AEAD_TAG_BYTES + 1;
  }
  batch.count = lengths.length;
  return { batch, slab, texts };
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[bit >> 3]! ^= 1 << (bit & 7);
  return out;
}
