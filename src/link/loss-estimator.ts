/**
 * Loss on one path in one direction, from gaps in the packet counters of what arrives; every packet
 * counts, data or hello. Three figures come out:
 *
 * - `fastPpm`, over the last second: for the failure detector, which wants the worst it can believe;
 * - `slowPpm`, over the last 20 s: for people;
 * - `toldPpm`, for routing: changes only when a change is certain. Worse is believed by a sequential
 *   test (`change-detector.ts`) in a few packets, better by another one and not before 10 s.
 *
 * A counter that comes late fills the gap it left, so reordering is not loss: buckets of 50 ms are
 * judged one bucket late, when what was only overtaken has arrived.
 *
 * False alarms: at a true loss of 0.5 % and 10 hellos a second the root of the sharp test's moment
 * equation is 1.29, so a threshold of 13.2 is crossed by chance about once in e^(1.29 * 13.2) =
 * 2.5e7 packets, a month of hellos; the fine test's (root 1.65, threshold 10.3) as rarely. At 30 %
 * the sharp test gains 0.54 a packet and is sure after about 25 packets; `isCurious` asks the
 * neighbour for 40 hellos a second from the first loss on, so that these take under a second.
 */
import type { Duration, Instant } from '../kernel/index.ts';
import { ChangeDetector } from './change-detector.ts';

const BUCKET: Duration = 50_000 as Duration;
const FAST_BUCKETS = 20;
const SLOW_BUCKETS = 400;
/** Buckets kept: the slow window, the open bucket and the one being settled. */
const RING = 512;

const SHARP_THRESHOLD = 12;
const FINE_THRESHOLD = 10.3;
const BETTER_THRESHOLD = 10;
const RUN_WEIGHT = 0.2;
/** Losses of one run that count as evidence; the rest is the failure detector's business. */
const RUN_LOSSES_MAX = 10;
/** Below this a loss is noise to routing and told as none. */
const NOISE_FLOOR = 0.01;
const BETTER_AFTER: Duration = 10_000_000 as Duration;
/** The first figure told of a step rests on few packets; it is corrected once, after this. */
const REFINE_AFTER: Duration = 2_000_000 as Duration;
/** Nothing is asked of the neighbour's hello rate once this much loss has been told. */
const CURIOUS_TOLD_PPM_MAX = 50_000;
const CURIOUS_SCORE = 2;

export class LossEstimator {
  private readonly received = new Uint32Array(RING);
  private readonly events = new Uint32Array(RING);
  private readonly runLosses = new Uint32Array(RING);
  /** Number of the open bucket; -1 before the first packet. */
  private open = -1;
  private slowReceived = 0;
  private slowLost = 0;
  private told = 0;
  private toldAt = 0;
  private refineAt = Number.POSITIVE_INFINITY;
  private refineLost = 0;
  private refineTotal = 0;
  private sharp: ChangeDetector | undefined;
  private fine: ChangeDetector | undefined;
  private better: ChangeDetector | undefined;

  constructor() {
    this.rebase();
  }

  /** A packet ahead of all before it, `gap` counters after the newest. */
  arrived(gap: number, now: Instant): void {
    this.roll(now);
    const at = this.open % RING;
    this.received[at] = this.received[at]! + 1;
    if (gap > 0) {
      this.events[at] = this.events[at]! + 1;
      this.runLosses[at] = this.runLosses[at]! + gap - 1;
    }
  }

  /** A packet that the link has carried and that nobody looked at. */
  arrivedUnopened(now: Instant): void {
    this.roll(now);
    const at = this.open % RING;
    this.received[at] = this.received[at]! + 1;
  }

  /**
   * A packet that was counted as lost a moment ago. The bucket about to be judged is mended first,
   * then the open one, then those already judged.
   */
  arrivedLate(now: Instant): void {
    this.roll(now);
    const isMended = this.mend(this.open - 1) || this.mend(this.open);
    if (isMended || !(this.mend(this.open - 2) || this.mend(this.open - 3))) return;
    this.slowLost--;
    this.slowReceived++;
  }

  private mend(bucket: number): boolean {
    if (bucket < 0) return false;
    const at = bucket % RING;
    if (this.runLosses[at]! > 0) this.runLosses[at] = this.runLosses[at]! - 1;
    else if (this.events[at]! > 0) this.events[at] = this.events[at]! - 1;
    else return false;
    this.received[at] = this.received[at]! + 1;
    return true;
  }

  /** Closes buckets that have ended. Called with every packet and at every hello. */
  roll(now: Instant): void {
    const bucket = Math.floor(now / BUCKET);
    if (bucket <= this.open) return;
    if (this.open < 0 || bucket - this.open > SLOW_BUCKETS) {
      this.forget(bucket);
      return;
    }
    while (this.open < bucket) {
      this.settle(this.open - 1);
      this.open++;
      this.clear(this.open);
      this.leaveSlow(this.open - 1 - SLOW_BUCKETS);
    }
    this.refine(now);
  }

  get toldPpm(): number {
    return Math.round(this.told * 1_000_000);
  }

  get slowPpm(): number {
    const total = this.slowLost + this.slowReceived;
    return total === 0 ? 0 : Math.round((this.slowLost / total) * 1_000_000);
  }

