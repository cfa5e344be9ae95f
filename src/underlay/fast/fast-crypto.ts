/**
 * `Crypto` whose batches are sealed and opened with kept OpenSSL contexts (evp.ts); everything else, single
 * texts too, is that of `node:crypto`. Taken only after it has agreed with that one on both algorithms.
 *
 * Every offset and length of a batch is checked against its slab before an address is made of it. A
 * context belongs to one key and one direction and is made when first used; when the key is
 * collected the context is freed, which erases the key in it. With several threads (cipher-threads.ts) there is one for
 * each, because a context serves one thread at a time.
 */
import {
  AEAD_COUNTER_BYTES,
  AEAD_TAG_BYTES,
  AEAD_TEXT_BYTES_MAX,
  type AeadAlgorithm,
  type AeadBatch,
  type AeadKey,
  aeadKeyBytes,
  assert,
  bytesEqual,
  type Crypto,
  createAeadBatch,
  fail,
  ok,
  type Result,
} from '../../kernel/index.ts';
import type { CipherJob } from './cipher-job.ts';
import { CipherThreads } from './cipher-threads.ts';
import { Evp } from './evp.ts';
import { native } from './native.ts';
import {
  blankPacket,
  type Direction,
  LISTED_BYTES,
  type ListedPacket,
  PacketList,
} from './packet-list.ts';

/** Packets that are listed at once. */
const LIST_PACKETS_MAX = 256;

/**
 * The fast implementation around `base`; the reason where it cannot be had or is not right. `hasLoop`: false calls
 * OpenSSL packet by packet, as on machines that cannot have the loop in machine code.
 */
export function fastCrypto(base: Crypto, threads = 1, hasLoop = true): Result<FastCrypto> {
  const binding = native();
  if (!binding.ok) return binding;
  const evp = Evp.find(binding.value, hasLoop);
  if (!evp.ok) return evp;
  const fault = disagreement(new FastCrypto(base, evp.value, 1), base);
  return fault === undefined ? ok(new FastCrypto(base, evp.value, threads)) : fail(fault);
}

export class FastCrypto implements Crypto {
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

  /** In words: how often OpenSSL is called. */
  get calling(): string {
    return this.engine.evp.calling;
  }

