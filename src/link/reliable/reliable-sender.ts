/**
 * The sending half of a link's reliable protocol: frames that must not be lost, from when they are
 * sealed until the neighbour has them. Packets are named by the session counter they left under; a frame
 * that is sent again leaves under a new one, so an acknowledgement is never ambiguous (RFC 9002).
 *
 * Lost is what was overtaken: by three later packets, or, once packets have been seen out of order, by one
 * sent a reordering window later (RACK, RFC 8985). Nothing acknowledged for a probe timeout: the oldest
 * frame goes again. How much is in flight and how fast it leaves is the model-based control that streams
 * use (`kernel/congestion-control.ts`), because a link of an overlay loses packets at random.
 *
 * Packets arrive and are forwarded in any order; only what is missing is sent again, so no flow waits
 * for another's loss. When the link dies, what it still held goes back to the forwarder (`returned`).
 */
import type { AckSummary, Duration, Instant, Random, RateSample } from '../../kernel/index.ts';
import { CongestionControl, isInRuns } from '../../kernel/index.ts';
import type { ReliableAck } from '../../wire/index.ts';
import type { Session } from '../session.ts';

/** A data frame in a buffer of its own; its owner gets it back by `acknowledged` or `returned`. */
export interface ReliableFrame {
  readonly frame: Uint8Array;
  /** Bytes of it that are the frame. */
  readonly length: number;
}

interface Sent {
  readonly frame: ReliableFrame;
  readonly session: Session;
  readonly counter: number;
  readonly sentAt: number;
  readonly delivered: number;
  readonly deliveredAt: number;
  readonly firstSentAt: number;
  readonly isAppLimited: boolean;
  isSettled: boolean;
}

export interface ReliableSenderOptions {
  readonly rtt: number;
  readonly random: Random;
  /** Seals a frame into a packet of the link and returns its counter and session. */
  readonly emit: (frame: ReliableFrame, now: Instant) => { session: Session; counter: number };
  readonly acknowledged: (frame: ReliableFrame) => void;
}

const SEGMENT_BYTES = 1_400;
const PACKET_THRESHOLD = 3;
const ACK_DELAY_BUDGET = 8_000;
const PROBE_TIMEOUT_MIN = 10_000;
const PROBE_TIMEOUT_MAX = 500_000;
const REORDER_SHARE_START = 8;
const REORDER_SHARE_MAX = 1;
/**
 * The clock is coarse, and a busy machine wakes late: this much time is made up for at once. Too little would
 * lower the rate that is measured, and with it the pace, again and again.
 */
const PACING_QUANTUM = 6_000;
/** The pace is not less than this a round trip; the window holds in any case. */
const PACE_SEGMENTS_MIN = 8;
/** Packets not yet acknowledged; the replay window of the receiver tells of no more. */
export const RELIABLE_IN_FLIGHT_MAX = 1_536;
/** For how long an acknowledgement may still turn a packet given up into one that arrived. */
const SPURIOUS_KEPT = 512;

export class ReliableSender {
  readonly control: CongestionControl;
  inFlight = 0;
  /** Frames sent again, and those of them that had arrived after all. */
  repeated = 0;
  spurious = 0;
  probes = 0;
  private readonly options: ReliableSenderOptions;
  private sent: Sent[] = [];
  private head = 0;
  private count = 0;
  /** To be sent again as soon as the window allows. */
  private readonly again: ReliableFrame[] = [];
  private readonly sample: RateSample = { rate: 0, isAppLimited: false, priorDelivered: 0 };
  private readonly summary: AckSummary = {
    delivered: 0,
    acked: 0,
    lost: 0,
    inFlight: 0,
    rtt: 0,
    sentAt: 0,
  };
  private rttSmoothed: number;
  private rttVariance: number;
  private reorderShare = REORDER_SHARE_START;
  private hasReordered = false;
  private paceAt = 0;
  private delivered = 0;
  private deliveredAt = 0;
  private firstSentAt = 0;
  private appLimitedUntil = 0;
  private newestAckedAt = 0;
  private newestAckedRtt = 0;
  private lossAt = Number.POSITIVE_INFINITY;
  private probeAt = Number.POSITIVE_INFINITY;
  private backoff = 1;
  /** Counters given up, to learn from those that arrive after all. */
  private readonly givenUp = new Map<number, number>();

  constructor(options: ReliableSenderOptions) {
    this.options = options;
    this.rttSmoothed = options.rtt;
    this.rttVariance = options.rtt / 2;
    const { random } = options;
    this.control = new CongestionControl({
      segmentBytes: SEGMENT_BYTES,
      rttInitial: options.rtt as never,
      random,
    });
  }

  /** Whether a new frame may leave now. */
  hasRoom(now: Instant): boolean {
    return this.again.length === 0 && this.mayLeave(now);
  }

  /** Takes a frame and sends it. The caller has asked `hasRoom`. */
  send(frame: ReliableFrame, now: Instant): void {
    this.emit(frame, now);
  }

