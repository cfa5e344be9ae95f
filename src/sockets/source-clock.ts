/**
 * How far a source's clock is from this node's, as far as its messages tell, without a common clock.
 *
 * Each message says when it was sent by the source's clock, and its packet's header how long the nodes
 * on the way think it travelled (`age`: half a round trip for each link, and what it was held for).
 * Arrival less sending time less age is the distance of the clocks, give or take what a single
 * packet's travel differs from what is usual. Its centre is followed: a mean over some seconds in which
 * what lies far off counts no more than what lies three mean deviations off, so that neither a queue
 * nor a link that is thought slow for a moment moves it far. (The least value instead would lie below by
 * as much as the fastest packet beat the usual one: 13 ms on two links with 8 ms of jitter.)
 *
 * Because the age is taken off, a reroute to a longer way moves nothing. A drift of the clocks of 100
 * ppm lags by half a millisecond. A way that is slower in one direction than back is off by half of the
 * difference.
 */
import type { Duration, Instant } from '../kernel/index.ts';
import { TIME_SENT_STEP } from '../wire/index.ts';

/** Time over which the centre is followed. */
const FOLLOWED = 5_000_000;
/** After this long without a message the clocks may be anywhere: begin anew. */
const IDLE = 20_000_000;
const DEVIATIONS = 3;
/** Below this what is seen is the step of the time sent. */
const DEVIATION_LEAST = 200;

export class SourceClock {
  private ticks = 0;
  /** Of the last message heard, on the source's clock unrolled from its 32 bits; microseconds. */
  private sent = 0;
  private heardAt = 0;
  private count = 0;
  private centre = 0;
  private deviation = 0;

  /** Takes a message in; answers when it was sent, on this node's clock. */
  heard(timeSent: number, age: Duration, now: Instant): Instant {
    // A signed difference: messages come out of order, and the 32 bits come round in five days.
    if (this.count > 0) this.sent += ((timeSent - this.ticks) | 0) * TIME_SENT_STEP;
    this.ticks = timeSent;
    const elapsed = now - this.heardAt;
    if (elapsed > IDLE) this.count = 0;
    this.heardAt = now;
    this.follow(now - this.sent - age, elapsed);
    return Math.round(this.sent + this.centre) as Instant;
  }

  private follow(distance: number, elapsed: number): void {
    this.count++;
    const gain = Math.min(1, Math.max(1 / this.count, elapsed / FOLLOWED));
    const off = distance - this.centre;
    if (this.count === 1) {
      this.centre = distance;
      this.deviation = 0;
      return;
    }
    const most = DEVIATIONS * Math.max(DEVIATION_LEAST, this.deviation);
    const isFresh = this.count < 16;
    const counted = isFresh ? off : Math.max(-most, Math.min(most, off));
    this.centre += gain * counted;
    this.deviation += gain * (Math.abs(counted) - this.deviation);
  }
}
