/**
 * The end nodes' side of the network: datagram sockets, streams and echo, on end-to-end sessions. It
 * sits on a packet path that may lose, repeat and reorder, and knows nothing of links or routes beyond
 * whether a destination can be reached and how much fits.
 *
 * This class joins the parts: it owns the flow labels, seals what the sockets write, brings each packet
 * that arrives to its part, and tells the parts of each other's news. Everything with a decision in it
 * is in the parts.
 */

import type {
  Crypto,
  Entropy,
  Instant,
  KeyAgreement,
  NodeAddress,
  Random,
  Result,
} from '../kernel/index.ts';
import { Counters, fail, ok, soonest } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import type { DataHeader } from '../wire/index.ts';
import {
  blankDataHeader,
  copyDataHeader,
  DATA_HEADER_BYTES,
  dataHeaderBytes,
  decodeReceipt,
  decodeSocketMessage,
  decodeTimedMessage,
  encodeDataHeader,
  HOP_LIMIT_DEFAULT,
  KIND_NODE_CONTROL,
  KIND_SEALED,
  KIND_SESSION,
  MESSAGE_CONFIRM,
  MESSAGE_RECEIPT,
  MESSAGE_RESERVE,
  MESSAGE_RESERVED,
  MESSAGE_STREAM,
  MESSAGE_TIMED,
  NO_ROUTE,
  PROOF_BYTES_MAX,
  RECOVERY_NONE,
  REPAIR_ROOM_BYTES,
  SERVICE_DEFAULT,
  SESSION_INDEX_BYTES,
} from '../wire/index.ts';
import type { MessageOutlet } from './datagram-sockets.ts';
import { DatagramSockets } from './datagram-sockets.ts';
import { Echo } from './echo.ts';
import { CONTROL_FLOW, FlowLabels } from './flow-labels.ts';
import type { FlowRoute } from './flow-routes.ts';
import type { ConversationStatus } from './incoming-messages.ts';
import { SESSION_OVERHEAD_BYTES } from './session.ts';
import { SessionTable } from './session-table.ts';
import type { SocketLimits } from './socket-limits.ts';
import { SOCKET_LIMITS_DEFAULT } from './socket-limits.ts';
import type {
  FlowOptions,
  FlowPath,
  FlowStatus,
  PacketOutcome,
  PacketOutlet,
  ReliableMessage,
  SendOutcome,
  SentMany,
  SocketId,
  SocketPacket,
  SocketRefusal,
  SocketSink,
  StreamId,
} from './socket-types.ts';
import { ownPath } from './socket-types.ts';
import { StreamTable } from './stream-table.ts';

export interface SocketLayerOptions {
  readonly self: Member;
  readonly agreement: KeyAgreement;
  /** This node's incarnation. */
  readonly epoch: number;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly random: Random;
  readonly limits?: Partial<SocketLimits>;
  readonly memberAt: (address: NodeAddress) => Member | undefined;
  readonly isReachable: (address: NodeAddress, lane: number) => boolean;
  /** Largest underlay datagram that passes every link of the way to the destination, in bytes. */
  readonly pathMtu: (address: NodeAddress) => number;
  readonly sink: SocketSink;
  readonly network: PacketOutlet;
  /** A message of the node itself, from a node that has proven who it is: `sendOwn` of the other side. */
  readonly ownMessage?: (
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ) => void;
}

export interface BoundPort {
  readonly socket: SocketId;
  readonly port: number;
}

/** Sealed packet header and tag on a link. */
const LINK_OVERHEAD_BYTES = 32;
const PATH_MTU_FLOOR = 1_232;
const CONFIRM = Uint8Array.of(MESSAGE_CONFIRM);
/** Rows of `flowStatuses`; the rest are not shown. */
const FLOW_ROWS_MAX = 1_024;

