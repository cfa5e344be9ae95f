/**
 * A stand-in for cryptography in simulations: the shapes, the failures and the determinism of the
 * real thing at a small part of its cost, and no security whatever. What the cores may rely on holds:
 *
 *   - a packet opens only with the key, nonce and additional data it was sealed with, and a change
 *     within any one aligned 32-bit word of it is always noticed (each step of the checksum is a
 *     bijection of its state and of the word), other changes but for one in 2^64;
 *   - key agreement commutes; a public key of zeros has no shared secret;
 *   - a signature holds for one key and one message;
 *   - ciphertext differs from plaintext, so that code which forgets to open is found out.
 *
 * What does not hold: anyone who knows public keys can compute shared secrets and signatures. No
 * simulated node does; its attackers replay, truncate, flip, and use keys of their own.
 *
 * The mixing steps are 32-bit multiply, xor and rotate in the manner of MurmurHash3's lanes.
 */
import type {
  AeadAlgorithm,
  AeadBatch,
  AeadKey,
  Crypto,
  Entropy,
  KeyAgreement,
  Random,
  Signer,
} from '../kernel/index.ts';
import {
  AEAD_COUNTER_BYTES,
  AEAD_TAG_BYTES,
  aeadKeyBytes,
  assert,
  bytesEqual,
  compareBytes,
  concatBytes,
  readU32,
  writeU32,
} from '../kernel/index.ts';

const HASH_BYTES = 32;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const NOTHING = new Uint8Array(0);

/** Keeps one purpose's hashes apart from another's. */
const AS_HASH = 1;
const AS_MAC = 2;
const AS_SIGNING_KEY = 3;
const AS_SIGNATURE = 4;
const AS_AGREEMENT_KEY = 5;
const AS_SHARED_SECRET = 6;

export interface SimCryptoOptions {
  /** What the simulated machine prefers. Default: AES first. */
  readonly aeadPreference?: readonly AeadAlgorithm[];
}

export function simCrypto(options: SimCryptoOptions = {}): Crypto {
  return {
    aeadPreference: options.aeadPreference ?? ['aes-128-gcm', 'chacha20-poly1305'],
    sha256: (message) => digest(AS_HASH, NOTHING, message, HASH_BYTES),
    hmacSha256: (key, message) => digest(AS_MAC, key, message, HASH_BYTES),
    signer,
    verify: (publicKey, message, signature) =>
      publicKey.length === KEY_BYTES &&
      signature.length === SIGNATURE_BYTES &&
      bytesEqual(signature, digest(AS_SIGNATURE, publicKey, message, SIGNATURE_BYTES)),
    keyAgreement,
    aeadKey: (algorithm, key) => new SimAeadKey(algorithm, key),
    sealBatch,
    openBatch,
  };
}

/** Keys and nonces of a simulated node, from its seeded stream. */
export const simEntropy = (random: Random): Entropy => ({ bytes: (count) => random.bytes(count) });

function signer(seed: Uint8Array): Signer {
  assert(seed.length === KEY_BYTES, 'an Ed25519 seed is 32 bytes');
  const publicKey = digest(AS_SIGNING_KEY, NOTHING, seed, KEY_BYTES);
  return {
    publicKey,
    sign: (message) => digest(AS_SIGNATURE, publicKey, message, SIGNATURE_BYTES),
  };
}

function keyAgreement(privateKey: Uint8Array): KeyAgreement {
  assert(privateKey.length === KEY_BYTES, 'an X25519 key is 32 bytes');
  const publicKey = digest(AS_AGREEMENT_KEY, NOTHING, privateKey, KEY_BYTES);
  return {
    publicKey,
    agree: (peer) => {
      if (peer.length !== KEY_BYTES || peer.every((byte) => byte === 0)) return undefined;
      const isFirst = compareBytes(publicKey, peer) < 0;
      const pair = isFirst ? concatBytes(publicKey, peer) : concatBytes(peer, publicKey);
      return digest(AS_SHARED_SECRET, NOTHING, pair, HASH_BYTES);
    },
  };
}

