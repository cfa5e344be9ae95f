/**
 * One direction of an underlay path, imperfect on purpose. The simulator and the lab's impairment
 * shim both ask it when a datagram arrives, if it does. It holds no packets and no timers: given a
 * size and an instant it answers with up to two arrival instants or a reason for the drop.
 *
 * A datagram passes in the order a real one would: the path must not be cut and its MTU must allow
 * it; a drop-tail queue in front of a transmitter of a given rate must have room; then the wire may
 * lose it; then it travels for `delay` plus or minus `jitter`. Paths keep order, so a datagram that
 * draws a short delay waits for the one in front, except for the share that `reorder` holds back.
 *
 * Loss is a two-state Gilbert chain stepped once a packet: state 1 loses. Wanted are the mean loss p
 * and the chance p11 that a loss follows a loss; the chance of entering a burst is then
 * p01 = p (1 - p11) / (1 - p). E. N. Gilbert, "Capacity of a burst-noise channel", BSTJ 39 (1960).
 * A mean burst lasts 1 / (1 - p11) packets. With `burstTime` the chain steps in time instead, whether
 * packets pass or not: a lost request and its repetition 20 ms later then meet different weather, as
 * they do on a real path, where a packet's chain would hold on to a burst until enough of them have passed.
 *
 * Each kind of draw has its own stream, so that switching duplication on, say, does not change
 * which packets are lost. What it does not do: collisions, other people's traffic, congestion that
 * reacts.
 */
import type { Duration, Instant, Random } from '../kernel/index.ts';
import { milliseconds } from '../kernel/index.ts';

/** What is wrong with one direction of a path. Probabilities are shares from 0 to 1. */
export interface Impairments {
  /** One way, without queueing. */
  readonly delay: Duration;
  /** Each datagram's delay is uniform in delay +- jitter. */
  readonly jitter: Duration;
  /** Mean share of datagrams lost. */
  readonly loss: number;
  /** Chance that a loss follows a loss (p11); 0 means that losses are independent. */
  readonly burst: number;
  /** The time after which losses are drawn anew; 0 draws for each datagram. */
  readonly burstTime: Duration;
  /** Bits a second, IP and UDP headers included; 0 is without limit. */
  readonly rate: number;
  /** Bytes that may wait for the transmitter; meaningful with a rate. */
  readonly queueBytes: number;
  /** Share of datagrams held back by `reorderDelay` while later ones pass. */
  readonly reorder: number;
  readonly reorderDelay: Duration;
  /** Share of datagrams that arrive twice. */
  readonly duplicate: number;
  /** Nothing passes. */
  readonly cut: boolean;
  /** Longest UDP payload that passes, in bytes; 0 is without limit. */
  readonly mtu: number;
}

export const NO_IMPAIRMENTS: Impairments = Object.freeze({
  delay: milliseconds(0),
  jitter: milliseconds(0),
  loss: 0,
  burst: 0,
  burstTime: milliseconds(0),
  rate: 0,
  queueBytes: 256 * 1024,
  reorder: 0,
  reorderDelay: milliseconds(5),
  duplicate: 0,
  cut: false,
  mtu: 0,
});

export type PathDrop = 'cut' | 'mtu' | 'queue' | 'loss';

/** What UDP over IPv4 adds to each datagram on a wire whose rate is limited. */
export const IP_UDP_HEADER_BYTES = 28;

/** How far behind its original a duplicate may arrive. */
const DUPLICATE_SPREAD: Duration = milliseconds(1);

export class PathModel {
  private current: Impairments;
  private readonly lossDraws: Random;
  private readonly delayDraws: Random;
  private readonly reorderDraws: Random;
  private readonly duplicateDraws: Random;
  /** When the transmitter has sent everything it holds; fractional microseconds. */
  private transmitterFree = 0;
  /** No datagram in order arrives before this. */
  private orderFloor = 0;
  private isInBurst = false;
  /** Steps of `burstTime` before now that the chain has made. */
  private stepsMade = 0;

  /** Arrival instants of the last `offer`; as many are meaningful as it returned. */
  readonly arrivals: [Instant, Instant] = [0 as Instant, 0 as Instant];
  /** Why the last `offer` returned 0. */
  dropReason: PathDrop = 'cut';

  offered = 0;
  readonly drops: Record<PathDrop, number> = { cut: 0, mtu: 0, queue: 0, loss: 0 };
  reordered = 0;
  duplicated = 0;

  constructor(options: { random: Random; impairments?: Partial<Impairments> }) {
    this.lossDraws = options.random.split('loss');
    this.delayDraws = options.random.split('delay');
    this.reorderDraws = options.random.split('reorder');
    this.duplicateDraws = options.random.split('duplicate');
    this.current = { ...NO_IMPAIRMENTS, ...options.impairments };
  }

