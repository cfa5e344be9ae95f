/**
 * All streams and listeners of a node: gives them ids and ports, brings each segment to its stream,
 * answers segments that belong to none, and wakes streams when they are due.
 */

import type { Counters, Instant, NodeAddress, Random, Result } from '../kernel/index.ts';
import { fail, ok, TokenBucket } from '../kernel/index.ts';
import type { DataHeader, ResetReason } from '../wire/index.ts';
import {
  blankStreamSegment,
  decodeStreamSegment,
  encodeStreamSegment,
  ROUTE_NONE,
  SEGMENT_NUMBERED,
  SEGMENT_OPEN,
  SEGMENT_OPENER,
  SEGMENT_RESET,
  SERVICE_DEFAULT,
} from '../wire/index.ts';
import { ByteBudget, RING_BYTES_MIN } from './byte-ring.ts';
import type { MessageOutlet } from './datagram-sockets.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import type { FlowRoute } from './flow-routes.ts';
import { deadlineFault, FlowRoutes, routingFault } from './flow-routes.ts';
import { PORT_MAX, PortTable } from './port-table.ts';
import type { SegmentOutlet, SegmentSource } from './segment-writer.ts';
import type {
  FlowOptions,
  FlowPath,
  FlowStatus,
  PacketOutlet,
  SocketId,
  SocketRefusal,
  SocketSink,
  StreamFault,
  StreamId,
} from './socket-types.ts';
import { answerPath, bestPath } from './socket-types.ts';
import type { StreamEvents } from './stream.ts';
import { Stream } from './stream.ts';

export interface StreamLimits {
  readonly listenersMax: number;
  /** Streams that are not closed. Overflow: a local one is refused, a peer's answered `refused`. */
  readonly streamsMax: number;
  /** Closed streams that still answer late segments. Overflow: the oldest is forgotten. */
  readonly lingeringMax: number;
  /** Memory of all streams' buffers. Overflow: writes take nothing, early segments are dropped. */
  readonly streamBufferBytesMax: number;
  /** Bytes written and not acknowledged, per stream: to begin with, and at most (a power of two). */
  readonly sendBufferStart: number;
  readonly sendBufferMax: number;
  /** Bytes received and not consumed, per stream: to begin with, and at most (a power of two). */
  readonly receiveWindowStart: number;
  readonly receiveWindowMax: number;
  /** Packets of one stream that are remembered. Overflow: the stream waits. */
  readonly sentPacketsMax: number;
  readonly streamPatience: number;
  readonly keepaliveAfter: number;
  readonly lingerTime: number;
}

/** What may be sent before the peer has said how much it takes. */
const WINDOW_BEFORE_ANSWER = 65_536;
const RTT_INITIAL = 100_000;
const RESETS_PER_SECOND = 100;
/** Left free in every packet of a stream on a graph, which may grow while the stream lives. */
const GRAPH_ROOM_BYTES = 96;

export interface StreamTableOptions {
  readonly limits: StreamLimits;
  readonly network: PacketOutlet;
  readonly outlet: MessageOutlet;
  readonly sink: SocketSink;
  readonly counters: Counters;
  readonly random: Random;
  readonly nextId: () => number;
}

export class StreamTable {
  readonly budget: ByteBudget;
  private readonly options: StreamTableOptions;
  private readonly streams = new Map<StreamId, Stream>();
  /** Of those opened here. */
  private readonly routesOf = new Map<StreamId, FlowRoutes>();
  /** By peer, then by opener's id and who opened. */
  private readonly byPeer = new Map<NodeAddress, Map<number, Stream>>();
  private readonly listeners: PortTable<SocketId>;
  private readonly listenerPorts = new Map<SocketId, number>();
  private readonly localPorts: PortTable<StreamId>;
  private readonly deadlines = new DeadlineHeap<Stream>();
  private readonly lingering: Stream[] = [];
  private readonly segment = blankStreamSegment();
  private readonly resetSegment = blankStreamSegment();
  private readonly resets = new TokenBucket({
    perSecond: RESETS_PER_SECOND,
    burst: RESETS_PER_SECOND,
  });
  private readonly segmentOutlet: SegmentOutlet;
  private readonly events: StreamEvents;
  private wireIds = 0;
  private liveCount = 0;

