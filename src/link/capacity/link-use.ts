/** How much a link carries, from its counters: bits a second with all headers, smoothed over seconds. */
import type { Instant } from '../../kernel/index.ts';

const LOOK_AGAIN = 1_000_000;
const SMOOTHED_OVER = 4_000_000;

export class LinkUse {
  /** Bits a second. */
  out = 0;
  in = 0;
  private bytesOut = 0;
  private bytesIn = 0;
  private at: Instant;

  constructor(now: Instant) {
    this.at = now;
  }

  /** All that the link has carried so far. State: looked at once a second. */
  look(bytesOut: number, bytesIn: number, now: Instant): void {
    const time = now - this.at;
    if (time < LOOK_AGAIN) return;
    const gain = Math.min(1, time / SMOOTHED_OVER);
    this.out += gain * (((bytesOut - this.bytesOut) * 8_000_000) / time - this.out);
    this.in += gain * (((bytesIn - this.bytesIn) * 8_000_000) / time - this.in);
    this.bytesOut = bytesOut;
    this.bytesIn = bytesIn;
    this.at = now;
  }
}
