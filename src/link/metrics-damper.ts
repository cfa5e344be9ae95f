/**
 * What a link tells routing, and when. Worse news is told as soon as it is certain, better news
 * after it has lasted 10 s; noise is never told. Losses come damped already, each by the estimator
 * at its receiving end (`loss-estimator.ts`), so any change of theirs is news.
 *
 * The first figure rests on few samples, taken while two processes may still be starting: it is corrected
 * 1.5, 3 and 6 s later. The first after a step is corrected once, 3 s later.
 *
 * A round-trip time is worse when the smoothed value (a median of five, then a gain of 1/20) stays
 * above the base by more than 15 % and 4 ms for 200 ms. The base is the told value at first, and once
 * it has stood for 10 s the mean over those: a told value was one smoothed value and may be off by
 * 7 % for good, which would leave half the margin. Under +-20 % of uniform noise the smoothed
 * value moves by 1.5 % (one sigma; 7.5 % at most in ten million samples), so that 15 % around the
 * mean is ten sigmas.
 */
import type { Duration, Instant } from '../kernel/index.ts';

export interface LinkMetrics {
  /** Smoothed round-trip time; one way is half of it. */
  readonly rtt: Duration;
  readonly rttMin: Duration;
  readonly jitter: Duration;
  /** Parts per million, this node to the neighbour, as the neighbour measures it. */
  readonly lossOutPpm: number;
  readonly lossInPpm: number;
  /** Largest datagram that passes, in bytes of UDP payload. */
  readonly mtu: number;
}

export const RTT_SHARE = 0.15;
export const RTT_STEP: Duration = 4_000 as Duration;
export const WORSE_AFTER: Duration = 200_000 as Duration;
export const BETTER_AFTER: Duration = 10_000_000 as Duration;
const REFINE_AFTER: Duration = 3_000_000 as Duration;
/** Of a new link's first figure, since it came up. */
const FIRST_REFINEMENTS: readonly number[] = [1_500_000, 3_000_000, 6_000_000];
const REFINE_SHARE = 0.07;
const REFINE_STEP: Duration = 2_000 as Duration;
/** After this long within the margin, what was measured meanwhile is the base of the margin. */
const SETTLED_AFTER: Duration = 10_000_000 as Duration;

export class MetricsDamper {
  private told: LinkMetrics;
  /** What steps are judged against: a round-trip time in microseconds. */
  private base: number;
  private settlingSince: Instant | undefined;
  private settlingSum = 0;
  private settlingSamples = 0;
  private worseSince: Instant | undefined;
  private betterSince: Instant | undefined;
  private refineAt: number;
  private readonly upAt: Instant;
  private refinements = 0;

  constructor(first: LinkMetrics, now: Instant) {
    this.told = first;
    this.base = first.rtt;
    this.settlingSince = now;
    this.upAt = now;
    this.refineAt = now + FIRST_REFINEMENTS[0]!;
  }

  get metrics(): LinkMetrics {
    return this.told;
  }

  /**
   * Whether the round-trip time has stepped for certain. The caller may then let its estimate catch
   * up, so that what `update` tells is the new value and not as far as a slow average has come.
   */
  hasStepped(rtt: Duration, now: Instant): boolean {
    const change = rtt - this.base;
    if (Math.abs(change) <= Math.max(RTT_STEP, RTT_SHARE * this.base)) {
      this.worseSince = undefined;
      this.betterSince = undefined;
      this.settle(rtt, now);
      return false;
    }
    if (change > 0) {
      this.betterSince = undefined;
      this.worseSince ??= now;
      return now - this.worseSince >= WORSE_AFTER;
    }
    this.worseSince = undefined;
    this.betterSince ??= now;
    return now - this.betterSince >= BETTER_AFTER;
  }

  /** The new metrics when they are worth telling, otherwise undefined. */
  update(measured: LinkMetrics, hasStepped: boolean, now: Instant): LinkMetrics | undefined {
    const { told } = this;
    const isNews =
      hasStepped ||
      this.isRefined(measured.rtt, now) ||
      measured.lossOutPpm !== told.lossOutPpm ||
      measured.lossInPpm !== told.lossInPpm ||
      measured.mtu !== told.mtu;
    if (!isNews) return undefined;
    if (hasStepped) this.refineAt = now + REFINE_AFTER;
    if (measured.rtt !== told.rtt) this.rebase(measured.rtt, now);
    this.told = measured;
    this.worseSince = undefined;
    this.betterSince = undefined;
    return measured;
  }

  /** State: the base moves once, when the value has stood for long enough. */
  private settle(rtt: Duration, now: Instant): void {
    if (this.settlingSince === undefined) return;
    this.settlingSum += rtt;
    this.settlingSamples++;
    if (now - this.settlingSince < SETTLED_AFTER) return;
    this.base = this.settlingSum / this.settlingSamples;
    this.settlingSince = undefined;
  }

  private rebase(rtt: Duration, now: Instant): void {
    this.base = rtt;
    this.settlingSince = now;
    this.settlingSum = 0;
    this.settlingSamples = 0;
  }

  private isRefined(rtt: Duration, now: Instant): boolean {
    if (now < this.refineAt) return false;
    this.refinements++;
    const next = FIRST_REFINEMENTS[this.refinements];
    this.refineAt = next === undefined ? Number.POSITIVE_INFINITY : this.upAt + next;
    const change = Math.abs(rtt - this.told.rtt);
    return change > Math.max(REFINE_STEP, REFINE_SHARE * this.told.rtt);
  }
}