/** Additional data of the entry at hand, as `AeadBatch` says. */
const batchAad = new Uint8Array(AEAD_COUNTER_BYTES + 5);

function sealBatch(batch: AeadBatch): void {
  for (let i = 0; i < batch.count; i++) {
    const key = ownKey(batch.keys[i]);
    const { slab, end } = enter(key, batch, i);
    key.encrypt(slab, batch.offsets[i]!, end);
    key.writeTag(slab, end);
    batch.results[i] = 1;
  }
}

function openBatch(batch: AeadBatch): void {
  for (let i = 0; i < batch.count; i++) {
    const key = ownKey(batch.keys[i]);
    const { slab, end } = enter(key, batch, i);
    key.absorb(slab, batch.offsets[i]!, end);
    const isAuthentic = key.isTag(slab, end);
    if (isAuthentic) key.decrypt(slab, batch.offsets[i]!, end);
    else slab.fill(0, batch.offsets[i]!, end);
    batch.results[i] = isAuthentic ? 1 : 0;
  }
}

function enter(key: SimAeadKey, batch: AeadBatch, i: number): { slab: Uint8Array; end: number } {
  const slab = batch.slabs[i]!;
  const at = batch.offsets[i]!;
  const length = batch.lengths[i]!;
  const counterAt = at - AEAD_COUNTER_BYTES;
  key.start(0, readU32(slab, counterAt), readU32(slab, counterAt + 4));
  batchAad.set(slab.subarray(counterAt, at));
  writeU32(batchAad, AEAD_COUNTER_BYTES, (batch.heads[i]! << 8) | (length >> 8));
  batchAad[AEAD_COUNTER_BYTES + 4] = length;
  key.absorb(batchAad, 0, batchAad.length);
  return { slab, end: at + length };
}

function ownKey(key: AeadKey | undefined): SimAeadKey {
  assert(key instanceof SimAeadKey, 'an AEAD key of another implementation');
  return key;
}

/**
 * A packet's state: two checksum lanes and the keystream's generator, all started from key and
 * nonce. `start`, then additional data and ciphertext absorbed in that order, then the tag.
 */
