/**
 * The pace of one link whose capacity is known: when the wire is free again, reckoned from all bytes the
 * link puts on it, hellos, routing and repairs included, so that data leaves room for what must not
 * wait. Only data waits: control goes past this queue.
 *
 * The clock of `nextTimeout` is coarse; so much may leave ahead of the wire that it is not idle until
 * the next waking (`BURST_TIME`), and two packets in any case.
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import { FairQueue, type FairQueueOptions } from './fair-queue.ts';

const BURST_TIME = 2_000;
const BURST_PACKETS = 2;
/** Time for which the queue holds what may be lost, within bounds of bytes. */
const QUEUE_TIME = 100_000;
const QUEUE_BYTES_MIN = 32_768;
export const LINK_QUEUE_BYTES_MAX = 4_194_304;

export class LinkShaper {
  readonly neighbour: NodeAddress;
  readonly queue: FairQueue;
  /** Bits per second; 0: as fast as the wire takes it. */
  capacity = 0;
  /** Bytes per microsecond. */
  private rate = 0;
  private burst = 0;
  private readonly quantum: number;
  /** When something that waits may leave; infinite: when an acknowledgement comes, or never. */
  wakeAt: number = Number.POSITIVE_INFINITY;
  /** Until when flows stay held back that the neighbour has named. */
  pausedUntil: number = Number.POSITIVE_INFINITY;
  private freeAt = 0;
  private wireBytes: number;

  constructor(
    neighbour: NodeAddress,
    capacity: number,
    wireBytes: number,
    queue: Omit<FairQueueOptions, 'bytesMax'>,
  ) {
    this.neighbour = neighbour;
    this.quantum = queue.quantum;
    this.wireBytes = wireBytes;
    this.queue = new FairQueue({ ...queue, bytesMax: QUEUE_BYTES_MIN });
    this.pace(capacity, wireBytes);
  }

  /** State: from now on as fast as this, with the bound that goes with it. What waits stays. */
  pace(capacity: number, wireBytes: number): void {
    // What went while nothing held it back does not count.
    if (this.capacity === 0) this.wireBytes = wireBytes;
    this.capacity = capacity;
    this.rate = capacity / 8_000_000;
    this.burst =
      capacity === 0 ? 0 : Math.max(BURST_TIME, (BURST_PACKETS * this.quantum) / this.rate);
    this.queue.bytesMax = Math.round(
      Math.min(LINK_QUEUE_BYTES_MAX, Math.max(QUEUE_BYTES_MIN, this.rate * QUEUE_TIME)),
    );
  }

  /** Whether a packet may leave. `wireBytes`: all that the link has sent so far. */
  isFree(wireBytes: number, now: Instant): boolean {
    if (this.capacity === 0) return true;
    // A link that came up anew counts from the start.
    const sent = Math.max(0, wireBytes - this.wireBytes);
    this.wireBytes = wireBytes;
    if (this.freeAt < now) this.freeAt = now;
    this.freeAt += sent / this.rate;
    return this.freeAt - now <= this.burst;
  }

  /** When a packet may leave, as far as is known. */
  get freeFrom(): Instant {
    return Math.ceil(this.freeAt - this.burst) as Instant;
  }
}
