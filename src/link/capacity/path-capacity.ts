/**
 * What one path carries, in both roles: the sender of trains keeps the estimate of its own direction, the
 * receiver tells how far apart a train's packets came.
 *
 * A train is as long as it takes to last some 10 ms at the rate known, so that a wake-up that is late by
 * a fraction of a millisecond is a few percent; it starts with four packets, which a slow link can bear,
 * and doubles while it is too short to tell. A train whose packets came in one or two wake-ups says
 * nothing: the receiver may have been busy, or the kernel may have put them together. Only where the
 * longest train is over within 2 ms again and again, the path carries at least what that makes.
 *
 * One train is easily wrong (a wake-up that came late stretches or presses it): the median of the last
 * five counts, and small changes of that are followed slowly. What it cannot see: a policer that lets a
 * burst through, and other nodes' traffic on the same wire, which makes the estimate lower.
 */
import type { Duration, Instant } from '../../kernel/index.ts';
import type { TrainFrame, TrainReport } from '../../wire/index.ts';
import { TRAIN_PACKETS_MAX } from '../../wire/index.ts';

const PACKETS_MIN = 4;
/** Of a train on an idle link, where every packet counts. */
export const IDLE_TRAIN_PACKETS = 3;
const TIME_WANTED = 10_000;
/** Shorter than this a train is not believed. */
const TIME_MIN = 2_000;
/** Wake-ups that a believable train takes. */
const INSTANTS_MIN = 3;
const SPACING = 250_000;
const REPORT_PATIENCE = 1_000_000;
const SAMPLES_KEPT = 5;
/** Share of a train that has to arrive. */
const ARRIVED_MIN = 0.75;
const FOLLOWED_SLOWLY = 0.1;
const GAIN = 0.25;
/** Trains that end a question when none of them told anything. */
const FRUITLESS_MAX = 12;

interface Arriving {
  readonly train: number;
  readonly firstAt: number;
  baseline: number;
  lastAt: number;
  instants: number;
  arrived: number;
}

export class PathCapacity {
  /** When a train is to leave; infinite: none is wanted. */
  nextAt: number = Number.POSITIVE_INFINITY;
  /** Bits a second with all headers; 0: not known. */
  bitsPerSecond = 0;
  /** The path carries no less, and what more is not known. */
  isAtLeast = false;
  /** Of the last report that counted. */
  measuredAt: Instant | undefined;
  private samples: number[] = [];
  private packets = PACKETS_MIN;
  private wanted = 0;
  private isModest = false;
  private fruitless = 0;
  private train = 0;
  private sentBytes = 0;
  private arriving: Arriving | undefined;

  /** Whether trains are wanted or on their way: more will be known soon. */
  get isPending(): boolean {
    return this.wanted > 0;
  }

  /** So many trains more, unless as many are wanted already. `isModest`: none longer than the first. */
  want(trains: number, now: Instant, isModest = false): void {
    this.isModest = isModest;
    if (this.wanted === 0) this.nextAt = Math.min(this.nextAt, now);
    this.wanted = Math.max(this.wanted, trains);
  }

  /** Packets of a train that leaves now. */
  get length(): number {
    return this.isModest ? IDLE_TRAIN_PACKETS : this.packets;
  }

  /** A train leaves. State: the next one is planned for when its report must have come. */
  leaves(datagramBytes: number, rtt: Duration, now: Instant): { train: number; packets: number } {
    this.train = (this.train + 1) >>> 0;
    this.sentBytes = datagramBytes;
    this.nextAt = now + rtt + REPORT_PATIENCE;
    // Counted as told until its report says otherwise: a lost report is not waited for twice.
    this.fruitless++;
    if (this.fruitless >= FRUITLESS_MAX) this.finish();
    return { train: this.train, packets: this.length };
  }

  /** The neighbour's report of the last train. */
  reported(report: TrainReport, now: Instant): void {
    if (report.train !== this.train || this.wanted === 0) return;
    this.nextAt = now + SPACING;
    if (report.arrived < ARRIVED_MIN * this.length) return;
    if (report.time < TIME_MIN) return this.wasShort(now);
    this.fruitless = 0;
    this.add((report.wireBytes * 8_000_000) / report.time, now);
    const each = this.sentBytes * 8;
    const wanted = Math.ceil((this.bitsPerSecond * TIME_WANTED) / 1_000_000 / each) + 1;
    this.packets = Math.max(PACKETS_MIN, Math.min(TRAIN_PACKETS_MAX, wanted));
  }

  /**
   * A train's packet came; `wireBytes`: all that the path has brought so far. Returns what to report, when
   * it was the last of its train.
   */
  arrived(frame: TrainFrame, wireBytes: number, now: Instant): TrainReport | undefined {
    let arriving = this.arriving;
    if (arriving?.train !== frame.train) {
      const { train } = frame;
      arriving = {
        train,
        firstAt: now,
        baseline: wireBytes,
        lastAt: now,
        instants: 1,
        arrived: 0,
      };
      this.arriving = arriving;
    }
    arriving.arrived = Math.min(TRAIN_PACKETS_MAX, arriving.arrived + 1);
    if (now > arriving.lastAt) {
      arriving.lastAt = now;
      arriving.instants++;
    }
    // What came with the first instant came before the time that is measured.
    if (now === arriving.firstAt) arriving.baseline = wireBytes;
    if (frame.place < frame.packets - 1 || arriving.arrived < 2) return undefined;
    const { train, arrived, baseline, instants } = arriving;
    this.arriving = undefined;
    const time = instants < INSTANTS_MIN ? 0 : now - arriving.firstAt;
    return { train, arrived, time, wireBytes: wireBytes - baseline };
  }

  /** The path is another one. */
  restart(): void {
    this.samples = [];
    this.packets = PACKETS_MIN;
    this.bitsPerSecond = 0;
    this.isAtLeast = false;
    this.measuredAt = undefined;
  }

  private wasShort(now: Instant): void {
    if (this.isModest) return this.finish();
    if (this.packets < TRAIN_PACKETS_MAX) {
      this.packets = Math.min(TRAIN_PACKETS_MAX, 2 * this.packets);
      return;
    }
    this.add(Number.POSITIVE_INFINITY, now);
  }

  private add(sample: number, now: Instant): void {
    this.measuredAt = now;
    this.samples.push(sample);
    if (this.samples.length > SAMPLES_KEPT) this.samples.shift();
    const sorted = [...this.samples].sort((a, b) => a - b);
    const median = sorted[(sorted.length - 1) >> 1]!;
    this.isAtLeast = median === Number.POSITIVE_INFINITY;
    const least = (TRAIN_PACKETS_MAX * this.sentBytes * 8_000_000) / TIME_MIN;
    const measured = this.isAtLeast ? least : median;
    const change = measured - this.bitsPerSecond;
    // The first train is short, and rough: it is not to outweigh those that follow.
    const isSettled = this.samples.length >= SAMPLES_KEPT;
    const isSmall = isSettled && Math.abs(change) < FOLLOWED_SLOWLY * this.bitsPerSecond;
    this.bitsPerSecond += isSmall ? GAIN * change : change;
    this.wanted--;
    if (this.wanted <= 0) this.finish();
  }

  private finish(): void {
    this.wanted = 0;
    this.fruitless = 0;
    this.nextAt = Number.POSITIVE_INFINITY;
  }
}
