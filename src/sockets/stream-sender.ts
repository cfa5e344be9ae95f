/**
 * The sending half of a stream: keeps what is not acknowledged, decides what goes next (what was lost
 * before what is new), and turns acknowledgements into progress. How much and how fast is the
 * congestion control's word, what is lost the loss detection's; this class does the books.
 *
 * Cost: a packet sent, acknowledged or lost costs constant time however many are in flight; an
 * acknowledgement costs its number of ranges.
 */
import type { AckSummary, Instant, Random } from '../kernel/index.ts';
import { CongestionControl, microseconds } from '../kernel/index.ts';
import type { StreamSegment } from '../wire/index.ts';
import type { ByteBudget } from './byte-ring.ts';
import { ByteRing } from './byte-ring.ts';
import { LossDetection } from './loss-detection.ts';
import { RangeSet } from './range-set.ts';
import { RateSampler } from './rate-sampler.ts';
import {
  PACKET_ACKED,
  PACKET_CARRIES_FIN,
  PACKET_IN_FLIGHT,
  PACKET_LOST,
  SentPackets,
} from './sent-packets.ts';

/** Counted in flight on top of a packet's data: headers, and so that empty packets count too. */
export const PACKET_OVERHEAD_BYTES = 40;
/** Resolved packets are remembered this long beyond two round trips, to notice false alarms. */
const MEMORY = 1_000_000;

export interface StreamSenderOptions {
  readonly budget: ByteBudget;
  /** Bytes written and not yet acknowledged; grows with the congestion window up to the maximum. */
  readonly bufferStart: number;
  /** A power of two. */
  readonly bufferMax: number;
  readonly packetsMax: number;
  readonly segmentBytes: number;
  readonly rttInitial: number;
  readonly windowInitial: number;
  readonly random: Random;
}

/** What goes into the next packet. */
export interface Chunk {
  offset: number;
  length: number;
  isFin: boolean;
}

export class StreamSender {
  readonly congestion: CongestionControl;
  readonly loss: LossDetection;
  readonly packets: SentPackets;
  inFlight = 0;
  /** The peer takes bytes below this offset. */
  peerLimit: number;
  /** Everything below has arrived. */
  acknowledgedTo = 0;
  isFinished = false;
  isFinAcked = false;
  lostPackets = 0;
  sentPackets = 0;
  /** When the timeout of this half is due. */
  lossDue: Instant | undefined;
  private readonly options: StreamSenderOptions;
  private readonly sampler = new RateSampler();
  private readonly ring: ByteRing;
  private readonly ackedBytes = new RangeSet();
  private readonly ackedNumbers = new RangeSet();
  private readonly lostBytes = new RangeSet();
  private readonly scratch: number[] = [];
  private readonly chunk: Chunk = { offset: 0, length: 0, isFin: false };
  private readonly summary: AckSummary = {
    delivered: 0,
    acked: 0,
    lost: 0,
    inFlight: 0,
    rtt: 0,
    sentAt: 0,
  };
  private writtenTo = 0;
  private sentTo = 0;
  private isFinSent = false;
  private isFinLost = false;
  private largestAcked = -1;
  private newestRtt = 0;
  private lastSentAt = 0;
  private lostSince = 0;
  /** `lossDue` is when a packet becomes lost, not when to probe. */
  private isLossTimer = false;

  constructor(options: StreamSenderOptions) {
    this.options = options;
    const rttInitial = microseconds(options.rttInitial);
    const { segmentBytes, random } = options;
    this.congestion = new CongestionControl({ segmentBytes, rttInitial, random });
    this.loss = new LossDetection(rttInitial);
    this.packets = new SentPackets(options.packetsMax);
    this.ring = new ByteRing({ budget: options.budget, bytesMax: options.bufferMax });
    // Every stream has a little buffer from the start, so that none waits for others to end.
    this.ring.fit(0, 1, 0);
    this.peerLimit = options.windowInitial;
  }

