/**
 * Streams of the stub node: go-back-N with a fixed timer, everything unacknowledged sent again. Both
 * ends name a stream by two drawn numbers, one each, so that a replayed packet of another life meets
 * nobody.
 *
 *   body: type (u8), sender's number (u32), receiver's number (u32), offset (u32), bytes
 */
import type { Entropy, Instant, NodeAddress } from '../kernel/index.ts';
import { ByteReader, ByteWriter, readU32 } from '../kernel/index.ts';
import type { NodeSink, SocketId, StreamFault, StreamId } from '../node/index.ts';

const OPEN = 0;
const ACCEPT = 1;
const DATA = 2;
const ACK = 3;
const FIN = 4;
const RESET = 5;

const SEGMENT = 1_000;
const WINDOW_SEGMENTS = 24;
const BUFFER = 64 * 1024;
const RETRY = 300_000;
const GIVE_UP_AFTER = 60;

interface StubStream {
  readonly id: StreamId;
  readonly peer: NodeAddress;
  readonly port: number;
  readonly own: number;
  theirs: number;
  state: 'opening' | 'open' | 'closed';
  /** Not yet acknowledged, from `acked` on. */
  buffer: Uint8Array;
  acked: number;
  sentUpTo: number;
  received: number;
  isFinished: boolean;
  isFinAcked: boolean;
  isEnded: boolean;
  wantsWritable: boolean;
  retries: number;
  due: number;
}

export interface StubStreamsOptions {
  readonly sink: NodeSink;
  readonly entropy: Entropy;
  /** Faults: bytes behind the first segment are acknowledged but kept; the end is told too soon. */
  readonly isLossy: boolean;
  readonly endsEarly: boolean;
  readonly send: (to: NodeAddress, body: Uint8Array) => void;
}

export class StubStreams {
  readonly listeners: Map<number, SocketId> = new Map();
  private readonly options: StubStreamsOptions;
  private readonly streams = new Map<StreamId, StubStream>();
  private nextId = 1;

  constructor(options: StubStreamsOptions) {
    this.options = options;
  }

  connect(peer: NodeAddress, port: number, now: Instant): StreamId {
    const stream = this.add(peer, port, 0, 'opening', now);
    this.send(stream, OPEN, port, new Uint8Array(0));
    return stream.id;
  }

