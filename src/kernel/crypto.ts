/**
 * What the cores need of cryptography: synchronous, injected, without ambient state. The Node
 * implementation is `underlay/crypto.ts`; the simulator brings a fast deterministic stand-in.
 * Packet sealing works on batches over one slab, in place, so that an implementation may keep
 * cipher contexts and cross its own call boundary once per batch.
 */

export type AeadAlgorithm = 'aes-128-gcm' | 'chacha20-poly1305';

export const AEAD_TAG_BYTES = 16;
export const AEAD_NONCE_BYTES = 12;
/** In front of the text of a packet. */
export const AEAD_COUNTER_BYTES = 8;
/** Of a batch' entry: what is sealed has a length of two bytes. */
export const AEAD_TEXT_BYTES_MAX: number = 0xffff - AEAD_COUNTER_BYTES - AEAD_TAG_BYTES;

/** Key bytes each algorithm takes: 16 and 32. */
export const aeadKeyBytes = (algorithm: AeadAlgorithm): number =>
  algorithm === 'aes-128-gcm' ? 16 : 32;

/** A key with whatever context its implementation keeps for it. Opaque outside the implementation. */
export interface AeadKey {
  readonly algorithm: AeadAlgorithm;
  /** Returns ciphertext followed by the 16-byte tag. For handshakes and control, not for packets. */
  seal(nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  /** Returns the plaintext, or undefined when the tag does not verify. */
  open(nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined;
}

/**
 * Structure of arrays for sealing or opening many packets in one call, in the shape of TLS 1.2 records (RFC 5288,
 * RFC 7905), which OpenSSL does at once (ADR 24). Entry i, in `slabs[i]`:
 *
 *   counter, 8 bytes | text: [offsets[i], +lengths[i]) | tag, 16 bytes
 *   nonce  four zero bytes, counter: so no counter may come twice under a key
 *   AAD    counter, the lower three bytes of heads[i], length of the text in two bytes
 *
 * The counter is read and not changed; texts are sealed and opened in place, at most AEAD_TEXT_BYTES_MAX.
 * `results[i]` becomes 1 where the entry succeeded, 0 where a tag did not verify: then the text is spoilt.
 */
export interface AeadBatch {
  count: number;
  readonly keys: AeadKey[];
  readonly slabs: Uint8Array[];
  readonly heads: Uint32Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly results: Uint8Array;
}

export interface Signer {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64-byte Ed25519 signature. About 40 us. */
  sign(message: Uint8Array): Uint8Array;
}

export interface KeyAgreement {
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** X25519 shared secret, 32 bytes; undefined when the peer's key is of low order. */
  agree(peerPublicKey: Uint8Array): Uint8Array | undefined;
}

export interface Crypto {
  /** Algorithms this implementation runs fast on this machine, best first. Never empty. */
  readonly aeadPreference: readonly AeadAlgorithm[];
  sha256(message: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array;
  /** `seed`: 32 bytes. */
  signer(seed: Uint8Array): Signer;
  /** Ed25519 verification, about 120 us: control messages only, never per packet. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** `privateKey`: 32 bytes. */
  keyAgreement(privateKey: Uint8Array): KeyAgreement;
  aeadKey(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey;
  sealBatch(batch: AeadBatch): void;
  openBatch(batch: AeadBatch): void;
}

/** Source of keys, nonces and identifiers. The only randomness a core may use for them. */
export interface Entropy {
  bytes(count: number): Uint8Array;
}

export function createAeadBatch(capacity: number): AeadBatch {
  return {
    count: 0,
    keys: [],
    slabs: [],
    heads: new Uint32Array(capacity),
    offsets: new Uint32Array(capacity),
    lengths: new Uint32Array(capacity),
    results: new Uint8Array(capacity),
  };
}
