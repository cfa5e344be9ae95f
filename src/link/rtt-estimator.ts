/**
 * Round-trip time of one path from hello echoes: smoothed value, variation, minimum, jitter.
 *
 * `rtt` is meant for routing, so it must be still while nothing changes: a median of the last five
 * samples takes out lone outliers (a process that was not scheduled, one retransmission below us),
 * then a slow average follows. `rttVariation` is RFC 6298's, over raw samples; `jitter` is the
 * interarrival jitter of RFC 3550 section 6.4.1, one way, which needs no common clock.
 */
import type { Duration, Instant } from '../kernel/index.ts';

const MEDIAN_SAMPLES = 5;
/** Gain of the smoothed value once it has as many samples; before that it is their plain mean. */
const SMOOTHING = 20;
const MINIMUM_WINDOW: Duration = 30_000_000 as Duration;

export class RttEstimator {
  private readonly recent: number[] = [];
  private readonly sorted: number[] = [];
  private smoothed = 0;
  private variation = 0;
  private minimumNow = Number.POSITIVE_INFINITY;
  private minimumBefore = Number.POSITIVE_INFINITY;
  private minimumSince = 0;
  private jitterValue = 0;
  private lastTransit: number | undefined;
  samples = 0;

  /** `rtt` in microseconds, at least 0. */
  sample(rtt: Duration, now: Instant): void {
    this.samples++;
    this.recent.push(rtt);
    if (this.recent.length > MEDIAN_SAMPLES) this.recent.shift();
    const median = this.median();
    if (this.samples === 1) {
      this.variation = rtt / 2;
      this.smoothed = rtt;
    } else {
      this.variation += (Math.abs(rtt - this.smoothed) - this.variation) / 4;
      this.smoothed += (median - this.smoothed) / Math.min(this.samples, SMOOTHING);
    }
    if (now - this.minimumSince > MINIMUM_WINDOW) {
      this.minimumBefore = this.minimumNow;
      this.minimumNow = Number.POSITIVE_INFINITY;
      this.minimumSince = now;
    }
    this.minimumNow = Math.min(this.minimumNow, rtt);
  }

  /** Moves the average to the median of the last five samples: the value is known to have stepped. */
  snap(): void {
    if (this.samples > 0) this.smoothed = this.median();
  }

  /**
   * One packet's sending time on the peer's clock (modulo 2^32 microseconds) and its arrival on
   * ours: their difference is the delay plus a constant, and only its changes are used.
   */
  transit(sentTimestamp: number, now: Instant): void {
    const transit = ((now >>> 0) - sentTimestamp) | 0;
    if (this.lastTransit !== undefined) {
      const change = Math.abs((transit - this.lastTransit) | 0);
      this.jitterValue += (Math.min(change, 1_000_000) - this.jitterValue) / 16;
    }
    this.lastTransit = transit;
  }

  get rtt(): Duration {
    return Math.round(this.smoothed) as Duration;
  }

  /** The last sample as it came: what a choice that follows trouble within seconds goes by. */
  get latest(): Duration {
    return (this.recent.at(-1) ?? 0) as Duration;
  }

  get rttVariation(): Duration {
    return Math.round(this.variation) as Duration;
  }

  /** Least of the last 30 to 60 s; 0 before the first sample. */
  get rttMin(): Duration {
    const least = Math.min(this.minimumNow, this.minimumBefore);
    return (least === Number.POSITIVE_INFINITY ? 0 : least) as Duration;
  }

  get jitter(): Duration {
    return Math.round(this.jitterValue) as Duration;
  }

  private median(): number {
    const sorted = this.sorted;
    sorted.length = 0;
    for (const value of this.recent) sorted.push(value);
    sorted.sort((a, b) => a - b);
    return sorted[sorted.length >> 1]!;
  }
}