  get impairments(): Impairments {
    return this.current;
  }

  /**
   * Changes some of the impairments from now on. Datagrams already answered for keep their
   * arrival; later ones may overtake them, as they do when the Internet's own route changes.
   */
  change(changes: Partial<Impairments>): void {
    this.current = { ...this.current, ...changes };
    this.orderFloor = 0;
    if (this.current.loss === 0) this.isInBurst = false;
  }

  /**
   * Sends a datagram of `bytes` UDP payload at `now`. Returns how many times it arrives, 0 to 2:
   * then see `arrivals`, or `dropReason`.
   */
  offer(bytes: number, now: Instant): 0 | 1 | 2 {
    this.offered++;
    const way = this.current;
    if (way.cut) return this.drop('cut');
    if (way.mtu > 0 && bytes > way.mtu) return this.drop('mtu');
    const departure = this.transmit(bytes + IP_UDP_HEADER_BYTES, now);
    if (departure < 0) return this.drop('queue');
    if (this.isLost(departure)) return this.drop('loss');

    const arrival = this.arrival(departure);
    this.arrivals[0] = arrival;
    if (way.duplicate > 0 && this.duplicateDraws.chance(way.duplicate)) {
      this.duplicated++;
      this.arrivals[1] = (arrival + this.duplicateDraws.below(DUPLICATE_SPREAD)) as Instant;
      return 2;
    }
    return 1;
  }

  /** Bytes that wait for the transmitter at `now`. */
  queuedBytes(now: Instant): number {
    const { rate } = this.current;
    if (rate === 0) return 0;
    return Math.max(0, Math.round(((this.transmitterFree - now) * rate) / 8_000_000));
  }

  /** When the last bit leaves the transmitter; -1 when the queue has no room. */
  private transmit(wireBytes: number, now: Instant): number {
    const { rate, queueBytes } = this.current;
    if (rate === 0) return now;
    const queued = this.queuedBytes(now);
    if (queued > 0 && queued + wireBytes > queueBytes) return -1;
    this.transmitterFree = Math.max(this.transmitterFree, now) + (wireBytes * 8_000_000) / rate;
    return this.transmitterFree;
  }

  private isLost(at: number): boolean {
    const { loss, burst, burstTime } = this.current;
    if (loss <= 0) return false;
    if (loss >= 1) return true;
    // A mean above one half cannot be had with short bursts: p01 would pass 1. Bursts lengthen.
    const p11 = burst <= 0 ? loss : Math.max(burst, 2 - 1 / loss);
    const p01 = (loss * (1 - p11)) / (1 - loss);
    if (burstTime === 0) {
      this.isInBurst = this.lossDraws.chance(this.isInBurst ? p11 : p01);
      return this.isInBurst;
    }
    const steps = this.stepsUntil(Math.floor(at / burstTime));
    // After n steps the chain knows (p11 - p01)^n of its state.
    const known = (p11 - p01) ** steps;
    if (steps > 0)
      this.isInBurst = this.lossDraws.chance(loss + ((this.isInBurst ? 1 : 0) - loss) * known);
    return this.isInBurst;
  }

  private stepsUntil(step: number): number {
    const steps = Math.max(0, step - this.stepsMade);
    this.stepsMade += steps;
    return steps;
  }

  private arrival(departure: number): Instant {
    const { delay, jitter, reorder, reorderDelay } = this.current;
    const deviation = jitter > 0 ? this.delayDraws.between(-jitter, jitter) : 0;
    const travelled = Math.round(departure) + Math.max(0, delay + deviation);
    if (reorder > 0 && this.reorderDraws.chance(reorder)) {
      this.reordered++;
      return (Math.max(travelled, this.orderFloor) + reorderDelay) as Instant;
    }
    this.orderFloor = Math.max(travelled, this.orderFloor);
    return this.orderFloor as Instant;
  }

  private drop(reason: PathDrop): 0 {
    this.drops[reason]++;
    this.dropReason = reason;
    return 0;
  }
}

const NOT_NEGATIVE = [
  'delay',
  'jitter',
  'burstTime',
  'reorderDelay',
  'rate',
  'queueBytes',
  'mtu',
] as const;

/** What is wrong with a set of impairments in words, or undefined when it can be used. */
export function impairmentsProblem(given: Partial<Impairments>): string | undefined {
  for (const key of ['loss', 'burst', 'reorder', 'duplicate'] as const) {
    const value = given[key];
    if (value !== undefined && !(value >= 0 && value <= 1)) return `${key} must be from 0 to 1`;
  }
  for (const key of NOT_NEGATIVE) {
    const value = given[key];
    if (value !== undefined && !(Number.isFinite(value) && value >= 0))
      return `${key} must be a number that is not negative`;
  }
  return undefined;
}
