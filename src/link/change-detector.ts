/**
 * A sequential test for a step in a loss rate: the cumulative sum test of Page (1954). Every packet
 * adds the log likelihood ratio of "the rate is now `to`" against "it still is `from`"; the sum is
 * held at zero or above, and crossing the threshold says that the rate has changed. For a given
 * rate of false alarms no test tells sooner, and it needs no window: a heavy loss is told within a
 * few packets, a light one when there is evidence enough.
 *
 * The score keeps count of what arrived and what was lost since it last left zero, which is the
 * best estimate of where the change began and so of the new rate.
 */
export interface ChangeDetectorOptions {
  /** Loss rates, 0 < rate < 1. */
  readonly from: number;
  readonly to: number;
  readonly threshold: number;
  /**
   * Weight of the second and later losses of one run of losses, as a share of the first's. Losses
   * on the Internet come in runs (probability of 0.5 to 0.7 that the next is lost too), and a run is
   * one event: only many of them are a change of rate.
   */
  readonly runWeight: number;
}

export class ChangeDetector {
  private readonly weightLost: number;
  private readonly weightRun: number;
  private readonly weightReceived: number;
  private readonly threshold: number;
  score = 0;
  private lost = 0;
  private total = 0;

  constructor(options: ChangeDetectorOptions) {
    this.weightLost = Math.log(options.to / options.from);
    this.weightRun = this.weightLost * options.runWeight;
    this.weightReceived = Math.log((1 - options.to) / (1 - options.from));
    this.threshold = options.threshold;
  }

  /**
   * Adds a few packets' evidence; true when the change is certain. `runLosses` are losses beyond
   * the first of each run. `extraThreshold` makes the test slower to believe where packets, and so
   * chances of a false alarm, are many.
   */
  add(
    packets: { received: number; lossEvents: number; runLosses: number },
    extraThreshold: number,
  ): boolean {
    this.score +=
      packets.received * this.weightReceived +
      packets.lossEvents * this.weightLost +
      packets.runLosses * this.weightRun;
    this.lost += packets.lossEvents + packets.runLosses;
    this.total += packets.received + packets.lossEvents + packets.runLosses;
    if (this.score <= 0) {
      this.score = 0;
      this.lost = 0;
      this.total = 0;
    }
    return this.score > this.threshold + extraThreshold;
  }

  /** Loss since the sum last left zero, 0 .. 1. */
  get rateSinceChange(): number {
    return this.total === 0 ? 0 : this.lost / this.total;
  }
}
