import type { Instant } from '../kernel/index.ts';

/** A rate with an allowance for bursts: `perSecond` tokens drip in, at most `burst` are kept. */
export class TokenBucket {
  private readonly perSecond: number;
  private readonly burst: number;
  private tokens: number;
  private at = 0;

  constructor(options: { perSecond: number; burst: number }) {
    this.perSecond = options.perSecond;
    this.burst = options.burst;
    this.tokens = options.burst;
  }

  /** Takes `count` tokens; false, taking none, when there are fewer. */
  take(count: number, now: Instant): boolean {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.at) * this.perSecond) / 1e6);
    this.at = now;
    if (this.tokens < count) return false;
    this.tokens -= count;
    return true;
  }
}