  /** Over the last second, the unsettled 100 ms included. */
  get fastPpm(): number {
    let lost = 0;
    let total = 0;
    for (let bucket = this.open; bucket > this.open - FAST_BUCKETS && bucket >= 0; bucket--) {
      const at = bucket % RING;
      const bucketLost = this.events[at]! + this.runLosses[at]!;
      lost += bucketLost;
      total += bucketLost + this.received[at]!;
    }
    return total === 0 ? 0 : Math.round((lost / total) * 1_000_000);
  }

  /** Whether more samples soon would settle if there is a loss worth telling. */
  get isCurious(): boolean {
    if (this.told * 1_000_000 > CURIOUS_TOLD_PPM_MAX) return false;
    const at = this.open % RING;
    if (this.open >= 0 && this.events[at]! > 0) return true;
    return (this.sharp?.score ?? 0) >= CURIOUS_SCORE;
  }

  /** Packets that arrived in the last second. */
  get arrivalsPerSecond(): number {
    let count = 0;
    for (let bucket = this.open; bucket > this.open - FAST_BUCKETS && bucket >= 0; bucket--)
      count += this.received[bucket % RING]!;
    return count;
  }

  private settle(bucket: number): void {
    if (bucket < 0) return;
    const at = bucket % RING;
    const received = this.received[at]!;
    const lossEvents = this.events[at]!;
    const runLosses = this.runLosses[at]!;
    if (received + lossEvents === 0) return;
    this.slowReceived += received;
    this.slowLost += lossEvents + runLosses;
    this.refineTotal += received + lossEvents + runLosses;
    this.refineLost += lossEvents + runLosses;
    this.judge(received, lossEvents, runLosses, ((bucket + 1) * BUCKET) as Instant);
  }

  private judge(received: number, lossEvents: number, runLosses: number, now: Instant): void {
    // Ten times the packets are ten times the chances of a false alarm: the threshold follows the
    // logarithm of the rate, 0.55 for each doubling over 32 packets a second.
    const extra = 0.55 * Math.max(0, 31 - Math.clz32((received * 20) >> 5));
    const capped = { received, lossEvents, runLosses: Math.min(runLosses, RUN_LOSSES_MAX) };
    let worse = 0;
    if (this.sharp?.add(capped, extra) === true) worse = this.sharp.rateSinceChange;
    if (this.fine?.add(capped, extra) === true) worse = Math.max(worse, this.fine.rateSinceChange);
    if (worse > this.told) {
      this.tell(Math.min(worse, 0.95), now);
      this.refineAt = now + REFINE_AFTER;
      return;
    }
    if (this.better === undefined) return;
    const isBetter = this.better.add({ received, lossEvents, runLosses }, extra);
    if (isBetter && now - this.toldAt >= BETTER_AFTER)
      this.tell(Math.min(this.better.rateSinceChange, this.told), now);
  }

  private refine(now: Instant): void {
    if (now < this.refineAt) return;
    this.refineAt = Number.POSITIVE_INFINITY;
    const rate = this.refineTotal === 0 ? 0 : this.refineLost / this.refineTotal;
    if (rate > this.told * 1.25 + 0.02) this.tell(Math.min(rate, 0.95), now);
  }

  private tell(rate: number, now: Instant): void {
    this.told = rate < NOISE_FLOOR ? 0 : rate;
    this.toldAt = now;
    this.refineLost = 0;
    this.refineTotal = 0;
    this.rebase();
  }

  /** New tests around the loss that has been told. */
  private rebase(): void {
    const from = this.told * 1.25 + NOISE_FLOOR;
    this.sharp = undefined;
    this.fine = undefined;
    if (from < 0.7) {
      const sharpTo = Math.min(0.95, Math.max(0.2, 4 * from));
      const fineTo = Math.min(0.9, Math.max(0.05, 2.2 * from));
      const shared = { from, runWeight: RUN_WEIGHT };
      this.sharp = new ChangeDetector({ ...shared, to: sharpTo, threshold: SHARP_THRESHOLD });
      this.fine = new ChangeDetector({ ...shared, to: fineTo, threshold: FINE_THRESHOLD });
    }
    this.better =
      this.told === 0
        ? undefined
        : new ChangeDetector({
            from: this.told * 0.8,
            to: this.told * 0.4,
            threshold: BETTER_THRESHOLD,
            runWeight: 1,
          });
  }

  private leaveSlow(bucket: number): void {
    if (bucket < 0) return;
    const at = bucket % RING;
    this.slowReceived -= this.received[at]!;
    this.slowLost -= this.events[at]! + this.runLosses[at]!;
    this.clear(bucket);
  }

  private clear(bucket: number): void {
    const at = bucket % RING;
    this.received[at] = 0;
    this.events[at] = 0;
    this.runLosses[at] = 0;
  }

  /** Starts the windows anew: nothing was heard for longer than they are. */
  private forget(bucket: number): void {
    this.received.fill(0);
    this.events.fill(0);
    this.runLosses.fill(0);
    this.slowReceived = 0;
    this.slowLost = 0;
    this.open = bucket;
  }
}
