import type { Instant } from './time.ts';

/**
 * A rate limit with a burst: `burst` tokens to begin with, `perSecond` more every second, never
 * more than `burst` at once. Whole arithmetic in microseconds, so that equal inputs give equal
 * answers on every machine.
 */
export class TokenBucket {
  private readonly interval: number;
  private readonly burst: number;
  /** When the bucket would be full again if nothing more were taken. */
  private fullAt = 0;

  constructor(options: { perSecond: number; burst: number }) {
    this.interval = Math.max(1, Math.round(1_000_000 / options.perSecond));
    this.burst = options.burst;
  }

  /** Takes one token; false, and no change, when there is none. */
  take(now: Instant): boolean {
    if (this.availableAt() > now) return false;
    this.fullAt = Math.max(this.fullAt, now) + this.interval;
    return true;
  }

  /** From when on `take` succeeds, in the past when it would now. */
  availableAt(): Instant {
    return (this.fullAt - (this.burst - 1) * this.interval) as Instant;
  }
}