  /** Room for writes: more where the network holds more. */
  get room(): number {
    const { bufferStart, bufferMax } = this.options;
    const wanted = Math.max(bufferStart, Math.floor(2 * this.congestion.window));
    return Math.max(0, Math.min(wanted, bufferMax) - (this.writtenTo - this.acknowledgedTo));
  }

  /** Takes what there is room for and returns how much that was. */
  write(bytes: Uint8Array): number {
    if (this.isFinished) return 0;
    let taken = Math.min(bytes.length, this.room);
    const { acknowledgedTo, writtenTo, ring } = this;
    // Where the ring may not grow, what it has must do.
    if (!ring.fit(acknowledgedTo, writtenTo + taken, writtenTo))
      taken = Math.min(taken, ring.capacity - (writtenTo - acknowledgedTo));
    if (taken <= 0) return 0;
    ring.write(writtenTo, bytes, 0, taken);
    this.writtenTo = writtenTo + taken;
    return taken;
  }

  /** All that was written has arrived, and the end with it. */
  get isDone(): boolean {
    return this.isFinAcked && this.acknowledgedTo === this.writtenTo;
  }

  get hasUnacknowledged(): boolean {
    return this.acknowledgedTo < this.writtenTo || (this.isFinished && !this.isFinAcked);
  }

  get isBlockedByPeer(): boolean {
    return this.writtenTo > this.sentTo && this.sentTo >= this.peerLimit;
  }

  /** Whether the window is used up with this chunk while more has been written. */
  blocksAfter(chunk: Chunk): boolean {
    const end = Math.max(this.sentTo, chunk.offset + chunk.length);
    return end >= this.peerLimit && this.writtenTo > end;
  }

  /** What to send next, at most `bytesMax` of data; undefined when nothing is to be sent. */
  next(bytesMax: number): Chunk | undefined {
    const { chunk, lostBytes } = this;
    if (!lostBytes.isEmpty) {
      const start = lostBytes.start(0);
      return this.cut(start, Math.min(lostBytes.end(0) - start, bytesMax));
    }
    const end = Math.min(this.writtenTo, this.peerLimit);
    if (this.sentTo < end) return this.cut(this.sentTo, Math.min(end - this.sentTo, bytesMax));
    const isFinWanted = this.isFinished && this.sentTo === this.writtenTo;
    if (isFinWanted && (!this.isFinSent || this.isFinLost)) return this.cut(this.writtenTo, 0);
    chunk.length = 0;
    return undefined;
  }

  /** What a probe carries: the oldest bytes not acknowledged, sent again; or nothing. */
  probe(bytesMax: number): Chunk | undefined {
    const waiting = this.next(bytesMax);
    if (waiting !== undefined && waiting.offset < this.sentTo) return waiting;
    const start = this.acknowledgedTo;
    if (start >= this.sentTo) return this.isFinSent ? this.cut(this.writtenTo, 0) : waiting;
    const holeEnd = this.ackedBytes.isEmpty ? this.sentTo : this.ackedBytes.start(0);
    return this.cut(start, Math.min(holeEnd - start, bytesMax));
  }

  /** Copies a chunk's bytes to `into[at..]`. */
  copy(chunk: Chunk, into: Uint8Array, at: number): void {
    if (chunk.length > 0) this.ring.copy(chunk.offset, chunk.length, into, at);
  }

  /** Number that the next packet will have. */
  get nextNumber(): number {
    return this.packets.next;
  }