  /** There was room and nothing to fill it. */
  idle(): void {
    this.appLimitedUntil = this.delivered + Math.max(1, this.inFlight);
  }

  /** Bytes per second that the link has been seen to carry; 0 while unknown. */
  get bandwidth(): number {
    return this.control.bandwidth;
  }

  get isIdle(): boolean {
    return this.count === 0 && this.again.length === 0;
  }

  /**
   * The round trip it shows, without the time it was held back; 0: none. State: what arrived is let go,
   * what was overtaken is sent again as the window allows.
   */
  receiveAck(ack: ReliableAck, session: Session, now: Instant): Duration {
    const greatest = fullCounter(ack.greatest, session.nextCounter);
    if (greatest < 0) return 0 as Duration;
    const { summary } = this;
    summary.acked = 0;
    summary.lost = 0;
    summary.rtt = 0;
    const newest = this.settle(ack, session, greatest);
    this.judgeSpurious(ack, session, greatest);
    this.delivered += summary.acked;
    if (newest !== undefined) this.sampleFrom(newest, ack, now);
    else this.sample.rate = 0;
    this.detectLosses(session, greatest, now);
    summary.delivered = this.delivered;
    summary.inFlight = this.inFlight;
    this.sample.priorDelivered = newest?.delivered ?? 0;
    this.sample.isAppLimited = newest?.isAppLimited ?? true;
    this.control.acknowledged(summary, this.sample, now);
    if (summary.acked > 0) this.backoff = 1;
    this.armProbe(now);
    this.repeat(now);
    return summary.rtt as Duration;
  }

  nextTimeout(): number {
    const pace = this.again.length > 0 && this.hasWindow() ? this.paceAt : Number.POSITIVE_INFINITY;
    return Math.min(this.lossAt, this.probeAt, pace);
  }

  /** When the pace allows another packet, if the window does. */
  get roomAt(): number {
    return this.hasWindow() ? this.paceAt : Number.POSITIVE_INFINITY;
  }

  timeout(now: Instant): void {
    if (this.lossAt <= now) {
      this.summary.acked = 0;
      this.summary.lost = 0;
      this.detectLosses(undefined, 0, now);
    }
    if (this.probeAt <= now) this.probe(now);
    this.repeat(now);
  }

  /** The link is gone: everything that may not have arrived, oldest first. */
  returned(): ReliableFrame[] {
    const all = this.sent.slice(this.head).flatMap((s) => (s.isSettled ? [] : [s.frame]));
    this.sent = [];
    this.head = 0;
    this.count = 0;
    return [...this.again.splice(0), ...all];
  }

  private hasWindow(): boolean {
    return this.inFlight < this.control.window && this.count < RELIABLE_IN_FLIGHT_MAX;
  }

  private mayLeave(now: Instant): boolean {
    return this.paceAt <= now && this.hasWindow();
  }

  private emit(frame: ReliableFrame, now: Instant): void {
    if (this.inFlight === 0) {
      this.firstSentAt = now;
      this.deliveredAt = now;
    }
    const { session, counter } = this.options.emit(frame, now);
    this.sent.push({
      frame,
      session,
      counter,
      sentAt: now,
      delivered: this.delivered,
      deliveredAt: this.deliveredAt,
      firstSentAt: this.firstSentAt,
      isAppLimited: this.appLimitedUntil > this.delivered,
      isSettled: false,
    });
    this.count++;
    this.inFlight += frame.length;
    // Acknowledgements of streams are small and few: what they measure must not hold them up.
    const least =
      (PACE_SEGMENTS_MIN * SEGMENT_BYTES * 1_000_000) / Math.max(1_000, this.rttSmoothed);
    const cost = (frame.length * 1_000_000) / Math.max(least, this.control.pacingRate);
    this.paceAt = Math.max(this.paceAt, now - PACING_QUANTUM) + cost;
    if (this.probeAt === Number.POSITIVE_INFINITY) this.armProbe(now);
  }

  /** Lets go of what the acknowledgement names; the newest of it. */
  private settle(ack: ReliableAck, session: Session, greatest: number): Sent | undefined {
    let newest: Sent | undefined;
    const { sent, summary } = this;
    let run = ack.runs.length - 1;
    let low = greatest + 1 - ack.runs.reduce((sum, length) => sum + length, 0);
    for (let i = this.head; i < sent.length; i++) {
      const entry = sent[i]!;
      if (entry.session !== session || entry.isSettled) continue;
      if (entry.counter > greatest) break;
      if (entry.counter < low) continue;
      while (run > 0 && entry.counter >= low + ack.runs[run]!) {
        low += ack.runs[run]!;
        run--;
      }
      // Even places are runs that were received.
      if (run % 2 !== 0) continue;
      this.release(entry);
      summary.acked += entry.frame.length;
      newest = entry;
      if (entry.sentAt < this.newestAckedAt) this.reordered();
      this.options.acknowledged(entry.frame);
    }
    this.compact();
    return newest;
  }

