/**
 * How long losses on a link last at a time. A run of lost packets goes on from one packet to the next
 * with a chance q that a mean run length r gives away, q = 1 - 1/r. Of that, p would be lost anyway; what
 * is left decays with the time i between packets, so that the memory of the losses is
 *
 *     b = i / -ln((q - p) / (1 - p))
 *
 * Packets far apart cannot tell short bursts: the estimate is never below a fifth of their distance.
 */
import type { Duration } from '../../kernel/index.ts';

const GAIN = 16;
/** A longer silence is an outage, or a link so idle that it says nothing of bursts. */
const SEEN_MAX = 60_000;
const MEMORY_MIN = 0.01;
const MEMORY_MAX = 0.95;

export class BurstEstimator {
  private runLength = 1;
  private interval = 0;

  /** `gap` packets were lost between two that came, `silence` apart. */
  lost(gap: number, silence: Duration): void {
    if (silence > SEEN_MAX) return;
    const interval = silence / (gap + 1);
    this.interval += this.interval === 0 ? interval : (interval - this.interval) / GAIN;
    this.runLength += (gap - this.runLength) / GAIN;
  }

  /** `loss`: of the link, 0 .. 1. */
  burst(loss: number): Duration {
    const p = Math.min(0.5, loss);
    const goesOn = 1 - 1 / this.runLength;
    const memory = Math.min(MEMORY_MAX, Math.max(MEMORY_MIN, (goesOn - p) / (1 - p)));
    return Math.round(this.interval / -Math.log(memory)) as Duration;
  }
}