  /** A packet with this chunk, or with none, left under `nextNumber`. */
  sent(chunk: Chunk | undefined, now: Instant): void {
    const { packets } = this;
    const offset = chunk?.offset ?? 0;
    const length = chunk?.length ?? 0;
    const size = length + PACKET_OVERHEAD_BYTES;
    const number = packets.push();
    const slot = packets.slot(number);
    packets.offset[slot] = offset;
    packets.length[slot] = length;
    packets.size[slot] = size;
    packets.sentAt[slot] = now;
    this.sampler.packetSent(packets, number, this.inFlight, now);
    if (chunk?.isFin) {
      packets.flags[slot]! |= PACKET_CARRIES_FIN;
      this.isFinSent = true;
      this.isFinLost = false;
    }
    if (length > 0) {
      if (!this.lostBytes.isEmpty) this.lostBytes.remove(offset, offset + length);
      if (offset + length > this.sentTo) this.sentTo = offset + length;
    }
    this.inFlight += size;
    this.lastSentAt = now;
    this.sentPackets++;
    if (!this.isLossTimer) this.armProbe();
  }

  /** There was room in the window and nothing to fill it with. */
  starved(): void {
    if (this.inFlight < this.congestion.window) this.sampler.appLimited(this.inFlight);
  }

  pathChanged(now: Instant): void {
    this.congestion.pathChanged(now);
    this.loss.pathChanged();
    this.loss.probes = 0;
    if (this.inFlight > 0 && !this.isLossTimer) this.armProbe();
  }

  /** Returns false when the peer acknowledges what was never sent. */
  acknowledge(segment: StreamSegment, now: Instant): boolean {
    if (segment.windowLimit > this.peerLimit) this.peerLimit = segment.windowLimit;
    if (segment.rangeCount === 0) return true;
    const { packets, loss, summary } = this;
    const largest = segment.rangeLast[0]!;
    if (largest >= packets.next) return false;
    summary.acked = 0;
    summary.rtt = 0;
    const newest = this.resolveAcked(segment, now);
    if (newest >= 0) {
      const sentAt = packets.sentAt[packets.slot(newest)]!;
      summary.sentAt = sentAt;
      if (newest > this.largestAcked) {
        this.largestAcked = newest;
        this.newestRtt = now - sentAt;
        summary.rtt = this.newestRtt;
        loss.rttSample(this.newestRtt, segment.ackDelay);
        summary.rtt = Math.max(1, this.newestRtt - segment.ackDelay);
      }
      loss.probes = 0;
    }
    this.detectLosses(now);
    if (newest >= 0) {
      const sample = this.sampler.finish(packets, microseconds(loss.rttMin / 2), now);
      summary.delivered = this.sampler.delivered;
      summary.inFlight = this.inFlight;
      summary.lost = this.lostSince;
      this.lostSince = 0;
      this.congestion.acknowledged(summary, sample, now);
      loss.relax(now);
    }
    packets.forget(now - 2 * loss.rttSmoothed - MEMORY);
    this.ackedNumbers.remove(0, packets.oldest);
    return true;
  }

  /**
   * The timeout of this half is due. 'probe': the caller sends a probe. State: packets may have become
   * lost, or the probe timeout backs off.
   */
  timeout(now: Instant): 'probe' | undefined {
    if (this.lossDue === undefined || now < this.lossDue) return undefined;
    if (this.isLossTimer) {
      this.detectLosses(now);
      return undefined;
    }
    this.loss.probes++;
    this.lastSentAt = now;
    this.armProbe();
    return 'probe';
  }

  release(): void {
    this.ring.release();
    this.lossDue = undefined;
  }

  private cut(offset: number, length: number): Chunk {
    const { chunk } = this;
    chunk.offset = offset;
    chunk.length = length;
    chunk.isFin = this.isFinished && offset + length === this.writtenTo;
    return chunk;
  }