  constructor(options: StreamTableOptions) {
    this.options = options;
    const { limits, random, outlet } = options;
    this.budget = new ByteBudget(limits.streamBufferBytesMax);
    this.listeners = new PortTable({ capacity: limits.listenersMax, random });
    this.localPorts = new PortTable({ capacity: limits.streamsMax, random: random.split('local') });
    this.segmentOutlet = {
      scratch: outlet.scratch,
      scratchOffset: outlet.scratchOffset,
      messageBytesMax: (path, now) => outlet.messageBytesMax(path, now),
      commit: (stream, length, now) => this.commit(stream, length, now),
    };
    this.events = this.makeEvents();
  }

  get size(): number {
    return this.liveCount;
  }

  get lingeringSize(): number {
    return this.lingering.length;
  }

  get listenerCount(): number {
    return this.listeners.size;
  }

  stream(id: StreamId): Stream | undefined {
    return this.streams.get(id);
  }

  listen(id: SocketId, port: number | undefined): Result<number, SocketRefusal> {
    const chosen = this.listeners.choose(port);
    if (typeof chosen === 'string') return fail(chosen);
    this.listeners.bind(chosen, id);
    this.listenerPorts.set(id, chosen);
    return ok(chosen);
  }

  /** Streams it has accepted live on. False when there is no such listener. */
  unlisten(id: SocketId): boolean {
    const port = this.listenerPorts.get(id);
    if (port === undefined) return false;
    this.listenerPorts.delete(id);
    this.listeners.release(port);
    return true;
  }

  connect(
    to: NodeAddress,
    toPort: number,
    options: FlowOptions,
    now: Instant,
  ): Result<StreamId, SocketRefusal> {
    if (!Number.isInteger(toPort) || toPort < 1 || toPort > PORT_MAX) return fail('bad-argument');
    const { network } = this.options;
    const fault = routingFault(options) ?? deadlineFault(to, options, network);
    if (fault !== undefined) return fail(fault);
    if (this.liveCount >= this.options.limits.streamsMax) return fail('limit-reached');
    const fromPort = this.localPorts.choose(undefined);
    if (typeof fromPort === 'string') return fail('limit-reached');
    this.wireIds = (this.wireIds + 1) >>> 0;
    const { lane = 0, service = SERVICE_DEFAULT } = options;
    const flow = { lane, service, key: fromPort };
    const routes = new FlowRoutes(options.routing, network, flow);
    const route = routes.routeTo(to, toPort);
    if (route === undefined) return fail('unreachable');
    let last = route;
    const routeRoom = routes.isGraph ? Math.max(GRAPH_ROOM_BYTES, route.bytes.length) : undefined;
    const path: FlowPath = {
      destination: to,
      lane,
      service,
      ...(routeRoom === undefined ? {} : { routeRoom }),
      // Renewed as the stream lives; where there is none for the moment the last one is tried.
      get route() {
        const fresh = routes.routeTo(to, toPort);
        if (fresh === undefined || fresh.bytes.length > (routeRoom ?? Number.POSITIVE_INFINITY))
          return last;
        last = fresh;
        return last;
      },
    };
    const name = { wireId: this.wireIds, isOpener: true, ports: { toPort, fromPort } };
    const stream = this.add(path, name, now);
    if (stream === undefined) return fail('limit-reached');
    this.localPorts.bind(fromPort, stream.id);
    this.routesOf.set(stream.id, routes);
    stream.resume(now);
    this.reschedule(stream);
    return ok(stream.id);
  }

  /** The label and the route that a stream's packets have now. */
  routeOf(id: StreamId): FlowRoute | undefined {
    const stream = this.streams.get(id);
    if (stream === undefined) return undefined;
    return { flow: stream.flow, route: stream.path.route, routes: this.routesOf.get(id) };
  }

  /** Runs one operation of the owner on a stream and arms its timer anew. */
  operate<T>(id: StreamId, none: T, operation: (stream: Stream) => T): T {
    const stream = this.streams.get(id);
    if (stream === undefined) return none;
    const result = operation(stream);
    this.reschedule(stream);
    return result;
  }

  /** A stream segment of an authentic packet, at [at, end). */
  receive(header: DataHeader, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    const { segment } = this;
    const { counters } = this.options;
    if (!decodeStreamSegment(segment, bytes, at, end)) return counters.add('stream.malformed');
    const isOpener = (segment.flags & SEGMENT_OPENER) !== 0;
    const key = wireKey(segment.stream, isOpener);
    let stream = this.byPeer.get(header.source)?.get(key);
    if (stream === undefined) {
      stream = this.accept(header, now);
      if (stream === undefined) return;
    }
    const fault = stream.receive(segment, bytes, now);
    if (fault !== undefined) counters.add(`stream.segment-${fault}`);
    this.reschedule(stream);
  }

