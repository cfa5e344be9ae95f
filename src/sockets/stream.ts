/**
 * One stream: reliable, ordered bytes both ways between two nodes. It joins a sender and a receiver,
 * paces what leaves, and knows when to open, probe, keep alive, and give up. ADR 8 has the design.
 *
 *   opening --answer--> open --both ends finished--> lingering --time--> gone
 *      |                  |                              ^
 *      +---- refused, reset, timed out, aborted ---------+
 *
 * Both ends name a stream by the opener's id. Until the peer has answered, every numbered segment
 * carries the open part, so that any of them may be the first to arrive. A lingering stream has told its
 * owner everything; it stays to answer what is still on its way: late copies get an acknowledgement, or,
 * after a reset, a reset.
 */
import type { Instant } from '../kernel/index.ts';
import { soonest } from '../kernel/index.ts';
import type { ResetReason, StreamSegment } from '../wire/index.ts';
import {
  SEGMENT_ACK,
  SEGMENT_BLOCKED,
  SEGMENT_DATA,
  SEGMENT_FIN,
  SEGMENT_NUMBERED,
  SEGMENT_OPEN,
  SEGMENT_RESET,
} from '../wire/index.ts';
import type { SegmentOutlet } from './segment-writer.ts';
import { SegmentWriter } from './segment-writer.ts';
import type { FlowPath, StreamFault, StreamId } from './socket-types.ts';
import type { StreamReceiverOptions } from './stream-receiver.ts';
import { StreamReceiver } from './stream-receiver.ts';
import type { Chunk, StreamSenderOptions } from './stream-sender.ts';
import { PACKET_OVERHEAD_BYTES, StreamSender } from './stream-sender.ts';

export interface StreamEvents {
  connected(stream: Stream): void;
  data(stream: Stream, bytes: Uint8Array): void;
  writable(stream: Stream): void;
  ended(stream: Stream): void;
  closed(stream: Stream, reason: StreamFault | undefined): void;
}

export interface StreamOptions {
  readonly id: StreamId;
  /** The opener's id. */
  readonly wireId: number;
  readonly isOpener: boolean;
  readonly path: FlowPath;
  readonly flow: number;
  readonly ports: { readonly toPort: number; readonly fromPort: number };
  readonly sender: StreamSenderOptions;
  readonly receiver: Omit<StreamReceiverOptions, 'deliver'>;
  readonly outlet: SegmentOutlet;
  readonly events: StreamEvents;
  /** Nothing heard for this long while something is outstanding: the stream has timed out. */
  readonly patience: number;
  /** Silence after which an idle stream is probed. */
  readonly keepaliveAfter: number;
  readonly lingerTime: number;
}

export type StreamState = 'opening' | 'open' | 'lingering' | 'gone';

/** Pacing lets packets of this much time leave together: timers are no finer. */
const PACING_QUANTUM = 1_000;
/** A timer that came late may be made up for, up to this much. */
const PACING_CREDIT = 5_000;
const RESET_FAULTS = {
  reset: 'reset',
  refused: 'refused',
  // Only a peer that lost its memory does not know a stream that we have.
  'unknown-stream': 'peer-restarted',
} as const;
const PUMP_PACKETS_MAX = 128;
const PROBE_PACKETS = 2;
const BLOCKED_PROBE = 1_000_000;

export class Stream {
  readonly id: StreamId;
  readonly wireId: number;
  readonly isOpener: boolean;
  path: FlowPath;
  flow: number;
  readonly ports: { readonly toPort: number; readonly fromPort: number };
  readonly sender: StreamSender;
  readonly receiver: StreamReceiver;
  state: StreamState;
  /** Place in the deadline heap; kept by it. */
  heapIndex = -1;
  heapDeadline = 0;
  private readonly options: StreamOptions;
  private readonly writer: SegmentWriter;
  private wantsWritable = false;
  private hasEnded = false;
  private wasReset = false;
  private paceAt = 0;
  private blockedAt: Instant | undefined;
  /** Since when the peer owes an answer; undefined when it owes none. */
  private waitingSince: Instant | undefined;
  private lastActivity: Instant;
  private lingerUntil: Instant | undefined;
  private needsPump = false;

