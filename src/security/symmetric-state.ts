/**
 * The symmetric half of a Noise handshake (specification sections 5.1 and 5.2): the chaining key,
 * the hash of everything said so far, and the cipher they lead to. Each arriving Diffie-Hellman
 * result changes the chaining key and starts a fresh cipher; each byte sent or received goes into
 * the hash, which every sealed part is bound to. ChaCha20-Poly1305 and SHA-256.
 */
import type { AeadKey, Crypto } from '../kernel/index.ts';
import { AEAD_NONCE_BYTES, concatBytes, utf8Encode } from '../kernel/index.ts';

const HASH_BYTES = 32;
const NOTHING = new Uint8Array(0);

export class SymmetricState {
  /** The handshake hash so far. Never changed in place, so a reference is a snapshot. */
  h: Uint8Array;
  private readonly crypto: Crypto;
  private chainingKey: Uint8Array;
  private cipher: AeadKey | undefined;
  private counter = 0;

  constructor(crypto: Crypto, protocolName: string) {
    this.crypto = crypto;
    const name = utf8Encode(protocolName);
    this.h = name.length <= HASH_BYTES ? padded(name) : crypto.sha256(name);
    this.chainingKey = this.h;
  }

  copy(): SymmetricState {
    const twin: SymmetricState = Object.create(SymmetricState.prototype);
    return Object.assign(twin, this);
  }

  /** From here on parts are sealed; before, they travel in the clear. */
  get hasKey(): boolean {
    return this.cipher !== undefined;
  }

  mixHash(data: Uint8Array): void {
    this.h = this.crypto.sha256(concatBytes(this.h, data));
  }

  mixKey(material: Uint8Array): void {
    const [chainingKey, key] = this.expand(material);
    this.chainingKey = chainingKey;
    this.cipher = this.crypto.aeadKey('chacha20-poly1305', key);
    this.counter = 0;
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const text = this.cipher?.seal(this.nonce(), plaintext, this.h) ?? plaintext;
    if (this.hasKey) this.counter++;
    this.mixHash(text);
    return text;
  }

  /** Undefined where the tag does not verify; the state is then to be thrown away. */
  decryptAndHash(text: Uint8Array): Uint8Array | undefined {
    let plaintext: Uint8Array | undefined = text;
    if (this.cipher !== undefined) {
      plaintext = this.cipher.open(this.nonce(), text, this.h);
      this.counter++;
    }
    this.mixHash(text);
    return plaintext;
  }

  /** The initiator's sending key, then the responder's. */
  split(): readonly [Uint8Array, Uint8Array] {
    return this.expand(NOTHING);
  }

  /** HKDF of RFC 5869 with two outputs and the chaining key as salt (specification section 4.3). */
  private expand(material: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const temporary = this.crypto.hmacSha256(this.chainingKey, material);
    const first = this.crypto.hmacSha256(temporary, Uint8Array.of(1));
    const second = this.crypto.hmacSha256(temporary, concatBytes(first, Uint8Array.of(2)));
    return [first, second];
  }

  /** Four zero bytes, then the counter, little-endian: at most two parts share a key here. */
  private nonce(): Uint8Array {
    const nonce = new Uint8Array(AEAD_NONCE_BYTES);
    nonce[4] = this.counter;
    return nonce;
  }
}

function padded(name: Uint8Array): Uint8Array {
  const out = new Uint8Array(HASH_BYTES);
  out.set(name);
  return out;
}
