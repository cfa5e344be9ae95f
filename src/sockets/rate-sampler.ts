/**
 * Delivery rate: how fast the network takes bytes off a stream, after "Delivery Rate Estimation"
 * (draft-cheng-iccrg-delivery-rate-estimation). Each packet remembers how much had been delivered
 * when it left; when it is acknowledged the difference over the longer of the time it took to send and
 * the time it took to be acknowledged is a sample. The longer one, because both acknowledgements that
 * come in a heap and sending in bursts would otherwise show a rate that the path does not have.
 */
import type { Duration, Instant, RateSample } from '../kernel/index.ts';
import type { SentPackets } from './sent-packets.ts';
import { PACKET_APP_LIMITED } from './sent-packets.ts';

export class RateSampler {
  /** Bytes acknowledged so far. */
  delivered = 0;
  readonly sample: RateSample = { rate: 0, isAppLimited: false, priorDelivered: 0 };
  private deliveredAt = 0;
  private firstSentAt = 0;
  /** Packets are marked until this much has been delivered. */
  private appLimitedUntil = 0;
  private newest = -1;
  private ackedBytes = 0;

  packetSent(packets: SentPackets, number: number, inFlight: number, now: Instant): void {
    if (inFlight === 0) {
      this.firstSentAt = now;
      this.deliveredAt = now;
    }
    const slot = packets.slot(number);
    packets.firstSentAt[slot] = this.firstSentAt;
    packets.deliveredAt[slot] = this.deliveredAt;
    packets.delivered[slot] = this.delivered;
    if (this.appLimitedUntil > this.delivered) packets.flags[slot]! |= PACKET_APP_LIMITED;
  }

  /** The application had less to send than the window allowed. */
  appLimited(inFlight: number): void {
    this.appLimitedUntil = this.delivered + Math.max(inFlight, 1);
  }

  packetAcked(packets: SentPackets, number: number): void {
    this.ackedBytes += packets.size[packets.slot(number)]!;
    if (number > this.newest) this.newest = number;
  }

  /**
   * After all packets of one acknowledgement. `rttMin` guards against samples over less than a round
   * trip, which only compressed acknowledgements can make.
   */
  finish(packets: SentPackets, rttMin: Duration, now: Instant): RateSample {
    const { sample } = this;
    sample.rate = 0;
    if (this.newest < 0) return sample;
    this.delivered += this.ackedBytes;
    this.deliveredAt = now;
    const slot = packets.slot(this.newest);
    const sentAt = packets.sentAt[slot]!;
    sample.priorDelivered = packets.delivered[slot]!;
    sample.isAppLimited = (packets.flags[slot]! & PACKET_APP_LIMITED) !== 0;
    const sending = sentAt - packets.firstSentAt[slot]!;
    const acking = now - packets.deliveredAt[slot]!;
    const interval = Math.max(sending, acking);
    if (interval > 0 && interval >= rttMin)
      sample.rate = ((this.delivered - sample.priorDelivered) * 1_000_000) / interval;
    this.firstSentAt = sentAt;
    this.newest = -1;
    this.ackedBytes = 0;
    return sample;
  }
}
