/**
 * A batch of packets to seal or open, in memory that several threads see, and how they share it out.
 *
 * Packets are described by addresses: all threads of a process see the same memory, and whoever gives out a
 * job holds the buffers until every packet of it is done. A thread claims packets a few at a time, from the
 * end, by one compare-and-exchange of a word that holds the number of the job beside how many are left; a
 * claim that succeeds is of the job that stands in the tables. So nobody waits for a thread that is late: what it does
 * not claim the others do.
 *
 *   control  0 claim: job << 12 | packets left   1 packets done   2 direction   3 threads asleep   4 a thread failed
 *            5 threads that have started
 *   tables   address of the text; length, counter, head and cipher; per thread a cipher context
 */
import type { Evp, EvpPacket } from './evp.ts';
import { blankPacket } from './evp.ts';

export const CLAIM = 0;
export const DONE = 1;
export const DIRECTION = 2;
export const ASLEEP = 3;
export const FAILED = 4;
export const STARTED = 5;
const CONTROL_WORDS = 16;
/** Of a packet in the tables: its length, two of its counter, head, 1 where it is AES-GCM. */
const PACKET_WORDS = 5;

/** Packets of one job. */
export const JOB_PACKETS_MAX = 1_024;
/** Packets claimed at once: some 5 us of work. */
const CLAIM_PACKETS = 8;
const LEFT_BITS = 12;
const LEFT_MASK = (1 << LEFT_BITS) - 1;

/** The memory of the jobs of up to `threads` threads, one job after the other. */
export class CipherJob {
  readonly memory: SharedArrayBuffer;
  readonly control: Int32Array;
  readonly texts: Float64Array;
  /** Thread t's context for packet i is at `t * JOB_PACKETS_MAX + i`. */
  readonly contexts: Float64Array;
  private readonly words: Int32Array;
  readonly results: Uint8Array;
  private readonly packet: EvpPacket = blankPacket();

  static bytesFor(threads: number): number {
    return CONTROL_WORDS * 4 + JOB_PACKETS_MAX * (8 * (1 + threads) + 4 * PACKET_WORDS + 1);
  }

  constructor(memory: SharedArrayBuffer, threads: number) {
    this.memory = memory;
    let at = CONTROL_WORDS * 4;
    const next = (bytes: number): number => {
      const start = at;
      at += bytes;
      return start;
    };
    const doubles = (count: number): Float64Array =>
      new Float64Array(memory, next(8 * count), count);
    this.control = new Int32Array(memory, 0, CONTROL_WORDS);
    this.texts = doubles(JOB_PACKETS_MAX);
    this.contexts = doubles(JOB_PACKETS_MAX * threads);
    const words = JOB_PACKETS_MAX * PACKET_WORDS;
    this.words = new Int32Array(memory, next(4 * words), words);
    this.results = new Uint8Array(memory, next(JOB_PACKETS_MAX), JOB_PACKETS_MAX);
  }

  /** Enters packet i of the next job; `contexts`: the key's, one for each thread. */
  enter(i: number, packet: Readonly<EvpPacket>, contexts: readonly number[]): void {
    const { words } = this;
    const at = i * PACKET_WORDS;
    this.texts[i] = packet.text;
    words[at] = packet.length;
    words[at + 1] = packet.counter0;
    words[at + 2] = packet.counter1;
    words[at + 3] = packet.head;
    words[at + 4] = packet.algorithm === 'aes-128-gcm' ? 1 : 0;
    for (let thread = 0; thread < contexts.length; thread++)
      this.contexts[thread * JOB_PACKETS_MAX + i] = contexts[thread]!;
  }

  /** Lets threads claim packets 0 .. count of what was written into the tables. */
  publish(count: number): void {
    const { control } = this;
    const job = (Atomics.load(control, CLAIM) >>> LEFT_BITS) + 1;
    Atomics.store(control, DONE, 0);
    Atomics.store(control, CLAIM, (job << LEFT_BITS) | count);
    if (Atomics.load(control, ASLEEP) > 0) Atomics.notify(control, CLAIM);
  }

  /** Whether there is something to claim. */
  get isOpen(): boolean {
    return (Atomics.load(this.control, CLAIM) & LEFT_MASK) !== 0;
  }

  /** Claims packets and does them as thread number `thread`; false: none were left. */
  work(evp: Evp, thread: number): boolean {
    const { control } = this;
    for (;;) {
      const claim = Atomics.load(control, CLAIM);
      const left = claim & LEFT_MASK;
      if (left === 0) return false;
      const taken = Math.min(left, CLAIM_PACKETS);
      if (Atomics.compareExchange(control, CLAIM, claim, claim - taken) !== claim) continue;
      try {
        for (let i = left - taken; i < left; i++) this.one(evp, thread, i);
      } catch (error) {
        Atomics.store(control, FAILED, 1);
        throw error;
      } finally {
        Atomics.add(control, DONE, taken);
        Atomics.notify(control, DONE);
      }
      return true;
    }
  }

  private one(evp: Evp, thread: number, i: number): void {
    const { packet, words } = this;
    const at = i * PACKET_WORDS;
    packet.text = this.texts[i]!;
    packet.length = words[at]!;
    packet.counter0 = words[at + 1]!;
    packet.counter1 = words[at + 2]!;
    packet.head = words[at + 3]!;
    packet.algorithm = words[at + 4] === 1 ? 'aes-128-gcm' : 'chacha20-poly1305';
    const context = this.contexts[thread * JOB_PACKETS_MAX + i]!;
    const isSealing = this.control[DIRECTION] === 0;
    const isDone = isSealing ? evp.seal(context, packet) : evp.open(context, packet);
    this.results[i] = isDone ? 1 : 0;
  }
}