  constructor(options: StreamOptions, now: Instant) {
    this.options = options;
    this.id = options.id;
    this.wireId = options.wireId;
    this.isOpener = options.isOpener;
    this.path = options.path;
    this.flow = options.flow;
    this.ports = options.ports;
    this.sender = new StreamSender(options.sender);
    const deliver = (bytes: Uint8Array): void => options.events.data(this, bytes);
    this.receiver = new StreamReceiver({ ...options.receiver, deliver });
    this.writer = new SegmentWriter(options, this.sender, this.receiver);
    this.state = options.isOpener ? 'opening' : 'open';
    this.lastActivity = now;
  }

  get isLive(): boolean {
    return this.state === 'opening' || this.state === 'open';
  }

  write(bytes: Uint8Array, now: Instant): number {
    if (!this.isLive) return 0;
    const taken = this.sender.write(bytes);
    if (taken < bytes.length) this.wantsWritable = true;
    if (taken > 0) this.pump(now);
    return taken;
  }

  consumed(bytes: number, now: Instant): void {
    if (!this.isLive) return;
    this.receiver.consumed(bytes, now);
    if (this.receiver.ackDue === now) this.pump(now);
  }

  finish(now: Instant): void {
    if (!this.isLive || this.sender.isFinished) return;
    this.sender.isFinished = true;
    this.pump(now);
  }

  /** Gives up both directions: tells the peer, then the owner. */
  abort(reason: StreamFault, now: Instant): void {
    if (!this.isLive) return;
    this.wasReset = true;
    this.sendReset('reset', now);
    this.close(reason, now);
  }

  /** Ends without a word to the peer: it is gone, or has said so itself. */
  fail(reason: StreamFault, now: Instant): void {
    if (!this.isLive) return;
    this.wasReset = true;
    this.close(reason, now);
  }

  /** The session came up: what waits may go. */
  resume(now: Instant): void {
    if (this.isLive) this.pump(now);
  }

  routeChanged(now: Instant): void {
    if (!this.isLive) return;
    this.sender.pathChanged(now);
  }

  nextTimeout(): Instant | undefined {
    if (this.state === 'gone') return undefined;
    if (this.state === 'lingering') return soonest(this.lingerUntil, this.receiver.ackDue);
    let at = soonest(this.sender.lossDue, this.receiver.ackDue);
    at = soonest(at, this.blockedAt);
    if (this.needsPump) at = soonest(at, Math.ceil(this.paceAt) as Instant);
    const { patience, keepaliveAfter } = this.options;
    const idleAt =
      this.waitingSince !== undefined
        ? this.waitingSince + patience
        : this.lastActivity + keepaliveAfter;
    return soonest(at, idleAt as Instant);
  }

  timeout(now: Instant): void {
    if (this.state === 'lingering') return this.lingerTimeout(now);
    if (!this.isLive) return;
    const { patience, keepaliveAfter } = this.options;
    if (this.waitingSince !== undefined && now - this.waitingSince >= patience)
      return this.abort('timed-out', now);
    if (this.waitingSince === undefined && now - this.lastActivity >= keepaliveAfter)
      this.sendPing(now);
    if (this.blockedAt !== undefined && now >= this.blockedAt) {
      this.blockedAt = (now + BLOCKED_PROBE) as Instant;
      if (this.sender.inFlight === 0) this.sendPing(now);
    }
    if (this.sender.timeout(now) === 'probe') this.sendProbes(now);
    this.pump(now);
  }