export class SocketLayer {
  readonly counters: Counters = new Counters();
  private readonly options: SocketLayerOptions;
  private readonly limits: SocketLimits;
  private readonly sessions: SessionTable;
  private readonly datagrams: DatagramSockets;
  private readonly streams: StreamTable;
  private readonly pings: Echo;
  private readonly flows = new FlowLabels();
  private readonly header = blankDataHeader();
  private readonly packet: SocketPacket = {
    destination: 0 as NodeAddress,
    kind: 0,
    lane: 0,
    hopLimit: HOP_LIMIT_DEFAULT,
    flow: 0,
    sequence: 0,
    service: SERVICE_DEFAULT,
    route: NO_ROUTE,
  };
  private asked: { path: FlowPath | undefined; at: number; bytes: number } = {
    path: undefined,
    at: 0,
    bytes: 0,
  };
  private ids = 0;
  private isStopped = false;

  constructor(options: SocketLayerOptions) {
    this.options = options;
    this.limits = { ...SOCKET_LIMITS_DEFAULT, ...options.limits };
    const { counters, limits } = this;
    const { sink, network, random, entropy, memberAt, isReachable } = options;
    this.sessions = this.makeSessions();
    const outlet = this.makeOutlet();
    this.datagrams = new DatagramSockets({
      limits,
      network,
      outlet,
      sink,
      counters,
      random: random.split('datagrams'),
      isKnown: (address) => memberAt(address) !== undefined,
      isReachable,
    });
    const nextId = (): number => ++this.ids;
    const forStreams = { random: random.split('streams'), nextId };
    this.streams = new StreamTable({ limits, network, outlet, sink, counters, ...forStreams });
    this.pings = new Echo({
      limits,
      network,
      entropy,
      sink,
      counters,
      sendControl: (path, sequence, hopLimit, payload, now) =>
        this.transmit(
          path,
          { kind: KIND_NODE_CONTROL, flow: CONTROL_FLOW, sequence },
          payload,
          now,
          hopLimit,
        ),
      nextSequence: () => this.flows.nextSequence(CONTROL_FLOW),
    });
  }

  datagramBind(
    options: FlowOptions & { port?: number; pendingMax?: number },
    _now: Instant,
  ): Result<BoundPort, SocketRefusal> {
    if (this.isStopped) return fail('closed');
    const socket = ++this.ids;
    const bound = this.datagrams.bind(socket, options);
    return bound.ok ? ok({ socket, port: bound.value }) : bound;
  }