  write(id: StreamId, bytes: Uint8Array, now: Instant): number {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.state === 'closed' || stream.isFinished) return 0;
    const taken = Math.min(bytes.length, BUFFER - stream.buffer.length);
    stream.wantsWritable = taken < bytes.length;
    stream.buffer = new ByteWriter().raw(stream.buffer).raw(bytes.subarray(0, taken)).finish();
    this.transmit(stream, now);
    return taken;
  }

  finish(id: StreamId, now: Instant): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.isFinished = true;
    this.transmit(stream, now);
  }

  reset(id: StreamId): void {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.state === 'closed') return;
    this.send(stream, RESET, 0, new Uint8Array(0));
    this.close(stream, 'aborted');
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const s of this.streams.values()) if (isWaiting(s)) next = Math.min(next ?? s.due, s.due);
    return next;
  }

  timeout(now: Instant): void {
    for (const stream of this.streams.values()) {
      if (!isWaiting(stream) || stream.due > now) continue;
      if (++stream.retries > GIVE_UP_AFTER) this.close(stream, 'timed-out');
      else if (stream.state === 'opening') {
        stream.due = now + RETRY;
        this.send(stream, OPEN, stream.port, new Uint8Array(0));
      } else {
        stream.sentUpTo = stream.acked;
        this.transmit(stream, now);
      }
    }
  }

  receive(source: NodeAddress, body: Uint8Array, now: Instant): void {
    const reader = new ByteReader(body);
    const type = reader.u8();
    const theirs = reader.u32();
    const own = reader.u32();
    const offset = reader.u32();
    const bytes = reader.rest();
    if (!reader.ok) return;
    const stream = this.find(source, own, theirs);
    if (type === OPEN) return this.open(source, theirs, offset, now);
    if (stream === undefined) {
      if (type === DATA || type === FIN) this.refuse(source, own, theirs);
      return;
    }
    switch (type) {
      case ACCEPT:
        return this.accepted(stream, theirs, now);
      case DATA:
        return this.data(stream, offset, bytes);
      case FIN:
        return this.fin(stream, offset);
      case ACK:
        return this.ack(stream, offset, bytes.length > 0, now);
      case RESET:
        return this.close(stream, 'reset');
    }
  }

  private open(peer: NodeAddress, theirs: number, port: number, now: Instant): void {
    const listener = this.listeners.get(port);
    if (listener === undefined) return this.refuse(peer, 0, theirs);
    for (const s of this.streams.values())
      if (s.peer === peer && s.theirs === theirs) return this.send(s, ACCEPT, 0, new Uint8Array(0));
    const stream = this.add(peer, port, theirs, 'open', now);
    this.send(stream, ACCEPT, 0, new Uint8Array(0));
    this.options.sink.streamIncoming(listener, stream.id, peer, 0);
  }

  private accepted(stream: StubStream, theirs: number, now: Instant): void {
    if (stream.state !== 'opening') return;
    stream.state = 'open';
    stream.theirs = theirs;
    this.options.sink.streamConnected(stream.id);
    this.transmit(stream, now);
  }

  private data(stream: StubStream, offset: number, bytes: Uint8Array): void {
    if (offset === stream.received && stream.state === 'open' && !stream.isEnded) {
      stream.received += bytes.length;
      if (!this.options.isLossy || offset === 0) this.options.sink.streamData(stream.id, bytes);
      if (this.options.endsEarly) this.options.sink.streamEnded(stream.id);
    }
    this.acknowledge(stream);
  }

  private fin(stream: StubStream, offset: number): void {
    if (offset === stream.received && !stream.isEnded) {
      stream.isEnded = true;
      this.options.sink.streamEnded(stream.id);
    }
    this.acknowledge(stream);
    this.closeIfDone(stream);
  }

  private ack(stream: StubStream, offset: number, isFin: boolean, now: Instant): void {
    if (offset < stream.acked || offset > stream.acked + stream.buffer.length) return;
    if (offset > stream.acked) stream.retries = 0;
    stream.buffer = stream.buffer.subarray(offset - stream.acked);
    stream.acked = offset;
    stream.sentUpTo = Math.max(stream.sentUpTo, offset);
    if (isFin && stream.isFinished && stream.buffer.length === 0) stream.isFinAcked = true;
    if (stream.wantsWritable && stream.buffer.length < BUFFER / 2) {
      stream.wantsWritable = false;
      this.options.sink.streamWritable(stream.id);
    }
    this.transmit(stream, now);
    this.closeIfDone(stream);
  }

  private transmit(stream: StubStream, now: Instant): void {
    if (stream.state !== 'open' || stream.isFinAcked) return;
    const limit = stream.acked + Math.min(stream.buffer.length, WINDOW_SEGMENTS * SEGMENT);
    while (stream.sentUpTo < limit) {
      const at = stream.sentUpTo - stream.acked;
      const bytes = stream.buffer.subarray(at, Math.min(at + SEGMENT, limit - stream.acked));
      this.send(stream, DATA, stream.sentUpTo, bytes);
      stream.sentUpTo += bytes.length;
    }
    const end = stream.acked + stream.buffer.length;
    if (stream.isFinished && stream.sentUpTo === end)
      this.send(stream, FIN, end, new Uint8Array(0));
    stream.due = now + RETRY;
  }

  private acknowledge(stream: StubStream): void {
    this.send(stream, ACK, stream.received, new Uint8Array(stream.isEnded ? 1 : 0));
  }

  private closeIfDone(stream: StubStream): void {
    if (stream.isEnded && stream.isFinAcked) this.close(stream, undefined);
  }

  private close(stream: StubStream, reason: StreamFault | undefined): void {
    if (stream.state === 'closed') return;
    stream.state = 'closed';
    this.options.sink.streamClosed(stream.id, reason);
  }

  private refuse(peer: NodeAddress, own: number, theirs: number): void {
    const body = new ByteWriter().u8(RESET).u32(own).u32(theirs).u32(0).finish();
    this.options.send(peer, body);
  }

  private send(stream: StubStream, type: number, offset: number, bytes: Uint8Array): void {
    const { own, theirs } = stream;
    const body = new ByteWriter().u8(type).u32(own).u32(theirs).u32(offset).raw(bytes).finish();
    this.options.send(stream.peer, body);
  }

  private find(peer: NodeAddress, own: number, theirs: number): StubStream | undefined {
    for (const s of this.streams.values())
      if (s.own === own && s.peer === peer && (s.theirs === theirs || s.state === 'opening'))
        return s;
    return undefined;
  }

  private add(
    peer: NodeAddress,
    port: number,
    theirs: number,
    state: StubStream['state'],
    now: Instant,
  ): StubStream {
    const stream: StubStream = {
      id: this.nextId++,
      peer,
      port,
      own: readU32(this.options.entropy.bytes(4), 0),
      theirs,
      state,
      buffer: new Uint8Array(0),
      acked: 0,
      sentUpTo: 0,
      received: 0,
      isFinished: false,
      isFinAcked: false,
      isEnded: false,
      wantsWritable: false,
      retries: 0,
      due: now + RETRY,
    };
    this.streams.set(stream.id, stream);
    return stream;
  }
}

/** Something of its own is not acknowledged yet. */
const isWaiting = (s: StubStream): boolean =>
  s.state === 'opening' ||
  (s.state === 'open' && (s.buffer.length > 0 || (s.isFinished && !s.isFinAcked)));
