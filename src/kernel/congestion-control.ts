/**
 * How much of a stream, or of a link's reliable packets, may be in the network, and how fast it enters: a model of the path, after BBR
 * (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14(5), 2016, and
 * draft-ietf-ccwg-bbr). The path is described by the largest delivery rate of the last round trips and
 * the least round-trip time; sending at that rate with that product in flight fills the bottleneck and
 * leaves its queue empty. Loss as such is no signal: an overlay's links lose packets at random, and a
 * window that halves for each of them starves.
 *
 *   startup          doubles the rate each round until the delivery rate stops growing
 *   drain            lets the queue that startup made run empty
 *   probe-bandwidth  eight phases of a round trip: 1.25, 0.75, then six times 1
 *   probe-rtt        half the product in flight for a moment, so that the least round trip is seen
 *
 * Ours: (1) Rounds with loss *and* a standing queue, or with very much loss, are congestion: they lower a
 * ceiling on what is in flight, as BBR's later versions do for any loss. (2) Loss without a queue
 * happens behind the bottleneck or in front of it, not because of it: the pacing rate is raised by what
 * gets lost, so that the bottleneck stays full. (3) The overlay knows when its route changed and says
 * so; the least round-trip time then starts afresh instead of being believed for ten seconds.
 */
import type { Random } from './random.ts';
import type { Duration, Instant } from './time.ts';
import { WindowedMax } from './windowed-max.ts';

/** How fast the path took what was acknowledged last. */
export interface RateSample {
  /** Bytes per second; 0 when there is no sample. */
  rate: number;
  isAppLimited: boolean;
  /** Delivered when the sampled packet left: tells round trips apart. */
  priorDelivered: number;
}

export type CongestionMode = 'startup' | 'drain' | 'probe-bandwidth' | 'probe-rtt';

/** What one acknowledgement said. Bytes; durations in microseconds. */
export interface AckSummary {
  /** All bytes delivered so far on this stream. */
  delivered: number;
  acked: number;
  /** Given up since the acknowledgement before. */
  lost: number;
  inFlight: number;
  /** Of the newest packet acknowledged; 0 when it was not newly acknowledged. */
  rtt: number;
  /** When that packet had been sent. */
  sentAt: number;
}

const STARTUP_GAIN = 2.77;
const STARTUP_WINDOW_GAIN = 2;
const DRAIN_GAIN = 0.4;
const CYCLE_GAINS = [1.25, 0.75, 1, 1, 1, 1, 1, 1] as const;
const CYCLE_WINDOW_GAIN = 2;
const BANDWIDTH_ROUNDS = 10;
const FULL_GROWTH = 1.25;
const FULL_ROUNDS = 3;
const RTT_MIN_LIFE = 10_000_000;
const PROBE_RTT_TIME = 100_000;
const PROBE_RTT_GAIN = 0.5;
/** Loss in a round that counts as congestion when there is a queue, and whatever else is the case. */
const LOSS_WITH_QUEUE = 0.02;
const LOSS_ALWAYS = 0.25;
const CEILING_CUT = 0.85;
/** Pacing between probes: a little under the estimate, less while a queue stands. */
const CRUISE_GAIN = 0.99;
const CRUISE_GAIN_QUEUED = 0.92;
/** Rounds in a row with half as much again as the least round trip: it is looked for before its time. */
const STALE_ROUNDS = 8;
const STALE_RATIO = 1.5;
const EARLY_PROBE_AFTER = 2_000_000;
/** Loss is made good in the pacing rate up to here. */
const LOSS_MADE_GOOD_MAX = 0.15;
const WINDOW_SEGMENTS_MIN = 4;
const WINDOW_SEGMENTS_START = 32;
/** Time's worth of sending on top of the window: acknowledgements come in heaps of up to this. */
const AGGREGATION_TIME = 0.01;

export class CongestionControl {
  mode: CongestionMode = 'startup';
  /** Bytes that may be in flight. */
  window: number;
  /** Bytes per second. */
  pacingRate: number;
  /** Least round trip; 0 before the first sample. */
  rttMin = 0;
  round = 0;
  /** Rounds taken for congestion. */
  congestedRounds = 0;
  /** Loss without a queue, as a smoothed fraction. */
  lossWithoutQueue = 0;
  private readonly bandwidths = new WindowedMax(BANDWIDTH_ROUNDS);
  private readonly segment: number;
  private readonly random: Random;
  private roundEnd = 0;
  private roundAcked = 0;
  private roundLost = 0;
  private roundRttMin = 0;
  private roundInFlight = 0;
  private rttMinAt = 0;
  /** Samples of packets sent before do not count: they took another route. */
  private pathSince = 0;
  private isPathNew = false;
  private isQueued = false;
  private staleRounds = 0;
  /** How long the least round trip must be old for an early probe; doubles when one finds nothing. */
  private earlyProbeAfter = EARLY_PROBE_AFTER;
  private fullBandwidth = 0;
  private fullRounds = 0;
  private isFull = false;
  private cyclePhase = 0;
  private cycleSince = 0;
  private probeRttUntil = 0;
  private probeRttRound = 0;
  private probeRttSeen = 0;
  /** Congestion has shown that more than this is too much in flight. */
  private ceiling = Number.POSITIVE_INFINITY;