  datagramSend(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome {
    return this.isStopped ? 'closed' : this.datagrams.send(socket, to, toPort, payload, now);
  }

  datagramSendMany(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payloads: readonly Uint8Array[],
    first: number,
    now: Instant,
  ): SentMany {
    if (this.isStopped) return { taken: 0, outcome: 'closed' };
    return this.datagrams.sendMany(socket, to, toPort, payloads, first, now);
  }

  /** 'queued': taken; the outcome follows through the sink. */
  datagramSendReliable(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    message: ReliableMessage,
    now: Instant,
  ): SendOutcome {
    if (this.isStopped) return 'closed';
    return this.datagrams.sendReliable(socket, to, toPort, message, now);
  }

  /** Closes a datagram socket or a listener; streams that the listener has accepted live on. */
  socketClose(socket: SocketId, _now: Instant): void {
    if (!this.datagrams.close(socket)) this.streams.unlisten(socket);
  }

  streamListen(options: { port?: number }, _now: Instant): Result<BoundPort, SocketRefusal> {
    if (this.isStopped) return fail('closed');
    const socket = ++this.ids;
    const bound = this.streams.listen(socket, options.port);
    return bound.ok ? ok({ socket, port: bound.value }) : bound;
  }

  streamConnect(
    to: NodeAddress,
    toPort: number,
    options: FlowOptions,
    now: Instant,
  ): Result<StreamId, SocketRefusal> {
    if (this.isStopped) return fail('closed');
    if (this.options.memberAt(to) === undefined) return fail('unknown-destination');
    const isBest = options.routing === undefined || options.routing.scheme === 'best';
    if (isBest && !this.options.isReachable(to, options.lane ?? 0)) return fail('unreachable');
    return this.streams.connect(to, toPort, options, now);
  }

  /** Bytes taken; fewer than offered means that `streamWritable` follows. */
  streamWrite(stream: StreamId, bytes: Uint8Array, now: Instant): number {
    return this.streams.operate(stream, 0, (s) => s.write(bytes, now));
  }

  streamConsumed(stream: StreamId, bytes: number, now: Instant): void {
    this.streams.operate(stream, undefined, (s) => s.consumed(bytes, now));
  }

  streamFinish(stream: StreamId, now: Instant): void {
    this.streams.operate(stream, undefined, (s) => s.finish(now));
  }

  streamReset(stream: StreamId, now: Instant): void {
    this.streams.operate(stream, undefined, (s) => s.abort('aborted', now));
  }

  /**
   * Seals a message of the node itself, which is not any socket's, and sends it by the best way. False: no
   * session with the peer stands yet; asking makes one.
   */
  sendOwn(peer: NodeAddress, message: Uint8Array, now: Instant): boolean {
    if (!this.isReady(peer, now)) return false;
    this.sealOwn(peer, message, now);
    return true;
  }

  /** Whether there is a session with a peer; asking makes one. */
  isReady(peer: NodeAddress, now: Instant): boolean {
    return !this.isStopped && this.sessions.isReady(peer, now);
  }

  /** The label and route of a datagram socket's packets to a node, or of a stream's. */
  routeOf(id: SocketId | StreamId, to: NodeAddress): FlowRoute | undefined {
    return this.datagrams.routeOf(id, to) ?? this.streams.routeOf(id);
  }

  echo(
    id: number,
    to: NodeAddress,
    options: FlowOptions & { hopLimit?: number; payloadBytes?: number },
    now: Instant,
  ): Result<void, SocketRefusal> {
    if (this.isStopped) return fail('closed');
    if (this.options.memberAt(to) === undefined) return fail('unknown-destination');
    return this.pings.request(id, to, options, now);
  }

  /**
   * A packet addressed to this node: its payload is `bytes[payloadOffset..end)`, right behind its data
   * header, or, where this node sent it to itself, without one. Sealed payloads are opened in place.
   */
  receive(
    from: DataHeader,
    bytes: Uint8Array,
    payloadOffset: number,
    end: number,
    now: Instant,
  ): void {
    if (this.isStopped) return;
    // A copy: the packet path reuses its header for what is sent while this packet is handled.
    const { header } = this;
    copyDataHeader(from, header);
    const headerBytes = dataHeaderBytes(header);
    if (payloadOffset < headerBytes) {
      // Opening reads addresses and epoch where the frame has them.
      const frame = new Uint8Array(headerBytes + end - payloadOffset);
      encodeDataHeader(frame, 0, header, NO_ROUTE);
      frame.set(bytes.subarray(payloadOffset, end), headerBytes);
      return this.dispatch(header, frame, headerBytes, frame.length, now);
    }
    this.dispatch(header, bytes, payloadOffset, end, now);
  }

  private dispatch(
    header: DataHeader,
    bytes: Uint8Array,
    payloadOffset: number,
    end: number,
    now: Instant,
  ): void {
    if (header.kind === KIND_SEALED) this.receiveSealed(header, bytes, payloadOffset, end, now);
    else if (header.kind === KIND_SESSION)
      this.sessions.receive(header, bytes, payloadOffset, end, now);
    else if (header.kind === KIND_NODE_CONTROL)
      this.pings.receive(header, bytes, payloadOffset, end, now);
    else this.counters.add('packet.unknown-kind');
  }

  /** The packet path dropped a passing packet whose source should hear why. */
  notice(
    kind: 'hop-limit-exceeded' | 'unreachable',
    header: DataHeader,
    bytes: Uint8Array,
    payloadOffset: number,
    end: number,
    now: Instant,
  ): void {
    if (this.isStopped) return;
    this.pings.notice(kind, { ...header }, bytes, payloadOffset, end, now);
  }

  /** The best route to a destination changed: streams there stop believing what the old one was like. */
  routeChanged(destination: NodeAddress, now: Instant): void {
    this.sessions.routeChanged(destination, now);
    this.streams.routeChanged(destination, now);
  }

  /** A flow whose packets must not be lost, and were held back, has room again. */
  drained(flow: number): void {
    this.datagrams.drained(flow);
  }

  /** A member's certificate is new, or gone: sessions under another key end. */
  memberChanged(address: NodeAddress, _now: Instant): void {
    this.sessions.memberChanged(address);
  }

  nextTimeout(): Instant | undefined {
    return soonest(
      this.streams.nextTimeout(),
      soonest(this.sessions.nextTimeout(), this.datagrams.nextTimeout()),
    );
  }

  timeout(now: Instant): void {
    this.sessions.timeout(now);
    this.datagrams.timeout(now);
    this.streams.timeout(now);
  }

  /** Resets every stream and takes nothing any more. */
  stop(now: Instant): void {
    if (this.isStopped) return;
    this.streams.stop(now);
    this.isStopped = true;
  }

  /** What the timed messages of each source have come to here. */
  conversations(now: Instant): ConversationStatus[] {
    return this.datagrams.incoming.status(now);
  }

  /** Streams opened here, and the destinations of datagram sockets that send along graphs. */
  flowStatuses(now: Instant): FlowStatus[] {
    return [...this.datagrams.flows(now), ...this.streams.flows(now)].slice(0, FLOW_ROWS_MAX);
  }

  /** Counters and present sizes, by name. */
  status(): Record<string, number> {
    return {
      ...this.counters.snapshot(),
      'datagram.sockets': this.datagrams.size,
      'datagram.reassemblies': this.datagrams.reassembly.size,
      'message.conversations': this.datagrams.incoming.size,
      'reliable.bytes-under-way': this.datagrams.outgoing.bytesUnderWay,
      'session.peers': this.sessions.size,
      'stream.buffer-bytes': this.streams.budget.used,
      'stream.buffer-refusals': this.streams.budget.refusals,
      'stream.lingering': this.streams.lingeringSize,
      'stream.listeners': this.streams.listenerCount,
      'stream.live': this.streams.size,
    };
  }

  private receiveSealed(
    header: DataHeader,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void {
    const textEnd = this.sessions.open(header, bytes, at, end, now);
    if (textEnd < 0) return;
    const text = at + SESSION_INDEX_BYTES;
    if (bytes[text] === MESSAGE_STREAM)
      return this.streams.receive(header, bytes, text, textEnd, now);
    if (bytes[text] === MESSAGE_TIMED || bytes[text] === MESSAGE_RECEIPT)
      return this.receiveTimed(header, bytes, text, textEnd, now);
    if (bytes[text] === MESSAGE_RESERVE || bytes[text] === MESSAGE_RESERVED)
      return this.options.ownMessage?.(header.source, bytes, text, textEnd, now);
    const message = decodeSocketMessage(bytes, text, textEnd);
    if (message === undefined) this.counters.add('packet.malformed-message');
    else if (message.kind !== 'confirm')
      this.datagrams.receive(header, message, bytes, textEnd, now);
  }

  private receiveTimed(
    header: DataHeader,
    bytes: Uint8Array,
    text: number,
    end: number,
    now: Instant,
  ): void {
    if (bytes[text] === MESSAGE_RECEIPT) {
      const receipt = decodeReceipt(bytes, text, end);
      if (receipt !== undefined) return this.datagrams.receipt(receipt, header.source, now);
    } else {
      const message = decodeTimedMessage(bytes, text, end);
      if (message !== undefined)
        return this.datagrams.receiveTimed(header, message, bytes, end, now);
    }
    this.counters.add('packet.malformed-message');
  }

  private makeSessions(): SessionTable {
    const { self, agreement, epoch, crypto, entropy, random, memberAt } = this.options;
    return new SessionTable({
      self,
      agreement,
      epoch,
      crypto,
      entropy,
      random: random.split('sessions'),
      limits: this.limits,
      memberAt,
      counters: this.counters,
      events: {
        sessionReady: (peer, now) => {
          this.datagrams.peerReady(peer, now);
          this.streams.peerReady(peer, now);
        },
        sessionFailed: (peer) => this.datagrams.peerFailed(peer),
        peerRestarted: (peer, now) => {
          this.datagrams.peerRestarted(peer);
          this.streams.peerRestarted(peer, now);
        },
        confirm: (peer, now) => this.sendConfirm(peer, now),
        sendPacket: (path, packet, payload, now) => this.transmit(path, packet, payload, now),
        controlSequence: () => this.flows.nextSequence(CONTROL_FLOW),
      },
    });
  }

  private makeOutlet(): MessageOutlet {
    const { sessions, flows } = this;
    let commonFlow = flows.allocate() ?? CONTROL_FLOW;
    return {
      scratch: sessions.scratch,
      scratchOffset: sessions.scratchOffset,
      messageBytesMax: (path, now) => this.messageBytesMax(path, now),
      sendMessage: (path, flow, length, now) =>
        sessions.send(path, { flow, sequence: flows.nextSequence(flow) }, length, now),
      get commonFlow() {
        if (flows.isExhausted(commonFlow)) commonFlow = flows.allocate() ?? CONTROL_FLOW;
        return commonFlow;
      },
      allocateFlow: () => flows.allocate(),
      releaseFlow: (flow) => flows.release(flow),
      liveFlow: (flow) => (flows.isExhausted(flow) ? flows.allocate() : flow),
    };
  }

  /** 0 while no session stands; asking makes one. Of a batch's path, only the first asks. */
  private messageBytesMax(path: FlowPath, now: Instant): number {
    const { asked } = this;
    if (path !== asked.path || now !== asked.at || asked.bytes === 0)
      this.asked = { path, at: now, bytes: this.freshBytesMax(path, now) };
    return this.asked.bytes;
  }

  private freshBytesMax(path: FlowPath, now: Instant): number {
    if (!this.sessions.isReady(path.destination, now)) return 0;
    const known = this.options.pathMtu(path.destination);
    const mtu = known > 0 ? known : PATH_MTU_FLOOR;
    const route = Math.max(path.route.bytes.length, path.routeRoom ?? 0);
    const overhead = LINK_OVERHEAD_BYTES + DATA_HEADER_BYTES + route + SESSION_OVERHEAD_BYTES;
    const room = path.service.recovery === RECOVERY_NONE ? 0 : REPAIR_ROOM_BYTES;
    const proof = path.service.isSigned === true ? PROOF_BYTES_MAX : 0;
    return Math.min(mtu, this.limits.datagramBytesMax) - overhead - room - proof;
  }

  private sendConfirm(peer: NodeAddress, now: Instant): void {
    this.sealOwn(peer, CONFIRM, now);
  }

  private sealOwn(peer: NodeAddress, message: Uint8Array, now: Instant): void {
    const { scratch, scratchOffset } = this.sessions;
    scratch.set(message, scratchOffset);
    const sequence = this.flows.nextSequence(CONTROL_FLOW);
    this.sessions.send(ownPath(peer), { flow: CONTROL_FLOW, sequence }, message.length, now);
  }

  private transmit(
    path: FlowPath,
    name: { kind: number; flow: number; sequence: number },
    payload: Uint8Array,
    now: Instant,
    hopLimit: number = HOP_LIMIT_DEFAULT,
  ): PacketOutcome {
    const { packet } = this;
    packet.destination = path.destination;
    packet.kind = name.kind;
    packet.lane = path.lane;
    packet.hopLimit = hopLimit;
    packet.flow = name.flow;
    packet.sequence = name.sequence;
    packet.service = path.service;
    packet.route = path.route;
    const outcome = this.options.network.send(packet, payload, now);
    if (outcome !== 'sent') this.counters.add(`packet.${outcome}`);
    return outcome;
  }
}