  /** A row for each stream opened here. */
  flows(now: Instant): FlowStatus[] {
    const rows: FlowStatus[] = [];
    for (const [id, routes] of this.routesOf) {
      const stream = this.streams.get(id);
      if (stream === undefined) continue;
      const { destination, lane, service } = stream.path;
      const { scheme } = routes.routing;
      const { graph, request } = routes.graphs(now)[0] ?? { graph: undefined, request: undefined };
      const port = stream.ports.toPort;
      const { deadline } = service;
      const flow = { kind: 'stream', id, port, destination, lane, scheme, deadline } as const;
      rows.push({ ...flow, graph, request });
    }
    return rows;
  }

  /** A session with the peer stands. */
  peerReady(peer: NodeAddress, now: Instant): void {
    this.eachOf(peer, (stream) => stream.resume(now));
  }

  /** The peer has forgotten every stream that it had answered. */
  peerRestarted(peer: NodeAddress, now: Instant): void {
    this.eachOf(peer, (stream) => {
      if (stream.state !== 'opening') stream.fail('peer-restarted', now);
    });
  }

  routeChanged(destination: NodeAddress, now: Instant): void {
    this.eachOf(destination, (stream) => {
      if (stream.path.route.form === ROUTE_NONE) stream.routeChanged(now);
    });
  }

