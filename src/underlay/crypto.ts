/**
 * `Crypto` on `node:crypto`: the portable implementation, which works wherever Node does.
 *
 * One AEAD call costs 4 to 5 us whatever the size, because `node:crypto` makes a cipher context for
 * each; a binding that keeps contexts is to replace `sealBatch` and `openBatch` behind the same
 * interface and the same conformance suite. The keys that signatures are checked against are kept
 * imported, a bounded number of them.
 *
 * Everything returned is a plain `Uint8Array`: `Buffer.prototype.slice` gives a view where the cores
 * rely on a copy.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type {
  AeadAlgorithm,
  AeadBatch,
  AeadKey,
  Crypto,
  Entropy,
  KeyAgreement,
  Signer,
} from '../kernel/index.ts';
import {
  AEAD_COUNTER_BYTES,
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  aeadKeyBytes,
  assert,
  fromBase64url,
  toBase64url,
  writeU32,
} from '../kernel/index.ts';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Imported verification keys kept; the one used longest ago gives way. */
export const VERIFY_KEYS_MAX = 1_024;

export function nodeCrypto(options: { verifyKeysMax?: number } = {}): Crypto {
  return new NodeCrypto(options.verifyKeysMax ?? VERIFY_KEYS_MAX);
}

export const nodeEntropy = (): Entropy => ({ bytes: (count) => plain(randomBytes(count)) });

class NodeCrypto implements Crypto {
  private readonly verifyKeys: KeyCache;

  constructor(verifyKeysMax: number) {
    this.verifyKeys = new KeyCache(verifyKeysMax);
  }

  get aeadPreference(): readonly AeadAlgorithm[] {
    measuredPreference ??= aeadPreferenceBy(sealingCost());
    return measuredPreference;
  }

  sha256(message: Uint8Array): Uint8Array {
    return plain(createHash('sha256').update(message).digest());
  }

  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
    return plain(createHmac('sha256', key).update(message).digest());
  }

  signer(seed: Uint8Array): Signer {
    assert(seed.length === KEY_BYTES, 'an Ed25519 seed is 32 bytes');
    const key = importPrivate('Ed25519', seed);
    return {
      publicKey: rawPublic(key),
      sign: (message) => plain(sign(null, message, key)),
    };
  }

  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
    const key = this.verifyKeys.get(publicKey);
    return key !== undefined && verify(null, message, key, signature);
  }

  keyAgreement(privateKey: Uint8Array): KeyAgreement {
    assert(privateKey.length === KEY_BYTES, 'an X25519 key is 32 bytes');
    const key = importPrivate('X25519', privateKey);
    return { publicKey: rawPublic(key), agree: (peer) => agree(key, peer) };
  }

  aeadKey(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
    return new NodeAeadKey(algorithm, key);
  }

  sealBatch(batch: AeadBatch): void {
    for (let i = 0; i < batch.count; i++) {
      ownKey(batch.keys[i]).sealInPlace(batch, i);
      batch.results[i] = 1;
    }
  }

  openBatch(batch: AeadBatch): void {
    for (let i = 0; i < batch.count; i++) {
      batch.results[i] = ownKey(batch.keys[i]).openInPlace(batch, i) ? 1 : 0;
    }
  }
}

class NodeAeadKey implements AeadKey {
  readonly algorithm: AeadAlgorithm;
  private readonly key: KeyObject;

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    assert(key.length === aeadKeyBytes(algorithm), 'an AEAD key of the wrong length');
    this.algorithm = algorithm;
    this.key = createSecretKey(key);
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
    const out = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
    const cipher = this.cipher(nonce);
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    out.set(cipher.update(plaintext), 0);
    cipher.final();
    out.set(cipher.getAuthTag(), plaintext.length);
    return out;
  }

  open(nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    const bytes = sealed.length - AEAD_TAG_BYTES;
    if (bytes < 0) return undefined;
    const decipher = this.decipher(nonce);
    decipher.setAAD(aad, { plaintextLength: bytes });
    decipher.setAuthTag(sealed.subarray(bytes));
    const plaintext = decipher.update(sealed.subarray(0, bytes));
    return isFinal(decipher) ? plain(plaintext) : undefined;
  }

  sealInPlace(batch: AeadBatch, i: number): void {
    const slab = batch.slabs[i]!;
    const at = batch.offsets[i]!;
    const end = at + batch.lengths[i]!;
    readCounter(batch, i);
    const cipher = this.cipher(batchNonce);
    cipher.setAAD(batchAad, { plaintextLength: end - at });
    slab.set(cipher.update(slab.subarray(at, end)), at);
    cipher.final();
    slab.set(cipher.getAuthTag(), end);
  }

  openInPlace(batch: AeadBatch, i: number): boolean {
    const slab = batch.slabs[i]!;
    const at = batch.offsets[i]!;
    const end = at + batch.lengths[i]!;
    readCounter(batch, i);
    const decipher = this.decipher(batchNonce);
    decipher.setAAD(batchAad, { plaintextLength: end - at });
    decipher.setAuthTag(slab.subarray(end, end + AEAD_TAG_BYTES));
    const plaintext = decipher.update(slab.subarray(at, end));
    if (!isFinal(decipher)) return false;
    slab.set(plaintext, at);
    return true;
  }

  private cipher(nonce: Uint8Array): NodeCipher {
    return this.algorithm === 'aes-128-gcm'
      ? createCipheriv('aes-128-gcm', this.key, nonce, TAG_LENGTH)
      : createCipheriv('chacha20-poly1305', this.key, nonce, TAG_LENGTH);
  }

  private decipher(nonce: Uint8Array): NodeDecipher {
    return this.algorithm === 'aes-128-gcm'
      ? createDecipheriv('aes-128-gcm', this.key, nonce, TAG_LENGTH)
      : createDecipheriv('chacha20-poly1305', this.key, nonce, TAG_LENGTH);
  }
}

