/**
 * How far a source's clock is from this node's, as far as its messages tell, without a common clock.
 *
 * Each message says when it was sent by the source's clock, and its packet's header how long the nodes
 * on the way think it travelled (`age`: half a round trip for each link, and what it was held for).
 * Arrival less sending time less age is the distance of the clocks plus what the message lost in
 * queues that nobody counted; the least of these over a while is the distance as well as the fastest
 * message knows. Because the age is taken off, a reroute to a longer way moves nothing. Two windows of
 * ten seconds follow the drift of the clocks: 100 ppm is 2 ms in the older of them at most.
 *
 * A way that is slower in one direction than back is off by half of the difference.
 */
import type { Duration, Instant } from '../kernel/index.ts';
import { TIME_SENT_STEP } from '../wire/index.ts';

const WINDOW = 10_000_000;

export class SourceClock {
  private ticks = 0;
  /** Of the last message heard, on the source's clock unrolled from its 32 bits; microseconds. */
  private sent = 0;
  private isStarted = false;
  private windowEnds = 0;
  private least = Number.POSITIVE_INFINITY;
  private leastBefore = Number.POSITIVE_INFINITY;

  /** Takes a message in; answers when it was sent, on this node's clock. */
  heard(timeSent: number, age: Duration, now: Instant): Instant {
    // A signed difference: messages come out of order, and the 32 bits come round in five days.
    if (this.isStarted) this.sent += ((timeSent - this.ticks) | 0) * TIME_SENT_STEP;
    this.isStarted = true;
    this.ticks = timeSent;
    if (now >= this.windowEnds) {
      const isFresh = now - this.windowEnds < WINDOW;
      this.leastBefore = isFresh ? this.least : Number.POSITIVE_INFINITY;
      this.least = Number.POSITIVE_INFINITY;
      this.windowEnds = now + WINDOW;
    }
    this.least = Math.min(this.least, now - this.sent - age);
    return (this.sent + Math.min(this.least, this.leastBefore)) as Instant;
  }
}
