/**
 * Measures one flow of numbered packets sent at a steady rate: loss, latency and every gap in
 * delivery. Sender and receiver report to the same meter with one clock, so latency is one way.
 *
 * A gap is what a viewer would see: time at the receiver without a packet. It is recorded when the
 * next packet arrives and it was longer than `gapMinMs`.
 */
export interface FlowMeterOptions {
  /** Between packets, in milliseconds. */
  readonly intervalMs: number;
  /** Silence shorter than this is jitter. Default five intervals. */
  readonly gapMinMs?: number;
  /** A packet this late is lost. Default 1000. */
  readonly lostAfterMs?: number;
}

export interface FlowGap {
  /** When the last packet before the gap arrived. */
  readonly fromMs: number;
  readonly lengthMs: number;
  /** Packets that were sent during it and never came. */
  readonly missing: number;
}

export interface FlowSnapshot {
  readonly sent: number;
  readonly received: number;
  /** Of all packets old enough to judge. */
  readonly lost: number;
  /** Share lost of those sent in the recent window. */
  readonly recentLoss: number;
  /** Median one-way latency in the recent window; undefined when nothing arrived in it. */
  readonly latencyMs: number | undefined;
  /** Time since the last arrival. */
  readonly silenceMs: number;
  readonly gaps: readonly FlowGap[];
}

const RECENT_MS = 2_000;
const HISTORY_PACKETS = 4_096;
const GAPS_MAX = 1_000;

export class FlowMeter {
  private readonly intervalMs: number;
  private readonly gapMinMs: number;
  private readonly lostAfterMs: number;
  private readonly sentAt = new Float64Array(HISTORY_PACKETS);
  /** One-way latency, NaN where nothing has arrived. */
  private readonly latency = new Float64Array(HISTORY_PACKETS).fill(Number.NaN);
  private sent = 0;
  private received = 0;
  private judged = 0;
  private lost = 0;
  private lastArrivalMs = Number.NaN;
  private highest = -1;
  private readonly gaps: FlowGap[] = [];

  constructor(options: FlowMeterOptions) {
    this.intervalMs = options.intervalMs;
    this.gapMinMs = options.gapMinMs ?? 5 * options.intervalMs;
    this.lostAfterMs = options.lostAfterMs ?? 1_000;
  }

  /** The next packet leaves; returns its number. */
  sending(nowMs: number): number {
    this.judge(nowMs);
    const sequence = this.sent++;
    this.sentAt[sequence % HISTORY_PACKETS] = nowMs;
    this.latency[sequence % HISTORY_PACKETS] = Number.NaN;
    return sequence;
  }

  /** Packet `sequence` arrived. Returns the gap that it ended, if it ended one. */
  arrived(sequence: number, nowMs: number): FlowGap | undefined {
    if (sequence < 0 || sequence >= this.sent || this.sent - sequence > HISTORY_PACKETS)
      return undefined;
    const slot = sequence % HISTORY_PACKETS;
    if (!Number.isNaN(this.latency[slot]!)) return undefined;
    this.latency[slot] = nowMs - this.sentAt[slot]!;
    this.received++;
    const gap = this.gapEndedBy(sequence, nowMs);
    this.lastArrivalMs = nowMs;
    this.highest = Math.max(this.highest, sequence);
    return gap;
  }

  snapshot(nowMs: number): FlowSnapshot {
    this.judge(nowMs);
    const recent: number[] = [];
    let counted = 0;
    for (let s = this.judged - 1; s >= 0 && this.sent - s < HISTORY_PACKETS; s--) {
      const slot = s % HISTORY_PACKETS;
      if (this.sentAt[slot]! < nowMs - RECENT_MS - this.lostAfterMs) break;
      counted++;
      if (!Number.isNaN(this.latency[slot]!)) recent.push(this.latency[slot]!);
    }
    return {
      sent: this.sent,
      received: this.received,
      lost: this.lost,
      recentLoss: counted === 0 ? 0 : 1 - recent.length / counted,
      latencyMs: this.latestLatency(nowMs),
      silenceMs: Number.isNaN(this.lastArrivalMs) ? nowMs : nowMs - this.lastArrivalMs,
      gaps: this.gaps,
    };
  }

  private latestLatency(nowMs: number): number | undefined {
    const values: number[] = [];
    for (let s = this.sent - 1; s >= 0 && this.sent - s < HISTORY_PACKETS; s--) {
      const slot = s % HISTORY_PACKETS;
      if (this.sentAt[slot]! < nowMs - 1_000) break;
      if (!Number.isNaN(this.latency[slot]!)) values.push(this.latency[slot]!);
    }
    if (values.length === 0) return undefined;
    values.sort((a, b) => a - b);
    return values[values.length >> 1];
  }

  private gapEndedBy(sequence: number, nowMs: number): FlowGap | undefined {
    if (Number.isNaN(this.lastArrivalMs)) return undefined;
    const lengthMs = nowMs - this.lastArrivalMs;
    if (lengthMs < this.gapMinMs || sequence <= this.highest) return undefined;
    // A pause of the sender is not a gap of the network.
    const sentApart =
      this.sentAt[sequence % HISTORY_PACKETS]! - this.sentAt[this.highest % HISTORY_PACKETS]!;
    const missing = sequence - this.highest - 1;
    if (missing === 0 && sentApart >= lengthMs - this.gapMinMs) return undefined;
    const gap = { fromMs: this.lastArrivalMs, lengthMs: lengthMs - this.intervalMs, missing };
    this.gaps.push(gap);
    if (this.gaps.length > GAPS_MAX) this.gaps.shift();
    return gap;
  }

  /** Counts as lost what is too old to be on its way still. */
  private judge(nowMs: number): void {
    while (this.judged < this.sent) {
      const slot = this.judged % HISTORY_PACKETS;
      const isHere = !Number.isNaN(this.latency[slot]!);
      if (!isHere && nowMs - this.sentAt[slot]! < this.lostAfterMs) return;
      if (!isHere) this.lost++;
      this.judged++;
    }
  }
}
