/**
 * `Crypto` whose packets are sealed and opened with kept OpenSSL contexts (evp.ts); everything else
 * is that of `node:crypto`. Taken only after it has agreed with that one on both algorithms.
 *
 * Every offset and length of a batch is checked against its slab before an address is made of it. A
 * context belongs to one key and one direction and is made when first used; when the key is
 * collected the context is freed, which erases the key in it. With several threads (cipher-threads.ts) there is one for
 * each, because a context serves one thread at a time.
 */
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  type AeadAlgorithm,
  type AeadBatch,
  type AeadKey,
  aeadKeyBytes,
  assert,
  type Crypto,
  fail,
  ok,
  type Result,
} from '../../kernel/index.ts';
import { CipherThreads } from './cipher-threads.ts';
import { Evp, type EvpPacket } from './evp.ts';
import { NativeMemory, native } from './native.ts';

/** The fast implementation around `base`; the reason where it cannot be had or is not right. */
export function fastCrypto(base: Crypto, threads = 1): Result<Crypto> {
  const binding = native();
  if (!binding.ok) return binding;
  const evp = Evp.find(binding.value);
  if (!evp.ok) return evp;
  const fault = disagreement(new FastCrypto(base, evp.value, 1), base);
  return fault === undefined ? ok(new FastCrypto(base, evp.value, threads)) : fail(fault);
}

class FastCrypto implements Crypto {
  private readonly base: Crypto;
  private readonly engine: Engine;
  readonly sha256: Crypto['sha256'];
  readonly hmacSha256: Crypto['hmacSha256'];
  readonly signer: Crypto['signer'];
  readonly verify: Crypto['verify'];
  readonly keyAgreement: Crypto['keyAgreement'];

  constructor(base: Crypto, evp: Evp, threads: number) {
    this.base = base;
    this.engine = new Engine(evp, threads);
    this.sha256 = (message) => base.sha256(message);
    this.hmacSha256 = (key, message) => base.hmacSha256(key, message);
    this.signer = (seed) => base.signer(seed);
    this.verify = (key, message, signature) => base.verify(key, message, signature);
    this.keyAgreement = (key) => base.keyAgreement(key);
  }

  get aeadPreference(): readonly AeadAlgorithm[] {
    return this.base.aeadPreference;
  }

  aeadKey(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
    return new EvpKey(this.engine, algorithm, key);
  }

  sealBatch(batch: AeadBatch): void {
    this.engine.run(batch, 'seal');
  }

  openBatch(batch: AeadBatch): void {
    this.engine.run(batch, 'open');
  }
}

/** The contexts of one key, one a thread; none until they are needed. Outlives the key by as long as it takes. */
interface Contexts {
  seal: readonly number[];
  open: readonly number[];
}

class Engine {
  readonly evp: Evp;
  private readonly threads: CipherThreads | undefined;
  private readonly packet: EvpPacket = { nonce: 0, aad: 0, aadLength: 0, text: 0, length: 0 };
  private readonly abandoned: FinalizationRegistry<Contexts>;
  /** For single calls: nonce, additional data and text, copied in and out. */
  private single: NativeMemory;

  constructor(evp: Evp, threads: number) {
    this.evp = evp;
    this.threads = threads > 1 ? new CipherThreads(evp, threads) : undefined;
    this.single = new NativeMemory(evp.native, 4_096);
    this.abandoned = new FinalizationRegistry((contexts) => {
      for (const context of [...contexts.seal, ...contexts.open]) evp.free(context);
    });
  }

  get threadCount(): number {
    return this.threads?.count ?? 1;
  }

  keep(key: EvpKey, contexts: Contexts): void {
    this.abandoned.register(key, contexts);
  }

  run(batch: AeadBatch, direction: 'seal' | 'open'): void {
    const { evp, packet } = this;
    const { count, keys, slabs, nonces, aadOffsets, aadLengths, offsets, lengths } = batch;
    assert(AEAD_NONCE_BYTES * count <= nonces.length, 'a batch of more entries than it holds');
    const threads = this.threads?.isWorthIt(count) === true ? this.threads : undefined;
    const nonceBase = evp.native.addressOf(nonces.buffer) + nonces.byteOffset;
    let slab: Uint8Array | undefined;
    let base = 0;
    let key: AeadKey | undefined;
    let contexts: readonly number[] = [];
    for (let i = 0; i < count; i++) {
      const next = slabs[i]!;
      if (next !== slab) {
        slab = next;
        base = evp.native.addressOf(slab.buffer) + slab.byteOffset;
      }
      const aadAt = aadOffsets[i]!;
      const aadLength = aadLengths[i]!;
      const at = offsets[i]!;
      const length = lengths[i]!;
      // A slab whose buffer was detached has length 0 and fails here.
      assert(
        aadAt + aadLength <= slab.length && at + length + AEAD_TAG_BYTES <= slab.length,
        'a packet outside its slab',
      );
      if (keys[i] !== key) {
        key = keys[i];
        contexts = ownKey(key).contextsFor(direction);
      }
      packet.nonce = nonceBase + AEAD_NONCE_BYTES * i;
      packet.aad = base + aadAt;
      packet.aadLength = aadLength;
      packet.text = base + at;
      packet.length = length;
      if (threads !== undefined) {
        threads.enter(i, packet, contexts);
        continue;
      }
      const context = contexts[0]!;
      const isDone = direction === 'seal' ? evp.seal(context, packet) : evp.open(context, packet);
      assert(isDone || direction === 'open', 'OpenSSL did not seal a packet');
      batch.results[i] = isDone ? 1 : 0;
    }
    if (threads !== undefined) threads.run(count, direction, batch.results);
  }