  stop(now: Instant): void {
    for (const stream of [...this.streams.values()]) {
      stream.abort('node-stopped', now);
      this.reschedule(stream);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.deadlines.nextDeadline();
  }

  timeout(now: Instant): void {
    // A stream that is due at once again waits for the next call, so that none can hold the node.
    const due: Stream[] = [];
    for (let s = this.deadlines.due(now); s !== undefined; s = this.deadlines.due(now)) {
      this.deadlines.remove(s);
      due.push(s);
    }
    for (const stream of due) {
      stream.timeout(now);
      this.reschedule(stream);
    }
  }

  private eachOf(peer: NodeAddress, each: (stream: Stream) => void): void {
    const streams = this.byPeer.get(peer);
    if (streams === undefined) return;
    for (const stream of [...streams.values()]) {
      each(stream);
      this.reschedule(stream);
    }
  }

  private accept(header: DataHeader, now: Instant): Stream | undefined {
    const { segment } = this;
    const { counters, limits, sink } = this.options;
    const { flags } = segment;
    const isOpening = (flags & SEGMENT_OPEN) !== 0 && (flags & SEGMENT_NUMBERED) !== 0;
    if (!isOpening) {
      if ((flags & SEGMENT_RESET) === 0) this.sayReset(header, 'unknown-stream', now);
      return undefined;
    }
    const listener = this.listeners.owner(segment.toPort);
    if (listener === undefined) {
      counters.add('stream.no-listener');
      this.sayReset(header, 'refused', now);
      return undefined;
    }
    const path = answerPath(header);
    const ports = { toPort: segment.fromPort, fromPort: segment.toPort };
    const name = { wireId: segment.stream, isOpener: false, ports };
    const stream = this.liveCount < limits.streamsMax ? this.add(path, name, now) : undefined;
    if (stream === undefined) {
      counters.add('stream.limit-reached');
      this.sayReset(header, 'refused', now);
      return undefined;
    }
    counters.add('stream.accepted');
    sink.streamIncoming(listener, stream.id, header.source, segment.fromPort);
    return stream;
  }

  private add(
    path: FlowPath,
    name: { wireId: number; isOpener: boolean; ports: { toPort: number; fromPort: number } },
    now: Instant,
  ): Stream | undefined {
    const { limits, outlet, random } = this.options;
    if (!this.budget.hasRoom(RING_BYTES_MIN)) return undefined;
    const flow = outlet.allocateFlow();
    if (flow === undefined) return undefined;
    const id = this.options.nextId();
    const segmentBytes = Math.max(512, outlet.messageBytesMax(path, now)) || 1_200;
    const stream = new Stream(
      {
        id,
        ...name,
        path,
        flow,
        sender: {
          budget: this.budget,
          bufferStart: limits.sendBufferStart,
          bufferMax: limits.sendBufferMax,
          packetsMax: limits.sentPacketsMax,
          segmentBytes: segmentBytes < 600 ? 1_200 : segmentBytes,
          rttInitial: RTT_INITIAL,
          windowInitial: WINDOW_BEFORE_ANSWER,
          random: random.split(`stream ${id}`),
        },
        receiver: {
          budget: this.budget,
          windowStart: limits.receiveWindowStart,
          windowMax: limits.receiveWindowMax,
        },
        outlet: this.segmentOutlet,
        events: this.events,
        patience: limits.streamPatience,
        keepaliveAfter: limits.keepaliveAfter,
        lingerTime: limits.lingerTime,
      },
      now,
    );
    this.streams.set(id, stream);
    let ofPeer = this.byPeer.get(path.destination);
    if (ofPeer === undefined) {
      ofPeer = new Map();
      this.byPeer.set(path.destination, ofPeer);
    }
    // Seen from here the peer's segments carry the OPENER flag exactly when we are not the opener.
    ofPeer.set(wireKey(name.wireId, !name.isOpener), stream);
    this.liveCount++;
    return stream;
  }

  private makeEvents(): StreamEvents {
    const { sink, counters } = this.options;
    return {
      connected: (stream) => sink.streamConnected(stream.id),
      data: (stream, bytes) => sink.streamData(stream.id, bytes),
      writable: (stream) => sink.streamWritable(stream.id),
      ended: (stream) => sink.streamEnded(stream.id),
      closed: (stream, reason: StreamFault | undefined) => {
        this.liveCount--;
        counters.add(`stream.closed.${reason ?? 'finished'}`);
        counters.add('stream.packets-sent', stream.sender.sentPackets);
        counters.add('stream.packets-lost', stream.sender.lostPackets);
        counters.add('stream.spurious-losses', stream.sender.loss.spurious);
        if (stream.isOpener) this.localPorts.release(stream.ports.fromPort);
        this.lingering.push(stream);
        if (this.lingering.length > this.options.limits.lingeringMax) {
          counters.add('stream.lingering-evicted');
          this.remove(this.lingering[0]!);
        }
        sink.streamClosed(stream.id, reason);
      },
    };
  }

  private reschedule(stream: Stream): void {
    if (stream.state === 'gone') this.remove(stream);
    else if (this.streams.has(stream.id)) this.deadlines.schedule(stream, stream.nextTimeout());
  }

  private remove(stream: Stream): void {
    this.deadlines.remove(stream);
    if (!this.streams.delete(stream.id)) return;
    this.routesOf.get(stream.id)?.release();
    this.routesOf.delete(stream.id);
    const at = this.lingering.indexOf(stream);
    if (at >= 0) this.lingering.splice(at, 1);
    const ofPeer = this.byPeer.get(stream.path.destination);
    ofPeer?.delete(wireKey(stream.wireId, !stream.isOpener));
    if (ofPeer?.size === 0) this.byPeer.delete(stream.path.destination);
    this.options.outlet.releaseFlow(stream.flow);
  }

  private commit(stream: SegmentSource, length: number, now: Instant): boolean {
    const { outlet } = this.options;
    const flow = outlet.liveFlow(stream.flow);
    if (flow === undefined) return false;
    stream.flow = flow;
    return outlet.sendMessage(stream.path, flow, length, now) === 'sent';
  }

  private sayReset(header: DataHeader, reason: ResetReason, now: Instant): void {
    const { outlet, counters } = this.options;
    if (!this.resets.take(now)) return counters.add('stream.reset-rate-limited');
    const path = bestPath(header.source, header.lane);
    if (outlet.messageBytesMax(path, now) === 0) return;
    const { resetSegment, segment } = this;
    resetSegment.flags = SEGMENT_RESET;
    if ((segment.flags & SEGMENT_OPENER) === 0) resetSegment.flags |= SEGMENT_OPENER;
    resetSegment.stream = segment.stream;
    resetSegment.reset = reason;
    const { scratch, scratchOffset } = outlet;
    const end = encodeStreamSegment(scratch, scratchOffset, resetSegment);
    outlet.sendMessage(path, outlet.commonFlow, end - scratchOffset, now);
  }
}

/** One number for an opener's id and which side's segments these are. */
const wireKey = (wireId: number, fromOpener: boolean): number => wireId * 2 + (fromOpener ? 1 : 0);