  constructor(options: { segmentBytes: number; rttInitial: Duration; random: Random }) {
    this.segment = options.segmentBytes;
    this.random = options.random;
    this.window = WINDOW_SEGMENTS_START * this.segment;
    this.pacingRate =
      (STARTUP_GAIN * this.window * 1_000_000) / Math.max(1_000, options.rttInitial);
  }

  get bandwidth(): number {
    return this.bandwidths.value;
  }

  /** Bandwidth-delay product in bytes; 0 while unknown. */
  get product(): number {
    return (this.bandwidth * this.rttMin) / 1_000_000;
  }

  acknowledged(ack: AckSummary, sample: RateSample, now: Instant): void {
    const isRoundStart = ack.acked > 0 && sample.priorDelivered >= this.roundEnd;
    this.roundAcked += ack.acked;
    this.roundLost += ack.lost;
    if (ack.inFlight > this.roundInFlight) this.roundInFlight = ack.inFlight;
    if (ack.rtt > 0 && (this.roundRttMin === 0 || ack.rtt < this.roundRttMin))
      this.roundRttMin = ack.rtt;
    if (sample.rate > 0 && (!sample.isAppLimited || sample.rate >= this.bandwidth))
      this.bandwidths.update(this.round, sample.rate);
    if (isRoundStart) {
      this.roundEnd = ack.delivered;
      this.round++;
      this.judgeRound(sample);
    }
    this.updateRttMin(ack, now);
    this.updateMode(ack, now);
    this.updateRates(ack);
  }

  /** The overlay took another route. State: least round trip and ceiling start afresh. */
  pathChanged(now: Instant): void {
    this.pathSince = now;
    this.isPathNew = true;
    this.rttMinAt = now;
    this.ceiling = Number.POSITIVE_INFINITY;
    this.cycleSince = now;
  }

  private judgeRound(sample: RateSample): void {
    const total = this.roundAcked + this.roundLost;
    const loss = total === 0 ? 0 : this.roundLost / total;
    const isQueued = this.roundRttMin > this.rttMin + Math.max(4_000, this.rttMin / 8);
    this.isQueued = isQueued;
    this.staleRounds = this.roundRttMin > STALE_RATIO * this.rttMin ? this.staleRounds + 1 : 0;
    const usual = 2 * this.lossWithoutQueue;
    const isCongested = (loss > LOSS_WITH_QUEUE + usual && isQueued) || loss > LOSS_ALWAYS;
    if (isCongested && this.roundLost > 2 * this.segment) {
      this.congestedRounds++;
      const level = Math.min(this.ceiling, Math.max(this.roundInFlight, this.product));
      this.ceiling = Math.max(level * CEILING_CUT, 1.05 * this.product, this.minimum);
      this.isFull = true;
    } else if (this.ceiling < Number.POSITIVE_INFINITY) {
      this.ceiling += Math.max(this.segment, this.ceiling / 64);
      if (this.ceiling > 3 * this.product + this.minimum) this.ceiling = Number.POSITIVE_INFINITY;
    }
    if (!isQueued || this.lossWithoutQueue > loss)
      this.lossWithoutQueue += (loss - this.lossWithoutQueue) / 8;
    if (!this.isFull && !sample.isAppLimited) this.judgeGrowth();
    this.roundAcked = 0;
    this.roundLost = 0;
    this.roundRttMin = 0;
    this.roundInFlight = 0;
  }

  private judgeGrowth(): void {
    if (this.bandwidth >= this.fullBandwidth * FULL_GROWTH) {
      this.fullBandwidth = this.bandwidth;
      this.fullRounds = 0;
    } else if (++this.fullRounds >= FULL_ROUNDS) this.isFull = true;
  }

  private updateRttMin(ack: AckSummary, now: Instant): void {
    if (ack.rtt <= 0 || ack.sentAt < this.pathSince) return;
    if (this.rttMin === 0 || ack.rtt <= this.rttMin || this.isPathNew) {
      this.isPathNew = false;
      this.rttMin = ack.rtt;
      this.rttMinAt = now;
    } else if (ack.rtt <= this.rttMin + this.rttMin / 32 + 300) {
      // As good as the least: it is still there, no need to look for it.
      this.rttMinAt = now;
    }
    if (this.mode === 'probe-rtt' && (this.probeRttSeen === 0 || ack.rtt < this.probeRttSeen))
      this.probeRttSeen = ack.rtt;
  }

