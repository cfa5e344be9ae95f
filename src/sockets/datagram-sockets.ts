/**
 * Datagram sockets: messages of up to 65,000 bytes, delivered at most once, in no stated order. What is
 * longer than the path carries is cut here and put together at the destination.
 *
 * While no session with the destination stands, messages wait: per socket the oldest gives way, because
 * what a live flow sent first is worth least by then; over all sockets the newest is refused and its
 * sender told to wait for a drain.
 */

import type { Counters, Instant, NodeAddress, Random, Result } from '../kernel/index.ts';
import { BoundedQueue, fail, ok } from '../kernel/index.ts';
import type { DataHeader, PacketService, SocketMessage } from '../wire/index.ts';
import {
  DATAGRAM_BYTES_MAX,
  DATAGRAM_HEADER_BYTES,
  encodeDatagramHeader,
  encodeFragmentHeader,
  encodePortUnreachable,
  FRAGMENT_HEADER_BYTES,
  ROUTE_NONE,
  SERVICE_DEFAULT,
} from '../wire/index.ts';
import { FlowRoutes, isRoutingSound } from './flow-routes.ts';
import type { ReassemblyLimits } from './fragments.ts';
import { Reassembly } from './fragments.ts';
import { PortTable } from './port-table.ts';
import type {
  FlowOptions,
  FlowPath,
  PacketOutcome,
  PacketOutlet,
  SendOutcome,
  SocketId,
  SocketRefusal,
  SocketSink,
} from './socket-types.ts';
import { bestPath } from './socket-types.ts';

export interface DatagramLimits extends ReassemblyLimits {
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
  readonly isReachable: (address: NodeAddress) => boolean;
}

export class DatagramSockets {
  readonly reassembly: Reassembly;
  private readonly options: DatagramSocketsOptions;
  private readonly sockets = new Map<SocketId, DatagramSocket>();
  private readonly ports: PortTable<DatagramSocket>;
  private pendingBytes = 0;
  private nextIdentifier: number;

  constructor(options: DatagramSocketsOptions) {
    this.options = options;
    this.reassembly = new Reassembly(options.limits, options.counters);
    const { random } = options;
    this.ports = new PortTable({ capacity: options.limits.socketsMax, random });
    this.nextIdentifier = random.u32();
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
    if (!isRoutingSound(options.routing)) return fail('bad-argument');
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
      flow,
      wantsDrain: false,
    };
    this.ports.bind(port, socket);
    this.sockets.set(id, socket);
    return ok(port);
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
    return true;
  }

  send(
    id: SocketId,
    to: NodeAddress,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome {
    const { outlet, counters } = this.options;
    const socket = this.sockets.get(id);
    if (socket === undefined) return 'closed';
    if (payload.length > DATAGRAM_BYTES_MAX) return 'too-big';
    const route = this.options.isKnown(to) ? socket.routes.routeTo(to, toPort) : undefined;
    // A pinned or explicit route is taken even when routing thinks the destination is cut off.
    if (route === undefined || (route.form === ROUTE_NONE && !this.options.isReachable(to))) {
      counters.add('datagram.unreachable');
      return 'unreachable';
    }
    const { lane, service } = socket;
    const path: FlowPath = { destination: to, lane, service, route };
    if (outlet.messageBytesMax(path, now) > 0) return this.emit(socket, path, toPort, payload, now);
    return this.hold(socket, { path, toPort, payload: payload.slice() });
  }

  /** A session with the peer stands: what waited for it goes, in the order it was sent. */
  peerReady(peer: NodeAddress, now: Instant): void {
    this.drainPending(peer, (socket, waiting) => {
      this.emit(socket, waiting.path, waiting.toPort, waiting.payload, now);
    });
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
    if (message.kind === 'datagram') payload = bytes.subarray(message.payloadOffset, end);
    else payload = this.reassembly.add(header.source, message, bytes, end, now);
    if (payload === undefined) return;
    counters.add('datagram.delivered');
    this.options.sink.datagram(socket.id, payload, {
      from: header.source,
      fromPort: message.fromPort,
      lane: header.lane,
    });
  }

  private emit(
    socket: DatagramSocket,
    path: FlowPath,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome {
    const { outlet, counters } = this.options;
    const flow = outlet.liveFlow(socket.flow);
    if (flow === undefined) return 'unreachable';
    socket.flow = flow;
    const most = outlet.messageBytesMax(path, now);
    const { scratch, scratchOffset } = outlet;
    const ports = { fromPort: socket.port, toPort };
    counters.add('datagram.sent');
    if (DATAGRAM_HEADER_BYTES + payload.length <= most) {
      encodeDatagramHeader(scratch, scratchOffset, ports);
      scratch.set(payload, scratchOffset + DATAGRAM_HEADER_BYTES);
      return outlet.sendMessage(path, flow, DATAGRAM_HEADER_BYTES + payload.length, now);
    }
    const step = most - FRAGMENT_HEADER_BYTES;
    if (step <= 0) return 'too-big';
    const identifier = this.nextIdentifier;
    this.nextIdentifier = (identifier + 1) >>> 0;
    let outcome: PacketOutcome = 'sent';
    for (let offset = 0; offset < payload.length && outcome === 'sent'; offset += step) {
      const length = Math.min(step, payload.length - offset);
      const totalBytes = payload.length;
      encodeFragmentHeader(scratch, scratchOffset, { ...ports, totalBytes, identifier, offset });
      const to = scratchOffset + FRAGMENT_HEADER_BYTES;
      scratch.set(payload.subarray(offset, offset + length), to);
      outcome = outlet.sendMessage(path, flow, FRAGMENT_HEADER_BYTES + length, now);
    }
    return outcome;
  }

  private hold(socket: DatagramSocket, waiting: Waiting): SendOutcome {
    const { counters, limits } = this.options;
    if (this.pendingBytes + waiting.payload.length > limits.pendingBytesMax) {
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

  private sayPortUnreachable(header: DataHeader, message: SocketMessage, now: Instant): void {
    const { outlet } = this.options;
    const path = bestPath(header.source, header.lane);
    if (outlet.messageBytesMax(path, now) === 0) return;
    encodePortUnreachable(outlet.scratch, outlet.scratchOffset, message);
    outlet.sendMessage(path, outlet.commonFlow, DATAGRAM_HEADER_BYTES, now);
  }
}