  aeadKey(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
    return new EvpKey(this.engine, this.base.aeadKey(algorithm, key), key);
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
  private readonly packet: ListedPacket = blankPacket();
  private readonly list: PacketList;
  private readonly abandoned: FinalizationRegistry<Contexts>;
  /** The slab of the last packet and its address: one serves for many packets, also of batches of one. */
  private slab: Uint8Array = new Uint8Array(0);
  private slabAt = 0;

  constructor(evp: Evp, threads: number) {
    this.evp = evp;
    this.threads = threads > 1 ? new CipherThreads(evp, threads) : undefined;
    const memory = new ArrayBuffer(LIST_PACKETS_MAX * LISTED_BYTES);
    this.list = new PacketList(evp.native, memory, 0, LIST_PACKETS_MAX);
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

  run(batch: AeadBatch, direction: Direction): void {
    const { count } = batch;
    assert(count <= batch.results.length, 'a batch of more entries than it holds');
    const { threads } = this;
    if (threads?.isWorthIt(count) === true) {
      this.enter(batch, direction, { from: 0, count, job: threads.job });
      threads.run(count);
      return this.conclude(batch, direction, { from: 0, count, list: threads.job.list });
    }
    const { evp, list } = this;
    for (let from = 0; from < count; from += LIST_PACKETS_MAX) {
      const some = { from, count: Math.min(LIST_PACKETS_MAX, count - from), list };
      this.enter(batch, direction, some);
      evp.run(list, 0, some.count);
      this.conclude(batch, direction, some);
    }
  }

  /** Lists packets of the batch: for this thread, or for the job of several. */
  private enter(
    batch: AeadBatch,
    direction: Direction,
    { from, count, job }: { from: number; count: number; job?: CipherJob },
  ): void {
    const { evp, list, packet } = this;
    const { keys, slabs, heads, offsets, lengths } = batch;
    let { slab, slabAt } = this;
    let key: AeadKey | undefined;
    let contexts: readonly number[] = [];
    let parameters = 0;
    packet.direction = direction;
    for (let i = 0; i < count; i++) {
      const next = slabs[from + i]!;
      if (next !== slab) {
        this.slab = slab = next;
        this.slabAt = slabAt = evp.native.addressOf(slab.buffer) + slab.byteOffset;
      }
      const at = offsets[from + i]!;
      const length = lengths[from + i]!;
      // A slab whose buffer was detached has length 0 and fails here.
      assert(
        at >= AEAD_COUNTER_BYTES &&
          at + length + AEAD_TAG_BYTES <= slab.length &&
          length <= AEAD_TEXT_BYTES_MAX,
        'a packet outside its slab',
      );
      if (keys[from + i] !== key) {
        key = keys[from + i];
        contexts = ownKey(key).contextsFor(direction);
        packet.algorithm = key!.algorithm;
        parameters = evp.parameters(packet.algorithm);
      }
      packet.text = slabAt + at;
      packet.length = length;
      packet.counter0 = machineWord(slab, at - 8);
      packet.counter1 = machineWord(slab, at - 4);
      packet.head = heads[from + i]!;
      if (job !== undefined) job.enter(i, packet, contexts);
      else {
        list.enter(i, packet);
        list.serve(i, contexts[0]!, parameters);
      }
    }
  }

  private conclude(
    { results }: AeadBatch,
    direction: Direction,
    { from, count, list }: { from: number; count: number; list: PacketList },
  ): void {
    for (let i = 0; i < count; i++) {
      const isDone = list.isDone(i);
      assert(isDone || direction === 'open', 'OpenSSL did not seal a packet');
      results[from + i] = isDone ? 1 : 0;
    }
  }
}

class EvpKey implements AeadKey {
  readonly algorithm: AeadAlgorithm;
  private readonly engine: Engine;
  private readonly single: AeadKey;
  /** Until both contexts are made; then it is erased. */
  private readonly key: Uint8Array;
  private readonly contexts: Contexts = { seal: [], open: [] };

  constructor(engine: Engine, single: AeadKey, key: Uint8Array) {
    this.algorithm = single.algorithm;
    this.engine = engine;
    this.single = single;
    this.key = new Uint8Array(key);
    engine.keep(this, this.contexts);
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
    return this.single.seal(nonce, plaintext, aad);
  }

  open(nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    return this.single.open(nonce, sealed, aad);
  }

  contextsFor(direction: Direction): readonly number[] {
    const { contexts } = this;
    const made = direction === 'seal' ? contexts.seal : contexts.open;
    return made.length > 0 ? made : this.makeContexts(direction);
  }

  private makeContexts(direction: Direction): readonly number[] {
    const { contexts, engine } = this;
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

/** Four bytes as this machine reads a word; all that are supported are little-endian. */
function machineWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** What the two implementations do not agree on, on both algorithms; undefined where all is well. */
function disagreement(fast: Crypto, base: Crypto): string | undefined {
  for (const algorithm of base.aeadPreference) {
    const raw = Uint8Array.from({ length: aeadKeyBytes(algorithm) }, (_, i) => i);
    try {
      const [near, far] = [batchOfOne(fast, algorithm, raw), batchOfOne(base, algorithm, raw)];
      fast.sealBatch(near);
      base.sealBatch(far);
      const isSame = bytesEqual(near.slabs[0]!, far.slabs[0]!);
      near.slabs[0]![50]! ^= 1;
      fast.openBatch(near);
      const isForged = near.results[0] === 1;
      near.slabs[0]!.set(far.slabs[0]!);
      fast.openBatch(near);
      base.openBatch(far);
      const isOpened = near.results[0] === 1 && bytesEqual(near.slabs[0]!, far.slabs[0]!);
      if (!isSame || isForged || !isOpened)
        return `OpenSSL's ${algorithm} does not do what node:crypto does`;
    } catch (error) {
      return `OpenSSL's ${algorithm} fails: ${(error as Error).message}`;
    }
  }
  return undefined;
}

function batchOfOne(crypto: Crypto, algorithm: AeadAlgorithm, raw: Uint8Array): AeadBatch {
  const batch = createAeadBatch(1);
  batch.count = 1;
  batch.keys[0] = crypto.aeadKey(algorithm, raw);
  batch.slabs[0] = Uint8Array.from({ length: 140 }, (_, i) => i);
  batch.heads[0] = 0x15_02_00;
  batch.offsets[0] = 16;
  batch.lengths[0] = 100;
  return batch;
}