class SimAeadKey implements AeadKey {
  readonly algorithm: AeadAlgorithm;
  private readonly k0: number;
  private readonly k1: number;
  private readonly k2: number;
  private readonly k3: number;
  private a = 0;
  private b = 0;
  private stream = 0;

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    assert(key.length === aeadKeyBytes(algorithm), 'an AEAD key of the wrong length');
    this.algorithm = algorithm;
    const words = digest(key.length, NOTHING, key, 16);
    this.k0 = readU32(words, 0);
    this.k1 = readU32(words, 4);
    this.k2 = readU32(words, 8);
    this.k3 = readU32(words, 12);
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
    const out = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
    out.set(plaintext);
    this.start(readU32(nonce, 0), readU32(nonce, 4), readU32(nonce, 8));
    this.absorb(aad, 0, aad.length);
    this.encrypt(out, 0, plaintext.length);
    this.writeTag(out, plaintext.length);
    return out;
  }

  open(nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    const end = sealed.length - AEAD_TAG_BYTES;
    if (end < 0) return undefined;
    this.start(readU32(nonce, 0), readU32(nonce, 4), readU32(nonce, 8));
    this.absorb(aad, 0, aad.length);
    this.absorb(sealed, 0, end);
    if (!this.isTag(sealed, end)) return undefined;
    const plaintext = sealed.slice(0, end);
    this.decrypt(plaintext, 0, end);
    return plaintext;
  }

  /** The three words of a nonce. */
  start(n0: number, n1: number, n2: number): void {
    this.a = stir(stir(stir(this.k0, n0), n1), n2);
    this.b = stir(stir(stir(this.k1, n2), n0), n1);
    this.stream = stir(stir(stir(this.k2, n1), n2), n0);
  }

  absorb(bytes: Uint8Array, from: number, end: number): void {
    let { a, b } = this;
    let at = from;
    for (; at + 4 <= end; at += 4) {
      const word =
        (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      a = stir(a, word);
      b = stir(b, a ^ word);
    }
    for (; at < end; at++) {
      a = stir(a, bytes[at]!);
      b = stir(b, a);
    }
    // The length too, so that bytes cannot move between additional data and text.
    this.a = stir(a, end - from);
    this.b = stir(b, from - end);
  }

  encrypt(bytes: Uint8Array, from: number, end: number): void {
    this.applyStream(bytes, from, end);
    this.absorb(bytes, from, end);
  }

  decrypt(bytes: Uint8Array, from: number, end: number): void {
    this.applyStream(bytes, from, end);
  }

  writeTag(bytes: Uint8Array, at: number): void {
    writeU32(bytes, at, finish(this.a));
    writeU32(bytes, at + 4, finish(this.b));
    writeU32(bytes, at + 8, finish(this.a ^ this.k3));
    writeU32(bytes, at + 12, finish(this.b ^ this.k3));
  }

  isTag(bytes: Uint8Array, at: number): boolean {
    return (
      readI32(bytes, at) === finish(this.a) &&
      readI32(bytes, at + 4) === finish(this.b) &&
      readI32(bytes, at + 8) === finish(this.a ^ this.k3) &&
      readI32(bytes, at + 12) === finish(this.b ^ this.k3)
    );
  }

  /** Xor with a counter-driven generator; its own inverse. */
  private applyStream(bytes: Uint8Array, from: number, end: number): void {
    let counter = this.stream;
    for (let at = from; at < end; at += 4) {
      counter = (counter + 0x9e37_79b9) | 0;
      let word = Math.imul(counter ^ (counter >>> 16), 0x85eb_ca6b);
      word ^= word >>> 13;
      bytes[at]! ^= word;
      if (at + 1 < end) bytes[at + 1]! ^= word >>> 8;
      if (at + 2 < end) bytes[at + 2]! ^= word >>> 16;
      if (at + 3 < end) bytes[at + 3]! ^= word >>> 24;
    }
  }
}

/** A bijection of `state` for each word, and of `word` for each state. */
function stir(state: number, word: number): number {
  const mixed = Math.imul(state ^ word, 0xcc9e_2d51);
  return (Math.imul((mixed << 15) | (mixed >>> 17), 0x1b87_3593) + 0xe654_6b64) | 0;
}

/** A bijection that spreads every bit over all. */
function finish(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

/** `count` (a multiple of 4) bytes that depend on purpose, key and message; four 32-bit lanes. */
function digest(purpose: number, key: Uint8Array, message: Uint8Array, count: number): Uint8Array {
  const lanes = [purpose, key.length, message.length, 0x243f_6a88];
  for (const part of [key, message]) absorbInto(lanes, part);
  const out = new Uint8Array(count);
  let [a, b, c, d] = lanes as [number, number, number, number];
  for (let at = 0; at < count; at += 4) {
    a = stir(a, d);
    b = stir(b, a);
    c = stir(c, b);
    d = stir(d, c);
    writeU32(out, at, finish(d ^ a));
  }
  return out;
}

function absorbInto(lanes: number[], bytes: Uint8Array): void {
  let [a, b, c, d] = lanes as [number, number, number, number];
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    const word =
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    a = stir(a, word);
    b = stir(b, a ^ word);
    c = stir(c, b + word);
    d = stir(d, c);
  }
  for (; at < bytes.length; at++) {
    a = stir(a, bytes[at]!);
    b = stir(b, a);
    c = stir(c, b);
    d = stir(d, c);
  }
  lanes[0] = stir(a, bytes.length);
  lanes[1] = stir(b, a);
  lanes[2] = stir(c, b);
  lanes[3] = stir(d, c);
}

/** Signed: V8 keeps these without memory of their own. */
function readI32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