  private updateMode(ack: AckSummary, now: Instant): void {
    if (this.mode === 'startup' && this.isFull) this.mode = 'drain';
    if (this.mode === 'drain' && ack.inFlight <= this.product) this.enterProbeBandwidth(now);
    if (this.mode === 'probe-bandwidth') this.advanceCycle(ack, now);
    if (this.mode === 'probe-rtt') this.finishProbeRtt(ack, now);
    else if (this.isRttMinDoubtful(now)) {
      this.mode = 'probe-rtt';
      this.probeRttUntil = 0;
      this.probeRttSeen = 0;
    }
  }

  private isRttMinDoubtful(now: Instant): boolean {
    if (!this.isFull || this.rttMin === 0) return false;
    const age = now - this.rttMinAt;
    const isStale = this.staleRounds >= STALE_ROUNDS && age > this.earlyProbeAfter;
    return isStale || age > RTT_MIN_LIFE;
  }

  private enterProbeBandwidth(now: Instant): void {
    this.mode = 'probe-bandwidth';
    // Any phase but draining, drawn: streams that share a bottleneck should not probe in step.
    this.cyclePhase = (2 + this.random.below(CYCLE_GAINS.length - 1)) % CYCLE_GAINS.length;
    this.cycleSince = now;
  }

  private advanceCycle(ack: AckSummary, now: Instant): void {
    const gain = CYCLE_GAINS[this.cyclePhase]!;
    let isOver = now - this.cycleSince > this.rttMin;
    if (gain > 1)
      isOver &&= ack.inFlight >= Math.min(gain * this.product, this.ceiling) || this.roundLost > 0;
    else if (gain < 1) isOver ||= ack.inFlight <= this.product;
    if (!isOver) return;
    this.cyclePhase = (this.cyclePhase + 1) % CYCLE_GAINS.length;
    this.cycleSince = now;
  }

  private finishProbeRtt(ack: AckSummary, now: Instant): void {
    if (this.probeRttUntil === 0) {
      if (ack.inFlight > this.probeRttWindow) return;
      this.probeRttUntil = now + PROBE_RTT_TIME;
      this.probeRttRound = this.round;
      return;
    }
    if (now < this.probeRttUntil || this.round === this.probeRttRound) return;
    if (this.probeRttSeen > 0) {
      const isNews = this.probeRttSeen > this.rttMin * 1.2;
      this.earlyProbeAfter = isNews
        ? EARLY_PROBE_AFTER
        : Math.min(2 * this.earlyProbeAfter, RTT_MIN_LIFE);
      this.rttMin = this.probeRttSeen;
    }
    this.staleRounds = 0;
    this.rttMinAt = now;
    this.enterProbeBandwidth(now);
  }

  private get minimum(): number {
    return WINDOW_SEGMENTS_MIN * this.segment;
  }

  private get probeRttWindow(): number {
    return Math.max(PROBE_RTT_GAIN * this.product, this.minimum);
  }

  private updateRates(ack: AckSummary): void {
    const { bandwidth } = this;
    if (bandwidth === 0 || this.rttMin === 0) return;
    const gain =
      this.mode === 'startup'
        ? STARTUP_GAIN
        : this.mode === 'drain'
          ? DRAIN_GAIN
          : this.mode === 'probe-rtt'
            ? 1
            : CYCLE_GAINS[this.cyclePhase]!;
    const madeGood = 1 / (1 - Math.min(this.lossWithoutQueue, LOSS_MADE_GOOD_MAX));
    const cruise = this.isQueued ? CRUISE_GAIN_QUEUED : CRUISE_GAIN;
    const rate = (gain === 1 ? cruise : gain) * bandwidth * madeGood;
    if (this.mode !== 'startup' || rate > this.pacingRate) this.pacingRate = rate;
    if (this.mode === 'probe-rtt') {
      this.window = Math.min(this.window, this.probeRttWindow);
      return;
    }
    const windowGain = this.mode === 'startup' ? STARTUP_WINDOW_GAIN : CYCLE_WINDOW_GAIN;
    const target = Math.max(
      windowGain * this.product + bandwidth * AGGREGATION_TIME + 3 * this.segment,
      this.minimum,
    );
    // Grows by what was delivered, shrinks at once.
    if (this.isFull) this.window = Math.min(target, this.window + ack.acked);
    else if (this.window < target || ack.delivered < WINDOW_SEGMENTS_START * this.segment)
      this.window += ack.acked;
    this.window = Math.max(this.minimum, Math.min(this.window, this.ceiling));
  }
}
