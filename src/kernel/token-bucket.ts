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

  /** Takes so many tokens, at most the burst; false, and no change, when there are fewer. */
  take(now: Instant, tokens = 1): boolean {
    if (this.availableAt(tokens) > now) return false;
    this.fullAt = Math.max(this.fullAt, now) + tokens * this.interval;
    return true;
  }

  /** From when on `take` succeeds, in the past when it would now. */
  availableAt(tokens = 1): Instant {
    return (this.fullAt - (this.burst - tokens) * this.interval) as Instant;
  }
}

/** A bucket for each of many, made when first asked for. Whoever holds it bounds how many there are. */
export class TokenBuckets<K> {
  private readonly options: { perSecond: number; burst: number };
  private readonly buckets = new Map<K, TokenBucket>();

  constructor(options: { perSecond: number; burst: number }) {
    this.options = options;
  }

  get size(): number {
    return this.buckets.size;
  }

  of(key: K): TokenBucket {
    const known = this.buckets.get(key);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(this.options);
    this.buckets.set(key, bucket);
    return bucket;
  }

  forget(key: K): void {
    this.buckets.delete(key);
  }

  clear(): void {
    this.buckets.clear();
  }
}
