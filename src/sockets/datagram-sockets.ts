/**
 * Datagram sockets: messages of up to 65,000 bytes, delivered at most once, in no stated order. What is
 * longer than the path carries is cut here and put together at the destination.
 *
 * While no session with the destination stands, messages wait: per socket the oldest gives way, because
 * what a live flow sent first is worth least by then; over all sockets the newest is refused and its
 * sender told to wait for a drain.
 *
 * Messages of a lane with playout, and reliable ones, are timed messages: they have a conversation's
 * numbers (`outgoing-messages.ts`) and are received by `incoming-messages.ts`.
 *
 * Longer than 400 lines: plain and timed messages share sockets, ports, routes and the queue.
 */

import { PLAYOUT_WORDS } from '../forwarding/index.ts';
import type {
  CounterCell,
  Counters,
  Instant,
  NodeAddress,
  Random,
  Result,
} from '../kernel/index.ts';
import { BoundedQueue, fail, ok, SlabViews, soonest } from '../kernel/index.ts';
import type {
  DataHeader,
  DecodedTimedMessage,
  PacketService,
  Receipt,
  SocketMessage,
} from '../wire/index.ts';
import {
  DATAGRAM_BYTES_MAX,
  DATAGRAM_HEADER_BYTES,
  encodePortUnreachable,
  encodeReceipt,
  isReliable,
  RECEIPT_BYTES,
  ROUTE_NONE,
  SERVICE_DEFAULT,
  TIME_SENT_STEP,
} from '../wire/index.ts';
import type { FlowRoute } from './flow-routes.ts';
import { FlowRoutes, routingFault } from './flow-routes.ts';
import type { ReassemblyLimits } from './fragments.ts';
import { Reassembly } from './fragments.ts';
import type { IncomingLimits } from './incoming-messages.ts';
import { IncomingMessages } from './incoming-messages.ts';
import type { Framing, Ports } from './message-writer.ts';
import { PlainFraming, timedFraming, writeMessage } from './message-writer.ts';
import type { OutgoingConversation, OutgoingLimits, OutgoingOptions } from './outgoing-messages.ts';
import { OutgoingMessages } from './outgoing-messages.ts';
import { PortTable } from './port-table.ts';
import type {
  FlowOptions,
  FlowPath,
  FlowStatus,
  PacketOutcome,
  PacketOutlet,
  ReceiptOutcome,
  ReliableMessage,
  SendOutcome,
  SentMany,
  SocketId,
  SocketRefusal,
  SocketSink,
} from './socket-types.ts';
import { answerPath, bestPath } from './socket-types.ts';

export interface DatagramLimits extends ReassemblyLimits, IncomingLimits, OutgoingLimits {
  readonly socketsMax: number;
  /** Default of a socket's own `pendingMax`. Overflow: drop oldest. */
  readonly pendingMessagesMax: number;
  /** Over all sockets. Overflow: reject (`full`). */
  readonly pendingBytesMax: number;
}

/** Sealed sending as the datagram sockets use it. */
export interface MessageOutlet {
  readonly scratch: Uint8Array;
  readonly scratchOffset: number;
  messageBytesMax(path: FlowPath, now: Instant): number;
  /** Sends `length` bytes from `scratchOffset` under a flow label. */
  sendMessage(path: FlowPath, flow: number, length: number, now: Instant): PacketOutcome;
  /** The label of what belongs to no flow. */
  readonly commonFlow: number;
  allocateFlow(): number | undefined;
  releaseFlow(flow: number): void;
  /** The label to go on with when `flow` has used up its sequence; `flow` itself otherwise. */
  liveFlow(flow: number): number | undefined;
}

interface Waiting {
  readonly path: FlowPath;
  readonly toPort: number;
  readonly payload: Uint8Array;
}

interface DatagramSocket {
  readonly id: SocketId;
  readonly port: number;
  readonly lane: number;
  readonly service: Readonly<PacketService>;
  readonly routes: FlowRoutes;
  readonly pending: BoundedQueue<Waiting>;
  readonly playout: number;
  /** By destination and port. */
  readonly conversations: Map<number, OutgoingConversation>;
  flow: number;
  wantsDrain: boolean;
}

