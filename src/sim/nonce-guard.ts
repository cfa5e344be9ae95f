/**
 * Wraps a crypto implementation and remembers, over all nodes and lives of a simulation, every
 * (key, nonce) a text was sealed under. With the ciphers we use, a second text under the same pair
 * gives both away (RFC 8439, section 4; NIST SP 800-38D, section 8), so one is a failed run. Sealing
 * the same text again, as a retransmitted handshake message may, reveals nothing and is let pass.
 */
import type { AeadAlgorithm, AeadBatch, AeadKey, Crypto } from '../kernel/index.ts';
import { AEAD_COUNTER_BYTES, readU32, toHex } from '../kernel/index.ts';

/** Sealed under one key: nonce prefix of 8 bytes -> last 4 bytes -> digest of text. */
interface KeyUse {
  readonly name: string;
  readonly prefixes: Map<string, Map<number, number>>;
  high: number;
  middle: number;
  recent: Map<number, number>;
}

export class NonceGuard {
  private readonly inner: Crypto;
  private readonly uses = new Map<string, KeyUse>();
  private readonly useOf = new WeakMap<AeadKey, KeyUse>();
  private readonly innerOf = new WeakMap<AeadKey, AeadKey>();
  private readonly onReuse: (text: string) => void;

  constructor(inner: Crypto, onReuse: (text: string) => void) {
    this.inner = inner;
    this.onReuse = onReuse;
  }

  /** The same functions, watched. */
  crypto(): Crypto {
    const { inner } = this;
    return {
      aeadPreference: inner.aeadPreference,
      sha256: (message) => inner.sha256(message),
      hmacSha256: (key, message) => inner.hmacSha256(key, message),
      signer: (seed) => inner.signer(seed),
      verify: (publicKey, message, signature) => inner.verify(publicKey, message, signature),
      keyAgreement: (privateKey) => inner.keyAgreement(privateKey),
      aeadKey: (algorithm, key) => this.aeadKey(algorithm, key),
      sealBatch: (batch) => this.sealBatch(batch),
      openBatch: (batch) => this.withInnerKeys(batch, () => inner.openBatch(batch)),
    };
  }

  private aeadKey(algorithm: AeadAlgorithm, bytes: Uint8Array): AeadKey {
    const inner = this.inner.aeadKey(algorithm, bytes);
    const use = this.useFor(`${algorithm} ${toHex(bytes)}`);
    const key: AeadKey = {
      algorithm,
      seal: (nonce, plaintext, aad) => {
        const digest = digestOf(digestOf(1, plaintext, 0, plaintext.length), aad, 0, aad.length);
        this.note(use, [readU32(nonce, 0), readU32(nonce, 4), readU32(nonce, 8)], digest);
        return inner.seal(nonce, plaintext, aad);
      },
      open: (nonce, sealed, aad) => inner.open(nonce, sealed, aad),
    };
    this.useOf.set(key, use);
    this.innerOf.set(key, inner);
    return key;
  }

  private useFor(name: string): KeyUse {
    let use = this.uses.get(name);
    if (use === undefined) {
      use = { name, prefixes: new Map(), high: -1, middle: -1, recent: new Map() };
      this.uses.set(name, use);
    }
    return use;
  }

  private sealBatch(batch: AeadBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const use = this.useOf.get(batch.keys[i]!);
      if (use === undefined) this.onReuse('a batch is sealed under a key this guard did not make');
      else {
        const slab = batch.slabs[i]!;
        const at = batch.offsets[i]!;
        const counterAt = at - AEAD_COUNTER_BYTES;
        const text = digestOf(1 ^ batch.heads[i]!, slab, at, batch.lengths[i]!);
        this.note(use, [0, readU32(slab, counterAt), readU32(slab, counterAt + 4)], text);
      }
    }
    this.withInnerKeys(batch, () => this.inner.sealBatch(batch));
  }

  private withInnerKeys(batch: AeadBatch, run: () => void): void {
    const { keys, count } = batch;
    const outer = keys.slice(0, count);
    for (let i = 0; i < count; i++) keys[i] = this.innerOf.get(outer[i]!) ?? outer[i]!;
    run();
    for (let i = 0; i < count; i++) keys[i] = outer[i]!;
  }

  private note(
    use: KeyUse,
    [high, middle, low]: readonly [number, number, number],
    digest: number,
  ): void {
    if (high !== use.high || middle !== use.middle) {
      const prefix = `${high}/${middle}`;
      let found = use.prefixes.get(prefix);
      if (found === undefined) {
        found = new Map();
        use.prefixes.set(prefix, found);
      }
      use.high = high;
      use.middle = middle;
      use.recent = found;
    }
    const before = use.recent.get(low);
    if (before === undefined) use.recent.set(low, digest);
    else if (before !== digest)
      this.onReuse(`nonce ${high}/${middle}/${low} sealed two texts under one ${use.name} key`);
  }
}

/** Word-wise for speed: sealing is the most frequent thing in a simulation. */
function digestOf(seed: number, bytes: Uint8Array, offset: number, length: number): number {
  let h = seed ^ length;
  const end = offset + length;
  let i = offset;
  for (; i + 4 <= end; i += 4) h = Math.imul(h ^ readU32(bytes, i), 0x0100_0193) ^ (h >>> 15);
  for (; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x0100_0193) ^ (h >>> 13);
  return h;
}