  /** A segment of the peer for this stream. `bytes` holds its data. */
  receive(segment: StreamSegment, bytes: Uint8Array, now: Instant): string | undefined {
    if (this.state === 'lingering') return this.receiveLingering(segment, now);
    if (!this.isLive) return 'closed';
    const { flags } = segment;
    this.lastActivity = now;
    if (flags & SEGMENT_RESET) {
      this.fail(RESET_FAULTS[segment.reset], now);
      return undefined;
    }
    if (this.state === 'opening') {
      this.state = 'open';
      this.writer.wantsOpen = false;
      this.options.events.connected(this);
    }
    let fault: string | undefined;
    if (flags & SEGMENT_ACK) {
      if (!this.sender.acknowledge(segment, now)) fault = 'ack-of-unsent';
      this.waitingSince = this.sender.inFlight > 0 ? now : undefined;
    }
    if (flags & SEGMENT_NUMBERED) fault = this.receiveNumbered(segment, bytes, now) ?? fault;
    if (!this.isLive) return fault;
    if (this.isComplete()) this.finishUp(now);
    else this.pump(now);
    return fault;
  }

  private receiveNumbered(
    segment: StreamSegment,
    bytes: Uint8Array,
    now: Instant,
  ): string | undefined {
    const { flags } = segment;
    const hasData = (flags & SEGMENT_DATA) !== 0;
    const outcome = this.receiver.receive(
      segment,
      bytes,
      {
        hasData,
        isFin: (flags & SEGMENT_FIN) !== 0,
        isUrgent: !hasData || (flags & SEGMENT_OPEN) !== 0,
      },
      now,
    );
    if (flags & SEGMENT_BLOCKED) this.receiver.senderBlocked(now);
    if (outcome === 'violation') {
      this.abort('reset', now);
      return 'violation';
    }
    if (this.receiver.isComplete && !this.hasEnded && this.isLive) {
      this.hasEnded = true;
      this.options.events.ended(this);
    }
    return outcome === 'accepted' ? undefined : outcome;
  }

  /** A late copy of what is settled: the peer missed our last word, so it is said again. */
  private receiveLingering(segment: StreamSegment, now: Instant): string | undefined {
    if ((segment.flags & SEGMENT_NUMBERED) === 0) return undefined;
    if (this.wasReset) {
      if ((segment.flags & SEGMENT_RESET) === 0) this.sendReset('reset', now);
      return 'closed';
    }
    const parts = { hasData: false, isFin: false, isUrgent: true };
    this.receiver.receive(segment, this.options.outlet.scratch, parts, now);
    this.sendAck(now);
    return undefined;
  }

  private isComplete(): boolean {
    return this.sender.isDone && this.hasEnded;
  }

  private finishUp(now: Instant): void {
    if (this.receiver.ackDue !== undefined) this.sendAck(now);
    this.close(undefined, now);
  }

  private close(reason: StreamFault | undefined, now: Instant): void {
    this.state = 'lingering';
    this.lingerUntil = (now + this.options.lingerTime) as Instant;
    this.sender.release();
    this.receiver.release();
    this.options.events.closed(this, reason);
  }

  private lingerTimeout(now: Instant): void {
    if (this.receiver.ackDue !== undefined && now >= this.receiver.ackDue) this.sendAck(now);
    if (this.lingerUntil !== undefined && now >= this.lingerUntil) this.state = 'gone';
  }

  /** Sends what window and pacing allow, then an acknowledgement if one is owed and did not ride along. */
  private pump(now: Instant): void {
    const { sender } = this;
    const { outlet } = this.options;
    this.needsPump = false;
    const most = outlet.messageBytesMax(this.path, now);
    if (most === 0) {
      if (this.writer.wantsOpen || sender.hasUnacknowledged) this.waitingSince ??= now;
      // Without a session nothing can be said; the peer's probe will ask again.
      this.receiver.ackDue = undefined;
      return;
    }
    if (this.writer.wantsOpen && sender.sentPackets === 0 && sender.next(0) === undefined)
      this.sendPing(now);
    for (let i = 0; ; i++) {
      const chunk = sender.next(this.writer.dataBytesMax(most));
      if (chunk === undefined) {
        sender.starved();
        break;
      }
      if (sender.inFlight + chunk.length + PACKET_OVERHEAD_BYTES > sender.congestion.window) break;
      if (this.paceAt > now + PACING_QUANTUM || i >= PUMP_PACKETS_MAX) {
        this.needsPump = true;
        if (this.paceAt <= now) this.paceAt = now + 1;
        break;
      }
      if (sender.packets.isFull) break;
      this.sendChunk(chunk, now);
    }
    this.noteBlocked(now);
    if (this.receiver.ackDue !== undefined && this.receiver.ackDue <= now) this.sendAck(now);
    if (this.wantsWritable && sender.room > 0 && this.hasGoodRoom()) {
      this.wantsWritable = false;
      this.options.events.writable(this);
    }
  }