export interface DatagramSocketsOptions {
  readonly limits: DatagramLimits;
  readonly network: PacketOutlet;
  readonly outlet: MessageOutlet;
  readonly sink: SocketSink;
  readonly counters: Counters;
  readonly random: Random;
  readonly isKnown: (address: NodeAddress) => boolean;
  readonly isReachable: (address: NodeAddress, lane: number) => boolean;
}

export class DatagramSockets {
  readonly reassembly: Reassembly;
  readonly incoming: IncomingMessages;
  readonly outgoing: OutgoingMessages;
  private readonly options: DatagramSocketsOptions;
  private readonly sockets = new Map<SocketId, DatagramSocket>();
  private readonly ports: PortTable<DatagramSocket>;
  private readonly sent: CounterCell;
  private readonly delivered: CounterCell;
  private readonly views = new SlabViews();
  private readonly plain: PlainFraming;
  private pendingBytes = 0;

  constructor(options: DatagramSocketsOptions) {
    this.options = options;
    this.sent = options.counters.cell('datagram.sent');
    this.delivered = options.counters.cell('datagram.delivered');
    this.reassembly = new Reassembly(options.limits, options.counters);
    const { random } = options;
    this.ports = new PortTable({ capacity: options.limits.socketsMax, random });
    const identifier = random.u32();
    this.plain = new PlainFraming(identifier);
    const { limits, counters, sink } = options;
    this.incoming = new IncomingMessages({
      limits,
      counters,
      deliver: ({ socket, payload, from, fromPort, lane }) =>
        sink.datagram(socket, payload, { from, fromPort, lane }),
      sendReceipt: (header, receipt, now) => this.sendReceipt(header, receipt, now),
    });
    const outgoing: OutgoingOptions = {
      limits,
      counters,
      transmit: (c, number, payload, now) => this.transmitReliable(c, number, payload, now),
      outcome: (id, message, outcome) => this.reliableEnded(id, message, outcome),
    };
    this.outgoing = new OutgoingMessages(outgoing, identifier);
  }

  get size(): number {
    return this.sockets.size;
  }

  bind(
    id: SocketId,
    options: FlowOptions & { port?: number; pendingMax?: number },
  ): Result<number, SocketRefusal> {
    const { limits, network, outlet } = this.options;
    const pendingMax = options.pendingMax ?? limits.pendingMessagesMax;
    const fault = routingFault(options);
    if (fault !== undefined) return fail(fault);
    if (!Number.isInteger(pendingMax) || pendingMax < 1 || pendingMax > 65_536)
      return fail('bad-argument');
    const port = this.ports.choose(options.port);
    if (typeof port === 'string') return fail(port);
    const flow = outlet.allocateFlow();
    if (flow === undefined) return fail('limit-reached');
    const socket: DatagramSocket = {
      id,
      port,
      lane: options.lane ?? 0,
      service: options.service ?? SERVICE_DEFAULT,
      routes: new FlowRoutes(options.routing, network, { ...options, key: flow }),
      pending: new BoundedQueue({ capacity: pendingMax, overflow: 'drop-oldest' }),
      playout: PLAYOUT_WORDS.indexOf(options.playout ?? 'none'),
      conversations: new Map(),
      flow,
      wantsDrain: false,
    };
    this.ports.bind(port, socket);
    this.sockets.set(id, socket);
    return ok(port);
  }

  /** The label and the route that a socket's packets to a destination have now. */
  routeOf(id: SocketId, to: NodeAddress): FlowRoute | undefined {
    const socket = this.sockets.get(id);
    return socket === undefined
      ? undefined
      : { flow: socket.flow, route: socket.routes.routeTo(to), routes: socket.routes };
  }

  /** False when there is no such socket. */
  close(id: SocketId): boolean {
    const socket = this.sockets.get(id);
    if (socket === undefined) return false;
    this.sockets.delete(id);
    this.ports.release(socket.port);
    for (let w = socket.pending.shift(); w !== undefined; w = socket.pending.shift())
      this.pendingBytes -= w.payload.length;
    this.options.outlet.releaseFlow(socket.flow);
    socket.routes.release();
    for (const conversation of socket.conversations.values()) this.outgoing.close(conversation);
    return true;
  }