  /** Marks what is newly acknowledged and returns the highest such number, or -1. */
  private resolveAcked(segment: StreamSegment, now: Instant): number {
    const { packets, ackedNumbers, scratch } = this;
    scratch.length = 0;
    for (let i = 0; i < segment.rangeCount; i++) {
      const first = Math.max(segment.rangeFirst[i]!, packets.oldest);
      const end = segment.rangeLast[i]! + 1;
      if (end <= first) break;
      ackedNumbers.gaps(first, end, scratch);
      ackedNumbers.add(first, end);
    }
    let newest = -1;
    for (let i = 0; i < scratch.length; i += 2)
      for (let n = scratch[i]!; n < scratch[i + 1]!; n++) {
        if (!this.packetAcked(n, segment.rangeLast[0]!, now)) continue;
        if (n > newest) newest = n;
      }
    while (!this.ackedBytes.isEmpty && this.ackedBytes.start(0) <= this.acknowledgedTo) {
      this.acknowledgedTo = Math.max(this.acknowledgedTo, this.ackedBytes.end(0));
      this.ackedBytes.dropFirst();
    }
    return newest;
  }

  private packetAcked(number: number, largest: number, now: Instant): boolean {
    const { packets, loss } = this;
    const slot = packets.slot(number);
    const state = packets.state[slot];
    if (state === PACKET_ACKED) return false;
    const size = packets.size[slot]!;
    if (state === PACKET_IN_FLIGHT) {
      this.inFlight -= size;
      if (number < this.largestAcked) loss.reordered(this.largestAcked - number);
    } else {
      const late = now - packets.sentAt[slot]! - Math.max(loss.rttSmoothed, this.newestRtt);
      loss.spuriousLoss(largest - number, late, now);
      this.lostSince = Math.max(0, this.lostSince - size);
      this.lostPackets--;
    }
    packets.state[slot] = PACKET_ACKED;
    this.sampler.packetAcked(packets, number);
    this.summary.acked += size;
    if ((packets.flags[slot]! & PACKET_CARRIES_FIN) !== 0) this.isFinAcked = true;
    const start = Math.max(packets.offset[slot]!, this.acknowledgedTo);
    const end = packets.offset[slot]! + packets.length[slot]!;
    if (end > start) {
      if (start === this.acknowledgedTo) this.acknowledgedTo = end;
      else this.ackedBytes.add(start, end);
      if (!this.lostBytes.isEmpty) this.lostBytes.remove(start, end);
    }
    return true;
  }

  /** RACK: oldest first, and stop at the first that still has time; all behind it have more. */
  private detectLosses(now: Instant): void {
    const { packets, loss, largestAcked } = this;
    this.isLossTimer = false;
    this.lossDue = undefined;
    for (let n = packets.advance(); n < largestAcked; n++) {
      const slot = packets.slot(n);
      if (packets.state[slot] !== PACKET_IN_FLIGHT) continue;
      const lostAt = loss.lostAt(packets.sentAt[slot]!, this.newestRtt);
      if (lostAt > now && !loss.isLostByCount(n, largestAcked)) {
        this.isLossTimer = true;
        this.lossDue = Math.ceil(lostAt) as Instant;
        return;
      }
      this.packetLost(slot);
    }
    this.armProbe();
  }

  private packetLost(slot: number): void {
    const { packets, scratch } = this;
    packets.state[slot] = PACKET_LOST;
    this.inFlight -= packets.size[slot]!;
    this.lostSince += packets.size[slot]!;
    this.lostPackets++;
    if ((packets.flags[slot]! & PACKET_CARRIES_FIN) !== 0 && !this.isFinAcked)
      this.isFinLost = true;
    const start = Math.max(packets.offset[slot]!, this.acknowledgedTo);
    const end = packets.offset[slot]! + packets.length[slot]!;
    if (end <= start) return;
    scratch.length = 0;
    this.ackedBytes.gaps(start, end, scratch);
    for (let i = 0; i < scratch.length; i += 2) this.lostBytes.add(scratch[i]!, scratch[i + 1]!);
  }

  private armProbe(): void {
    this.isLossTimer = false;
    this.lossDue =
      this.inFlight > 0
        ? (Math.ceil(this.lastSentAt + this.loss.probeTimeout) as Instant)
        : undefined;
  }
}
