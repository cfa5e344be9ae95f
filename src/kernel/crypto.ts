/**
 * What the cores need of cryptography: synchronous, injected, without ambient state. The Node
 * implementation is `underlay/crypto.ts`; the simulator brings a fast deterministic stand-in.
 * Packet sealing works on batches over one slab, in place, so that an implementation may keep
 * cipher contexts and cross its own call boundary once per batch.
 */

export type AeadAlgorithm = 'aes-128-gcm' | 'chacha20-poly1305';

export const AEAD_TAG_BYTES = 16;
export const AEAD_NONCE_BYTES = 12;

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
 * Structure of arrays for sealing or opening many packets in one call. Entry i covers, in `slabs[i]`:
 * additional data at [aadOffsets[i], +aadLengths[i]), text at [offsets[i], +lengths[i]), and the tag
 * right behind the text. `nonces` holds 12 bytes an entry. Texts are changed in place.
 * `results[i]` becomes 1 where the entry succeeded, 0 where a tag did not verify.
 */
export interface AeadBatch {
  count: number;
  readonly keys: AeadKey[];
  readonly slabs: Uint8Array[];
  readonly nonces: Uint8Array;
  readonly aadOffsets: Uint32Array;
  readonly aadLengths: Uint32Array;
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
    nonces: new Uint8Array(AEAD_NONCE_BYTES * capacity),
    aadOffsets: new Uint32Array(capacity),
    aadLengths: new Uint32Array(capacity),
    offsets: new Uint32Array(capacity),
    lengths: new Uint32Array(capacity),
    results: new Uint8Array(capacity),
  };
}