type NodeCipher = ReturnType<typeof createCipheriv> & {
  setAAD(aad: Uint8Array, options: { plaintextLength: number }): unknown;
  getAuthTag(): Uint8Array;
};
type NodeDecipher = ReturnType<typeof createDecipheriv> & {
  setAAD(aad: Uint8Array, options: { plaintextLength: number }): unknown;
  setAuthTag(tag: Uint8Array): unknown;
};

const TAG_LENGTH = { authTagLength: AEAD_TAG_BYTES } as const;

/** Raw public key to imported key, least recently used out first. */
class KeyCache {
  private readonly max: number;
  private readonly keys = new Map<string, KeyObject>();

  constructor(max: number) {
    this.max = max;
  }

  get(raw: Uint8Array): KeyObject | undefined {
    const name = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString('latin1');
    const known = this.keys.get(name);
    const key = known ?? importPublic('Ed25519', raw);
    if (key === undefined) return undefined;
    if (known !== undefined) this.keys.delete(name);
    else if (this.keys.size >= this.max) this.keys.delete(this.keys.keys().next().value!);
    this.keys.set(name, key);
    return key;
  }
}

function agree(key: KeyObject, peerPublicKey: Uint8Array): Uint8Array | undefined {
  if (peerPublicKey.length !== KEY_BYTES) return undefined;
  const publicKey = importPublic('X25519', peerPublicKey);
  if (publicKey === undefined) return undefined;
  try {
    const shared = plain(diffieHellman({ privateKey: key, publicKey }));
    // RFC 7748, section 6.1: refuse a result of zeros, where the library has not.
    return shared.every((byte) => byte === 0) ? undefined : shared;
  } catch {
    return undefined;
  }
}

/**
 * Keys go in and out as JSON Web Keys (RFC 8037): ten times as fast as DER, whose decoder tries
 * every format it knows. For a private key only `d` counts; `x` has to be there and is not read.
 */
type Curve = 'Ed25519' | 'X25519';

function importPrivate(crv: Curve, raw: Uint8Array): KeyObject {
  return createPrivateKey({
    key: { kty: 'OKP', crv, d: toBase64url(raw), x: '' },
    format: 'jwk',
  });
}

function importPublic(crv: Curve, raw: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: { kty: 'OKP', crv, x: toBase64url(raw) }, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function rawPublic(key: KeyObject): Uint8Array {
  const raw = fromBase64url(key.export({ format: 'jwk' }).x ?? '');
  assert(raw?.length === KEY_BYTES, 'a key object without its public half');
  return raw;
}

function isFinal(decipher: NodeDecipher): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}

/** Of the entry at hand; written anew for each. */
const batchNonce = new Uint8Array(AEAD_NONCE_BYTES);
const batchAad = new Uint8Array(AEAD_COUNTER_BYTES + 5);

/** Nonce and additional data of entry `i`, as `AeadBatch` says. */
function readCounter(batch: AeadBatch, i: number): void {
  const slab = batch.slabs[i]!;
  const at = batch.offsets[i]! - AEAD_COUNTER_BYTES;
  for (let k = 0; k < AEAD_COUNTER_BYTES; k++)
    batchNonce[AEAD_NONCE_BYTES - AEAD_COUNTER_BYTES + k] = batchAad[k] = slab[at + k]!;
  const length = batch.lengths[i]!;
  writeU32(batchAad, AEAD_COUNTER_BYTES, (batch.heads[i]! << 8) | (length >> 8));
  batchAad[AEAD_COUNTER_BYTES + 4] = length;
}

function ownKey(key: AeadKey | undefined): NodeAeadKey {
  assert(key instanceof NodeAeadKey, 'an AEAD key of another implementation');
  return key;
}

const plain = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Once a process: all its nodes run on one kind of processor, and must not differ by what else it was busy with. */
let measuredPreference: readonly AeadAlgorithm[] | undefined;
const COST_ROUNDS = 6;
/**
 * AES without instructions for it costs several times what ChaCha20-Poly1305 costs; with them about
 * as much on the newest processors (18 and 22 us for 32 KiB seen), a third on older ones.
 */
const AES_COST_MAX = 1.6;

/**
 * Both algorithms, AES-128-GCM first where the processor has instructions for it, which Node does
 * not tell but their costs do. `cost` is asked in turn, and the least of the answers counts: others
 * may be using the processor.
 */
export function aeadPreferenceBy(cost: (algorithm: AeadAlgorithm) => number): AeadAlgorithm[] {
  let aes = Number.POSITIVE_INFINITY;
  let chacha = Number.POSITIVE_INFINITY;
  for (let round = 0; round < COST_ROUNDS; round++) {
    aes = Math.min(aes, cost('aes-128-gcm'));
    chacha = Math.min(chacha, cost('chacha20-poly1305'));
  }
  return aes <= chacha * AES_COST_MAX
    ? ['aes-128-gcm', 'chacha20-poly1305']
    : ['chacha20-poly1305', 'aes-128-gcm'];
}

/** What sealing 32 KiB takes here, milliseconds. */
function sealingCost(): (algorithm: AeadAlgorithm) => number {
  const text = new Uint8Array(32_768);
  const nonce = new Uint8Array(AEAD_NONCE_BYTES);
  const nothing = new Uint8Array(0);
  return (algorithm) => {
    const key = new NodeAeadKey(algorithm, new Uint8Array(aeadKeyBytes(algorithm)));
    const start = performance.now();
    key.seal(nonce, text, nothing);
    return performance.now() - start;
  };
}
