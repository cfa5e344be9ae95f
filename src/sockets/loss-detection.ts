/**
 * Which packets of a stream are lost, and when to ask. After RACK-TLP (RFC 8985) and QUIC recovery
 * (RFC 9002): a packet is lost when one sent a *reordering window* later, or a number of packets later,
 * has been acknowledged. Both thresholds start small and follow what the path does: an overlay reroutes
 * onto shorter paths and links recover packets out of order, so late is not lost. Each packet that is
 * acknowledged after it was given up stretches the thresholds to what would have spared it; quiet
 * time shrinks them again.
 *
 * Nothing acknowledged at all for a probe timeout: one probe goes out, the congestion window is left
 * alone (RFC 9002 section 6.2). The timeout backs off to a bound of a second, because an overlay has
 * rerouted by then and a stream should not sleep through it.
 */
import type { Duration, Instant } from '../kernel/index.ts';

export const ACK_DELAY_BUDGET = 25_000;

const PACKET_THRESHOLD_MIN = 3;
const PACKET_THRESHOLD_MAX = 2_000;
const REORDER_WINDOW_MAX = 400_000;
/** Thresholds halve towards their start values this long after the last spurious loss. */
const CALM_PERIOD = 10_000_000;
const PROBE_TIMEOUT_MAX = 1_000_000;
const GRANULARITY = 1_000;

export class LossDetection {
  rttSmoothed: number;
  rttVariance: number;
  /** Least seen since the path last changed; 0 before the first sample. */
  rttMin = 0;
  hasSample = false;
  packetThreshold: number = PACKET_THRESHOLD_MIN;
  /** Beyond a quarter of the least round trip, learnt from spurious losses. */
  reorderExtra = 0;
  spurious = 0;
  probes = 0;
  private calmSince = 0;

  /** `rttInitial`: what other traffic with the peer has measured, or a guess. */
  constructor(rttInitial: Duration) {
    this.rttSmoothed = rttInitial;
    this.rttVariance = rttInitial / 2;
  }

  /** RFC 6298 with the peer's acknowledgement delay taken off (RFC 9002 section 5.3). */
  rttSample(rtt: number, ackDelay: number): void {
    if (!this.hasSample) {
      this.hasSample = true;
      this.rttMin = rtt;
      this.rttSmoothed = rtt;
      this.rttVariance = rtt / 2;
      return;
    }
    if (rtt < this.rttMin || this.rttMin === 0) this.rttMin = rtt;
    const adjusted = rtt - ackDelay >= this.rttMin ? rtt - ackDelay : rtt;
    this.rttVariance += (Math.abs(this.rttSmoothed - adjusted) - this.rttVariance) / 4;
    this.rttSmoothed += (adjusted - this.rttSmoothed) / 8;
  }

  /** The route changed: the least round trip of the old one means nothing. */
  pathChanged(): void {
    this.rttMin = 0;
  }

  get reorderWindow(): number {
    const base = Math.max(GRANULARITY, (this.rttMin || this.rttSmoothed) / 4);
    return Math.min(REORDER_WINDOW_MAX, base + this.reorderExtra);
  }

  /** Lost at once, because enough later packets have been acknowledged. */
  isLostByCount(number: number, largestAcked: number): boolean {
    return largestAcked - number >= this.packetThreshold;
  }

  /** When a packet is lost for time, given the newest-sent acknowledged packet's round trip. */
  lostAt(sentAt: number, newestRtt: number): number {
    return sentAt + Math.max(newestRtt, this.rttSmoothed) + this.reorderWindow;
  }

  /** A later packet was acknowledged first. State: the count threshold learns how far overtaking goes. */
  reordered(distance: number): void {
    if (distance >= this.packetThreshold)
      this.packetThreshold = Math.min(PACKET_THRESHOLD_MAX, distance + (distance >> 2) + 1);
  }

  /** A packet given up `late` after it could first have been acknowledged has been acknowledged. */
  spuriousLoss(distance: number, late: number, now: Instant): void {
    this.spurious++;
    this.calmSince = now;
    this.reordered(distance);
    const wanted = late * 1.25 - Math.max(GRANULARITY, this.rttMin / 4);
    if (wanted > this.reorderExtra) this.reorderExtra = Math.min(REORDER_WINDOW_MAX, wanted);
  }

  /** Called now and then: what was learnt from reordering fades. */
  relax(now: Instant): void {
    if (now - this.calmSince < CALM_PERIOD) return;
    this.calmSince = now;
    this.packetThreshold = Math.max(PACKET_THRESHOLD_MIN, this.packetThreshold >> 1);
    this.reorderExtra = this.reorderExtra < GRANULARITY ? 0 : this.reorderExtra / 2;
  }

  /** From the last packet sent to the next probe. */
  get probeTimeout(): number {
    const base = this.rttSmoothed + Math.max(4 * this.rttVariance, GRANULARITY) + ACK_DELAY_BUDGET;
    return Math.max(base, Math.min(base * 2 ** Math.min(this.probes, 10), PROBE_TIMEOUT_MAX));
  }
}
