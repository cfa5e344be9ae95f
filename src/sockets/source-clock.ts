/**
 * How far a source's clock is from this node's, as far as its messages tell, without a common clock.
 *
 * Each message says when it was sent by the source's clock, and its packet's header how long the nodes
 * on the way think it travelled (`age`: half a round trip for each link, and what it was held for).
 * The least of arrival less sending time over a while is the distance of the clocks plus the fastest
 * travel; the least age is what that travel took. Their difference is the distance of the clocks.
 * Two least values, not the least of differences: an age is a smoothed estimate, and one moment in
 * which a busy link is thought slower than it is must not make everything after it look late.
 *
 * A reroute to a longer way moves nothing while the window remembers the shorter one, and afterwards
 * both least values are the longer one's. Two windows of ten seconds follow the drift of the clocks:
 * 100 ppm is 2 ms in the older of them at most. A way that is slower in one direction than back is
 * off by half of the difference.
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
  private readonly travel = new WindowedLeast();
  private readonly age = new WindowedLeast();

  /** Takes a message in; answers when it was sent, on this node's clock. */
  heard(timeSent: number, age: Duration, now: Instant): Instant {
    // A signed difference: messages come out of order, and the 32 bits come round in five days.
    if (this.isStarted) this.sent += ((timeSent - this.ticks) | 0) * TIME_SENT_STEP;
    this.isStarted = true;
    this.ticks = timeSent;
    if (now >= this.windowEnds) {
      const isRecent = now - this.windowEnds < WINDOW;
      this.travel.turn(isRecent);
      this.age.turn(isRecent);
      this.windowEnds = now + WINDOW;
    }
    return (this.sent + this.travel.take(now - this.sent) - this.age.take(age)) as Instant;
  }
}

class WindowedLeast {
  private now = Number.POSITIVE_INFINITY;
  private before = Number.POSITIVE_INFINITY;

  take(value: number): number {
    this.now = Math.min(this.now, value);
    return Math.min(this.now, this.before);
  }

  turn(isRecent: boolean): void {
    this.before = isRecent ? this.now : Number.POSITIVE_INFINITY;
    this.now = Number.POSITIVE_INFINITY;
  }
}