  /** Waking the writer for a few bytes would make many small writes of it. */
  private hasGoodRoom(): boolean {
    return this.sender.room >= this.options.sender.bufferStart / 8;
  }

  private noteBlocked(now: Instant): void {
    if (!this.sender.isBlockedByPeer) this.blockedAt = undefined;
    else this.blockedAt ??= (now + BLOCKED_PROBE) as Instant;
  }

  private sendChunk(chunk: Chunk, now: Instant): void {
    const { outlet } = this.options;
    const { sender } = this;
    const { segment } = this.writer;
    segment.flags = SEGMENT_NUMBERED | SEGMENT_DATA;
    if (chunk.isFin) segment.flags |= SEGMENT_FIN;
    if (sender.blocksAfter(chunk)) segment.flags |= SEGMENT_BLOCKED;
    segment.offset = chunk.offset;
    const to = this.writer.write(now);
    sender.copy(chunk, outlet.scratch, to);
    this.noteSent(chunk, chunk.length + PACKET_OVERHEAD_BYTES, now);
    outlet.commit(this, to + chunk.length - outlet.scratchOffset, now);
  }

  private sendPing(now: Instant): void {
    const { outlet } = this.options;
    if (outlet.messageBytesMax(this.path, now) === 0) {
      this.waitingSince ??= now;
      this.lastActivity = now;
      return;
    }
    this.writer.segment.flags = SEGMENT_NUMBERED;
    if (this.sender.isBlockedByPeer) this.writer.segment.flags |= SEGMENT_BLOCKED;
    const to = this.writer.write(now);
    this.noteSent(undefined, PACKET_OVERHEAD_BYTES, now);
    outlet.commit(this, to - outlet.scratchOffset, now);
  }

  private sendProbes(now: Instant): void {
    const most = this.options.outlet.messageBytesMax(this.path, now);
    if (most === 0) return;
    for (let i = 0; i < PROBE_PACKETS && !this.sender.packets.isFull; i++) {
      const bytesMax = this.writer.dataBytesMax(most);
      const chunk = i === 0 ? this.sender.probe(bytesMax) : this.sender.next(bytesMax);
      if (chunk !== undefined) this.sendChunk(chunk, now);
      else if (i === 0) this.sendPing(now);
    }
  }

  private noteSent(chunk: Chunk | undefined, size: number, now: Instant): void {
    this.sender.sent(chunk, now);
    const cost = (size * 1_000_000) / this.sender.congestion.pacingRate;
    this.paceAt = Math.max(this.paceAt, now - PACING_CREDIT) + cost;
    this.waitingSince ??= now;
    this.lastActivity = now;
  }

  private sendAck(now: Instant): void {
    const { outlet } = this.options;
    if (outlet.messageBytesMax(this.path, now) === 0) {
      this.receiver.ackDue = undefined;
      return;
    }
    this.writer.segment.flags = SEGMENT_ACK;
    const to = this.writer.write(now);
    outlet.commit(this, to - outlet.scratchOffset, now);
  }

  private sendReset(reason: ResetReason, now: Instant): void {
    const { outlet } = this.options;
    if (outlet.messageBytesMax(this.path, now) === 0) return;
    this.writer.segment.flags = SEGMENT_RESET;
    this.writer.segment.reset = reason;
    const to = this.writer.write(now);
    outlet.commit(this, to - outlet.scratchOffset, now);
  }
}
