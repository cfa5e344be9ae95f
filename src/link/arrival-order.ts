/**
 * How one path's packets arrive: how many are lost at a time, and how many are overtaken. From the
 * counters that every sealed packet has, so that every packet counts, and those that arrive in their
 * order, which are nearly all, cost nothing: only a gap or a late packet is looked at.
 *
 * A run of missing counters is a loss period (RFC 3357); `burst` is the mean length of those. A packet
 * that comes late takes its place back: its run becomes shorter, or falls in two, or was none; which,
 * its neighbours in the replay window tell. It counts as reordered (RFC 4737), its extent being the
 * counters by which the greatest was ahead of it.
 *
 * Sums are multiplied by 3/4 every 30 s, so that they remember about two minutes.
 */
import type { Duration, Instant } from '../kernel/index.ts';
import { seconds } from '../kernel/index.ts';
import type { ReplayWindow } from '../security/index.ts';

/** More lost at once is an outage; it counts as this. */
export const RUN_MAX = 256;
const FADE_INTERVAL: Duration = seconds(30);
const FADE = 0.75;
/** Less is what is left of figures long gone. */
const TRACE = 0.25;

export class ArrivalOrder {
  private runs = 0;
  private missing = 0;
  private late = 0;
  private displacement = 0;
  private packets = 0;
  private packetsBefore = 0;
  private fadeAt = 0;

  /** `gap` counters were skipped. */
  skipped(gap: number): void {
    this.runs++;
    this.missing += Math.min(gap, RUN_MAX);
  }

  /** The packet with this counter came behind greater ones; `window` has it already. */
  overtaken(counter: number, window: ReplayWindow): void {
    this.late++;
    this.displacement += window.greatest - counter;
    const isMissingBefore = counter > 0 && window.check(counter - 1);
    const isMissingAfter = window.check(counter + 1);
    this.missing = Math.max(0, this.missing - 1);
    if (isMissingBefore && isMissingAfter) this.runs++;
    else if (!isMissingBefore && !isMissingAfter) this.runs = Math.max(0, this.runs - 1);
  }

  /** `packetsIn`: that have arrived on the path so far. Called now and then; state: old figures fade. */
  roll(packetsIn: number, now: Instant): void {
    this.packets += packetsIn - this.packetsBefore;
    this.packetsBefore = packetsIn;
    if (now < this.fadeAt) return;
    this.fadeAt = now + FADE_INTERVAL;
    this.runs *= FADE;
    this.missing *= FADE;
    this.late *= FADE;
    this.displacement *= FADE;
    this.packets *= FADE;
  }

  /** Mean number of packets lost at a time; 0: none. */
  get burst(): number {
    return this.runs < TRACE || this.missing < TRACE ? 0 : Math.max(1, this.missing / this.runs);
  }

  get reorderedPpm(): number {
    if (this.late < TRACE) return 0;
    return Math.round(Math.min(1, this.late / Math.max(1, this.packets)) * 1_000_000);
  }

  /** Mean number of counters by which late packets were behind; 0: none was late. */
  get reorderExtent(): number {
    return this.late < TRACE ? 0 : this.displacement / this.late;
  }
}
