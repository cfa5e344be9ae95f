/**
 * A batch of packets to seal or open, in memory that several threads see, and how they share it out.
 *
 * Packets are described by addresses: all threads of a process see the same memory, and whoever gives out a
 * job holds the buffers until every packet of it is done. A thread claims packets a few at a time, from the
 * end, by one compare-and-exchange of a word that holds the number of the job beside how many are left; a
 * claim that succeeds is of the job that stands in the tables. So nobody waits for a thread that is late: what it does
 * not claim the others do.
 *
 *   control  0 claim: job << 12 | packets left   1 packets done   2 threads asleep   3 a thread failed
 *            4 threads that have started
 *   packets  a list (packet-list.ts), which the thread that claims a packet completes with its own context for it
 *   tables   per thread a cipher context; which cipher
 */
import type { AeadAlgorithm } from '../../kernel/index.ts';
import type { Evp } from './evp.ts';
import type { Native } from './native.ts';
import { LISTED_BYTES, type ListedPacket, PacketList } from './packet-list.ts';

export const CLAIM = 0;
export const DONE = 1;
export const ASLEEP = 2;
export const FAILED = 3;
export const STARTED = 4;
const CONTROL_WORDS = 16;
/** What a number says of a packet's cipher. */
const CIPHERS: readonly AeadAlgorithm[] = ['aes-128-gcm', 'chacha20-poly1305'];

/** Packets of one job. */
export const JOB_PACKETS_MAX = 1_024;
/** Packets claimed at once: some 6 us of work. */
const CLAIM_PACKETS = 16;
const LEFT_BITS = 12;
const LEFT_MASK = (1 << LEFT_BITS) - 1;

/** The memory of the jobs of up to `threads` threads, one job after the other. */
export class CipherJob {
  readonly memory: SharedArrayBuffer;
  readonly control: Int32Array;
  readonly list: PacketList;
  /** Thread t's context for packet i is at `t * JOB_PACKETS_MAX + i`. */
  private readonly contexts: Float64Array;
  private readonly ciphers: Uint8Array;

  static bytesFor(threads: number): number {
    return CONTROL_WORDS * 4 + JOB_PACKETS_MAX * (LISTED_BYTES + 8 * threads + 1);
  }

  constructor(native: Native, memory: SharedArrayBuffer, threads: number) {
    this.memory = memory;
    const listAt = CONTROL_WORDS * 4;
    const contextsAt = listAt + JOB_PACKETS_MAX * LISTED_BYTES;
    const contexts = JOB_PACKETS_MAX * threads;
    this.control = new Int32Array(memory, 0, CONTROL_WORDS);
    this.list = new PacketList(native, memory, listAt, JOB_PACKETS_MAX);
    this.contexts = new Float64Array(memory, contextsAt, contexts);
    this.ciphers = new Uint8Array(memory, contextsAt + 8 * contexts, JOB_PACKETS_MAX);
  }

  /** Enters packet i of the next job; `contexts`: the key's, one for each thread. */
  enter(i: number, packet: Readonly<ListedPacket>, contexts: readonly number[]): void {
    this.list.enter(i, packet);
    this.ciphers[i] = CIPHERS.indexOf(packet.algorithm);
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
        this.take(evp, thread, left - taken, taken);
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

  private take(evp: Evp, thread: number, from: number, count: number): void {
    for (let i = from; i < from + count; i++) {
      const context = this.contexts[thread * JOB_PACKETS_MAX + i]!;
      this.list.serve(i, context, evp.parameters(CIPHERS[this.ciphers[i]!]!));
    }
    evp.run(this.list, from, count);
  }
}