  private release(entry: Sent): void {
    entry.isSettled = true;
    this.count--;
    this.inFlight -= entry.frame.length;
  }

  private compact(): void {
    while (this.head < this.sent.length && this.sent[this.head]!.isSettled) this.head++;
    if (this.head < 256 || this.head * 2 < this.sent.length) return;
    this.sent.splice(0, this.head);
    this.head = 0;
  }

  private sampleFrom(newest: Sent, ack: ReliableAck, now: Instant): void {
    const rtt = now - newest.sentAt;
    this.newestAckedAt = Math.max(this.newestAckedAt, newest.sentAt);
    this.newestAckedRtt = rtt;
    const adjusted = Math.max(1, rtt - ack.delay);
    this.rttVariance += (Math.abs(this.rttSmoothed - adjusted) - this.rttVariance) / 4;
    this.rttSmoothed += (adjusted - this.rttSmoothed) / 8;
    this.summary.rtt = adjusted;
    this.summary.sentAt = newest.sentAt;
    this.deliveredAt = now;
    const interval = Math.max(newest.sentAt - newest.firstSentAt, now - newest.deliveredAt);
    this.sample.rate =
      interval >= this.control.rttMin && interval > 0
        ? ((this.delivered - newest.delivered) * 1_000_000) / interval
        : 0;
    this.firstSentAt = newest.sentAt;
  }

  private get reorderWindow(): number {
    const base = (this.control.rttMin || this.rttSmoothed) / this.reorderShare;
    return Math.max(1_000, base);
  }

  private reordered(): void {
    this.hasReordered = true;
  }

  private detectLosses(session: Session | undefined, greatest: number, now: Instant): void {
    const { sent, summary } = this;
    this.lossAt = Number.POSITIVE_INFINITY;
    const wait = Math.max(this.newestAckedRtt, this.rttSmoothed) + this.reorderWindow;
    for (let i = this.head; i < sent.length; i++) {
      const entry = sent[i]!;
      if (entry.sentAt > this.newestAckedAt) break;
      if (entry.isSettled) continue;
      const byCount =
        !this.hasReordered &&
        entry.session === session &&
        greatest - entry.counter >= PACKET_THRESHOLD;
      const due = entry.sentAt + wait;
      if (byCount || due <= now) {
        this.release(entry);
        summary.lost += entry.frame.length;
        this.again.push(entry.frame);
        this.remember(entry);
      } else if (due < this.lossAt) this.lossAt = due;
    }
    this.compact();
  }

  private remember(entry: Sent): void {
    this.givenUp.set(entry.counter, entry.sentAt);
    if (this.givenUp.size > SPURIOUS_KEPT) this.givenUp.delete(this.givenUp.keys().next().value!);
  }

  /** What was given up and arrived after all stretches the window that would have spared it. */
  private judgeSpurious(ack: ReliableAck, session: Session, greatest: number): void {
    if (this.givenUp.size === 0) return;
    for (const [counter] of this.givenUp) {
      if (counter > greatest || counter >= session.nextCounter) continue;
      if (!isInRuns(ack.runs, greatest - counter)) continue;
      this.givenUp.delete(counter);
      this.spurious++;
      this.hasReordered = true;
      this.reorderShare = Math.max(REORDER_SHARE_MAX, this.reorderShare / 2);
    }
  }

  private armProbe(now: Instant): void {
    if (this.count === 0) {
      this.probeAt = Number.POSITIVE_INFINITY;
      return;
    }
    const timeout = this.rttSmoothed + Math.max(1_000, 4 * this.rttVariance) + ACK_DELAY_BUDGET;
    const bounded = Math.min(
      PROBE_TIMEOUT_MAX,
      Math.max(PROBE_TIMEOUT_MIN, timeout) * this.backoff,
    );
    this.probeAt = Math.round(now + bounded);
  }

  /** The oldest frame goes again, whatever the window says: a probe must get through. */
  private probe(now: Instant): void {
    this.probes++;
    this.backoff = Math.min(64, 2 * this.backoff);
    const oldest = this.sent.slice(this.head).find((entry) => !entry.isSettled);
    if (oldest !== undefined) {
      this.release(oldest);
      this.remember(oldest);
      this.compact();
      this.repeated++;
      this.emit(oldest.frame, now);
    }
    this.armProbe(now);
  }

  private repeat(now: Instant): void {
    while (this.again.length > 0 && this.mayLeave(now)) {
      this.repeated++;
      this.emit(this.again.shift()!, now);
    }
  }
}

/** The counter with these low bits that has been sent; -1: none. */
function fullCounter(low: number, next: number): number {
  let counter = Math.floor(next / 2 ** 32) * 2 ** 32 + low;
  if (counter >= next) counter -= 2 ** 32;
  return counter;
}