  send(
    id: SocketId,
    to: NodeAddress,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome {
    const socket = this.sockets.get(id);
    if (socket === undefined) return 'closed';
    const path = this.pathTo(socket, to, toPort);
    return path === undefined ? 'unreachable' : this.sendOn(socket, path, toPort, payload, now);
  }

  /** As `send` of each from place `first` on, until one is neither sent nor queued. */
  sendMany(
    id: SocketId,
    to: NodeAddress,
    toPort: number,
    payloads: readonly Uint8Array[],
    first: number,
    now: Instant,
  ): SentMany {
    const socket = this.sockets.get(id);
    if (socket === undefined) return { taken: 0, outcome: 'closed' };
    const path = this.pathTo(socket, to, toPort);
    if (path === undefined) return { taken: 0, outcome: 'unreachable' };
    let outcome: SendOutcome = 'sent';
    for (let i = first; i < payloads.length; i++) {
      outcome = this.sendOn(socket, path, toPort, payloads[i]!, now);
      if (outcome !== 'sent' && outcome !== 'queued') return { taken: i - first, outcome };
    }
    return { taken: payloads.length - first, outcome };
  }

  /**
   * Sends until the destination has said that its socket has the message. 'queued' is taken; its
   * outcome follows through the sink, with this id. A way need not stand at the moment.
   */
  sendReliable(
    id: SocketId,
    to: NodeAddress,
    toPort: number,
    message: ReliableMessage,
    now: Instant,
  ): SendOutcome {
    const { isKnown, limits } = this.options;
    const socket = this.sockets.get(id);
    if (socket === undefined) return 'closed';
    if (message.payload.length > DATAGRAM_BYTES_MAX) return 'too-big';
    if (!isKnown(to)) return 'unreachable';
    const conversation = this.conversation(socket, to, toPort);
    let underWay = 0;
    for (const { underWay: some } of socket.conversations.values()) underWay += some.size;
    const isTaken =
      underWay < limits.reliableMessagesMax && this.outgoing.send(conversation, message, now);
    if (!isTaken) socket.wantsDrain = true;
    return isTaken ? 'queued' : 'full';
  }

  /** A receipt of an authentic packet. */
  receipt(receipt: Receipt, from: NodeAddress, now: Instant): void {
    this.outgoing.receipt(receipt, from, now);
  }

  peerRestarted(peer: NodeAddress): void {
    this.outgoing.peerRestarted(peer);
  }

  nextTimeout(): Instant | undefined {
    const messages = soonest(this.incoming.nextTimeout(), this.outgoing.nextTimeout());
    return soonest(messages, this.reassembly.nextTimeout());
  }

  timeout(now: Instant): void {
    this.reassembly.timeout(now);
    this.incoming.timeout(now);
    this.outgoing.timeout(now);
  }

  /** A row for each destination that a socket sends to along a graph. */
  flows(now: Instant): FlowStatus[] {
    return [...this.sockets.values()].flatMap(({ id, port, lane, service, routes }) => {
      const { scheme } = routes.routing;
      const { deadline } = service;
      return routes.graphs(now).map(({ request, graph }): FlowStatus => {
        const { destination } = request;
        return { kind: 'datagrams', id, port, destination, lane, scheme, deadline, graph, request };
      });
    });
  }

  /** A flow that was held back has room again; `flow` 0: all to the destination. */
  drained(flow: number): void {
    for (const socket of this.sockets.values()) {
      if (!socket.wantsDrain || (flow !== 0 && socket.flow !== flow)) continue;
      socket.wantsDrain = false;
      this.options.sink.datagramDrain(socket.id);
    }
  }

  /** A session with the peer stands: what waited for it goes, in the order it was sent. */
  peerReady(peer: NodeAddress, now: Instant): void {
    this.drainPending(peer, (socket, waiting) => {
      const route = socket.routes.routeTo(peer, waiting.toPort) ?? waiting.path.route;
      this.emit(socket, { ...waiting.path, route }, waiting.toPort, waiting.payload, now);
    });
    this.outgoing.peerReady(peer, now);
  }

  peerFailed(peer: NodeAddress): void {
    this.drainPending(peer, () => this.options.counters.add('datagram.pending-expired'));
  }

  /** A decoded message of an authentic packet. */
  receive(
    header: DataHeader,
    message: SocketMessage,
    bytes: Uint8Array,
    end: number,
    now: Instant,
  ): void {
    const { counters } = this.options;
    if (message.kind === 'port-unreachable') return counters.add('datagram.port-unreachable-heard');
    const socket = this.ports.owner(message.toPort);
    if (socket === undefined) {
      counters.add('datagram.no-socket');
      return this.sayPortUnreachable(header, message, now);
    }
    let payload: Uint8Array | undefined;
    if (message.kind === 'datagram') payload = this.views.of(bytes, message.payloadOffset, end);
    else payload = this.reassembly.add(header.source, message, bytes, end, now);
    if (payload === undefined) return;
    this.delivered.value++;
    this.options.sink.datagram(socket.id, payload, {
      from: header.source,
      fromPort: message.fromPort,
      lane: header.lane,
    });
  }

  /** A timed message of an authentic packet. */
  receiveTimed(
    header: DataHeader,
    message: DecodedTimedMessage,
    bytes: Uint8Array,
    end: number,
    now: Instant,
  ): void {
    const socket = this.ports.owner(message.toPort);
    if (socket === undefined) {
      this.options.counters.add('datagram.no-socket');
      if (message.wantsReceipt) return this.incoming.refuse(header, message, now);
      return this.sayPortUnreachable(header, message, now);
    }
    const { totalBytes, offset, payloadOffset } = message;
    // Beyond the 32 bits of a fragment's identifier, so that the two kinds never mix.
    const identifier = (message.conversation + 1) * 2 ** 32 + message.number;
    const payload =
      totalBytes === 0
        ? bytes.subarray(payloadOffset, end)
        : this.reassembly.add(
            header.source,
            { ...message, kind: 'fragment', totalBytes, offset, payloadOffset, identifier },
            bytes,
            end,
            now,
          );
    if (payload !== undefined) this.incoming.receive(header, message, socket.id, payload, now);
  }

  /** Undefined, and counted, where the destination cannot be reached. */
  private pathTo(socket: DatagramSocket, to: NodeAddress, toPort: number): FlowPath | undefined {
    const { lane, service, routes } = socket;
    const route = this.options.isKnown(to) ? routes.routeTo(to, toPort) : undefined;
    // A pinned or explicit route is taken even when routing thinks the destination is cut off.
    const isCutOff = route?.form === ROUTE_NONE && !this.options.isReachable(to, lane);
    if (route !== undefined && !isCutOff) return { destination: to, lane, service, route };
    this.options.counters.add('datagram.unreachable');
    return undefined;
  }

  private sendOn(
    socket: DatagramSocket,
    path: FlowPath,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome {
    if (payload.length > DATAGRAM_BYTES_MAX) return 'too-big';
    if (this.isHeldBack(socket, path.destination, now)) return 'full';
    if (this.options.outlet.messageBytesMax(path, now) > 0)
      return this.emit(socket, path, toPort, payload, now);
    return this.hold(socket, { path, toPort, payload: payload.slice() });
  }

  private emit(
    socket: DatagramSocket,
    path: FlowPath,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome {
    if (socket.playout === 0) {
      const { plain } = this;
      if (plain.ports.fromPort !== socket.port || plain.ports.toPort !== toPort)
        plain.ports = { fromPort: socket.port, toPort };
      plain.identifier = (plain.identifier + 1) >>> 0;
      return this.write(socket, path, plain, payload, now);
    }
    const c = this.conversation(socket, path.destination, toPort);
    const framing = this.timed(socket, c, c.nextNumber++, false, now);
    return this.write(socket, path, framing, payload, now);
  }

  private transmitReliable(
    c: OutgoingConversation,
    number: number,
    payload: Uint8Array,
    now: Instant,
  ): boolean {
    const socket = this.sockets.get(c.socket);
    const route = socket?.routes.routeTo(c.to, c.toPort);
    if (socket === undefined || route === undefined) return false;
    const { lane, service } = socket;
    const path: FlowPath = { destination: c.to, lane, service, route };
    if (this.options.outlet.messageBytesMax(path, now) === 0) return false;
    const framing = this.timed(socket, c, number, true, now);
    return this.write(socket, path, framing, payload, now) === 'sent';
  }

  private timed(
    socket: DatagramSocket,
    c: OutgoingConversation,
    number: number,
    wantsReceipt: boolean,
    now: Instant,
  ): Framing {
    const { playout, port: fromPort } = socket;
    const { toPort, id: conversation } = c;
    const timeSent = Math.floor(now / TIME_SENT_STEP) >>> 0;
    const ports = { fromPort, toPort };
    return timedFraming({ playout, wantsReceipt, ...ports, conversation, number, timeSent });
  }

  private write(
    socket: DatagramSocket,
    path: FlowPath,
    framing: Framing,
    payload: Uint8Array,
    now: Instant,
  ): PacketOutcome {
    const { outlet } = this.options;
    const flow = outlet.liveFlow(socket.flow);
    if (flow === undefined) return 'unreachable';
    socket.flow = flow;
    this.sent.value++;
    return writeMessage(outlet, { path, flow }, framing, payload, now);
  }

  private conversation(
    socket: DatagramSocket,
    to: NodeAddress,
    toPort: number,
  ): OutgoingConversation {
    const { conversations } = socket;
    // 48 bits: exact in a double.
    const key = to * 0x1_0000 + toPort;
    const known = conversations.get(key);
    if (known !== undefined) return known;
    if (conversations.size >= this.options.limits.socketConversationsMax)
      for (const [oldest, { underWay }] of conversations) {
        if (underWay.size > 0) continue;
        conversations.delete(oldest);
        break;
      }
    const made = this.outgoing.create(socket.id, to, toPort);
    conversations.set(key, made);
    return made;
  }

  private reliableEnded(id: SocketId, message: number, outcome: ReceiptOutcome): void {
    this.options.sink.datagramReceipt?.(id, message, outcome);
    const socket = this.sockets.get(id);
    if (socket?.wantsDrain !== true || !this.outgoing.hasRoom) return;
    socket.wantsDrain = false;
    this.options.sink.datagramDrain(id);
  }

  private sendReceipt(header: DataHeader, receipt: Receipt, now: Instant): void {
    const { outlet } = this.options;
    const path = answerPath(header);
    if (outlet.messageBytesMax(path, now) === 0) return;
    encodeReceipt(outlet.scratch, outlet.scratchOffset, receipt);
    outlet.sendMessage(path, outlet.commonFlow, RECEIPT_BYTES, now);
  }

  /** State: a socket that is told so hears of it when there is room again. */
  private isHeldBack(socket: DatagramSocket, destination: NodeAddress, now: Instant): boolean {
    const { flow, service } = socket;
    if (!isReliable(service.recovery)) return false;
    if (this.options.network.isFull?.({ destination, flow, service }, now) !== true) return false;
    this.options.counters.add('datagram.held-back');
    socket.wantsDrain = true;
    return true;
  }

  private hold(socket: DatagramSocket, waiting: Waiting): SendOutcome {
    const { counters, limits } = this.options;
    // What must not be lost does not give way to what comes after it.
    const isUnlosable = isReliable(socket.service.recovery) && socket.pending.isFull;
    if (isUnlosable || this.pendingBytes + waiting.payload.length > limits.pendingBytesMax) {
      counters.add('datagram.pending-refused');
      socket.wantsDrain = true;
      return 'full';
    }
    if (socket.pending.isFull) {
      counters.add('datagram.pending-dropped');
      this.pendingBytes -= socket.pending.shift()!.payload.length;
    }
    socket.pending.push(waiting);
    this.pendingBytes += waiting.payload.length;
    return 'queued';
  }

  /** Takes what waits for one peer out of all queues, keeping the rest in order. */
  private drainPending(
    peer: NodeAddress,
    each: (socket: DatagramSocket, waiting: Waiting) => void,
  ): void {
    for (const socket of this.sockets.values()) {
      for (let left = socket.pending.length; left > 0; left--) {
        const waiting = socket.pending.shift()!;
        if (waiting.path.destination !== peer) {
          socket.pending.push(waiting);
          continue;
        }
        this.pendingBytes -= waiting.payload.length;
        each(socket, waiting);
      }
    }
    if (this.pendingBytes > this.options.limits.pendingBytesMax / 2) return;
    for (const socket of this.sockets.values()) {
      if (!socket.wantsDrain) continue;
      socket.wantsDrain = false;
      this.options.sink.datagramDrain(socket.id);
    }
  }

  private sayPortUnreachable(header: DataHeader, message: Ports, now: Instant): void {
    const { outlet } = this.options;
    const path = bestPath(header.source, header.lane);
    if (outlet.messageBytesMax(path, now) === 0) return;
    encodePortUnreachable(outlet.scratch, outlet.scratchOffset, message);
    outlet.sendMessage(path, outlet.commonFlow, DATAGRAM_HEADER_BYTES, now);
  }
}