  /** One text by itself. Returns it sealed or opened, undefined where the tag is wrong. */
  one(
    context: number,
    direction: 'seal' | 'open',
    nonce: Uint8Array,
    input: Uint8Array,
    aad: Uint8Array,
  ): Uint8Array | undefined {
    assert(nonce.length === AEAD_NONCE_BYTES, 'a nonce of the wrong length');
    const aadAt = 16;
    const textAt = aadAt + aad.length;
    const length = direction === 'seal' ? input.length : input.length - AEAD_TAG_BYTES;
    const needed = textAt + length + AEAD_TAG_BYTES;
    if (needed > this.single.bytes.length)
      this.single = new NativeMemory(this.evp.native, 8 * Math.ceil(needed / 4));
    const { single, packet } = this;
    single.bytes.set(nonce, 0);
    single.bytes.set(aad, aadAt);
    single.bytes.set(input, textAt);
    packet.nonce = single.address;
    packet.aad = single.address + aadAt;
    packet.aadLength = aad.length;
    packet.text = single.address + textAt;
    packet.length = length;
    if (direction === 'open' && !this.evp.open(context, packet)) return undefined;
    if (direction === 'seal') assert(this.evp.seal(context, packet), 'OpenSSL did not seal');
    const end = textAt + length + (direction === 'seal' ? AEAD_TAG_BYTES : 0);
    const out = single.bytes.slice(textAt, end);
    // What was secret does not stay behind.
    if (direction === 'open') single.bytes.fill(0, textAt, end);
    return out;
  }
}

class EvpKey implements AeadKey {
  readonly algorithm: AeadAlgorithm;
  private readonly engine: Engine;
  /** Until both contexts are made; then it is erased. */
  private readonly key: Uint8Array;
  private readonly contexts: Contexts = { seal: [], open: [] };

  constructor(engine: Engine, algorithm: AeadAlgorithm, key: Uint8Array) {
    assert(key.length === aeadKeyBytes(algorithm), 'an AEAD key of the wrong length');
    this.algorithm = algorithm;
    this.engine = engine;
    this.key = new Uint8Array(key);
    engine.keep(this, this.contexts);
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
    const sealed = this.engine.one(this.contextsFor('seal')[0]!, 'seal', nonce, plaintext, aad);
    assert(sealed !== undefined, 'sealing has no way to be refused');
    return sealed;
  }

  open(nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    if (sealed.length < AEAD_TAG_BYTES) return undefined;
    return this.engine.one(this.contextsFor('open')[0]!, 'open', nonce, sealed, aad);
  }

  contextsFor(direction: 'seal' | 'open'): readonly number[] {
    const { contexts, engine } = this;
    if (contexts[direction].length > 0) return contexts[direction];
    const made = Array.from({ length: engine.threadCount }, () =>
      engine.evp.context(this.algorithm, this.key, direction),
    );
    assert(!made.includes(0), `OpenSSL has no ${this.algorithm}`);
    contexts[direction] = made;
    if (contexts.seal.length > 0 && contexts.open.length > 0) this.key.fill(0);
    return made;
  }
}

function ownKey(key: AeadKey | undefined): EvpKey {
  assert(key instanceof EvpKey, 'an AEAD key of another implementation');
  return key;
}

/** What the two implementations do not agree on, on both algorithms; undefined where all is well. */
function disagreement(fast: Crypto, base: Crypto): string | undefined {
  const text = Uint8Array.from({ length: 100 }, (_, i) => i);
  const nonce = text.subarray(0, AEAD_NONCE_BYTES);
  const aad = text.subarray(20, 36);
  for (const algorithm of base.aeadPreference) {
    const raw = text.subarray(0, aeadKeyBytes(algorithm));
    try {
      const [near, far] = [fast.aeadKey(algorithm, raw), base.aeadKey(algorithm, raw)];
      const sealed = near.seal(nonce, text, aad);
      const isSame = far.open(nonce, sealed, aad)?.every((byte, i) => byte === text[i]) === true;
      const isOpened = near.open(nonce, sealed, aad)?.every((byte, i) => byte === text[i]) === true;
      sealed[50]! ^= 1;
      if (!isSame || !isOpened || near.open(nonce, sealed, aad) !== undefined)
        return `OpenSSL's ${algorithm} does not do what node:crypto does`;
    } catch (error) {
      return `OpenSSL's ${algorithm} fails: ${(error as Error).message}`;
    }
  }
  return undefined;
}
