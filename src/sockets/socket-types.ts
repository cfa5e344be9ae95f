/**
 * What the socket layer and its surroundings say to each other. The node's contract shows several of
 * these shapes to drivers as they stand here.
 */
import type { PlayoutWord } from '../forwarding/index.ts';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type {
  ChosenRoute,
  DisseminationPlan,
  DisseminationRequest,
  FlowMetric,
  FlowSpec,
  GraphKind,
} from '../routing/index.ts';
import type { DataHeader, GraphEdge, PacketService, RouteBlock } from '../wire/index.ts';
import {
  copyService,
  FLOOD_ROUTE,
  NO_ROUTE,
  PRIORITY_MAX,
  SERVICE_DEFAULT,
} from '../wire/index.ts';

export type SocketId = number;
export type StreamId = number;

/**
 * How a flow's packets find their way. `pinned`: on the route of its first packet for ever. `metric`:
 * on the best route by a metric of the flow's own, as `routing/choice/` chooses it. `disjoint`: on as
 * many node-disjoint paths, or as many as there are. `flood`: over every link. `time-constrained`: over
 * every link that can help within the flow's deadline, which it needs. `targeted`: on two disjoint
 * paths, with more where an end is in trouble.
 */
export type FlowRouting =
  | { readonly scheme: 'best' }
  | { readonly scheme: 'pinned' }
  | { readonly scheme: 'explicit'; readonly route: readonly NodeAddress[] }
  | {
      readonly scheme: 'metric';
      readonly metric: FlowMetric;
      /** `one`: the direct link or one node between. Default `any`. */
      readonly hops?: 'any' | 'one';
      /** Over near paths too, each flow on one of them for as long as it stands. */
      readonly isSpread?: boolean;
    }
  | { readonly scheme: 'disjoint'; readonly paths: number }
  | { readonly scheme: 'flood' }
  | { readonly scheme: 'time-constrained' }
  | { readonly scheme: 'targeted' };

/** What the destination does with messages before its application gets them; forwarding/lane.ts. */
export type Playout = PlayoutWord;

/** The graph that a redundant flow's packets take now. */
export interface GraphStatus {
  readonly kind: GraphKind;
  readonly edges: readonly GraphEdge[];
  /** Disjoint paths in it; 0 where that is not what it is made of. */
  readonly paths: number;
  /** Fewer than asked for, because there are no more. */
  readonly isShort: boolean;
  /** Over the best of its ways. */
  readonly latency: Duration;
  /** Whether that keeps the flow's deadline. */
  readonly isInTime: boolean;
  readonly since: Duration;
  readonly cause: string;
  /** Graphs before it. */
  readonly switches: number;
}

/** One destination of an open socket, or one stream. */
export interface FlowStatus {
  readonly kind: 'datagrams' | 'stream';
  readonly id: SocketId | StreamId;
  readonly port: number;
  readonly destination: NodeAddress;
  readonly lane: number;
  readonly scheme: FlowRouting['scheme'];
  /** 0: none. */
  readonly deadline: Duration;
  readonly graph: GraphStatus | undefined;
  /** What the graph was made for; undefined where there is none. */
  readonly request: DisseminationRequest | undefined;
}

export interface FlowOptions {
  /** Lane number on the wire; 0 is `default`. */
  readonly lane?: number;
  readonly routing?: FlowRouting;
  /** What the flow asks of each link; absent: best effort. */
  readonly service?: Readonly<PacketService>;
  /** Of datagrams; absent: none. */
  readonly playout?: Playout;
}

export type SendOutcome =
  | 'sent'
  /** Held until the end-to-end session stands. */
  | 'queued'
  /** Not taken; a `datagramDrain` follows when there is room. */
  | 'full'
  | 'unreachable'
  | 'too-big'
  | 'closed';

/** How far a batch of datagrams came. */
export interface SentMany {
  /** Those sent or queued. */
  readonly taken: number;
  /** Of the one behind them, which was not; of the last, where all were. */
  readonly outcome: SendOutcome;
}

/** A message that is sent until its receipt has come. */
export interface ReliableMessage {
  /** The sender's, for the outcome. */
  readonly id: number;
  readonly payload: Uint8Array;
  /** How long it is sent again. Default 30 s. */
  readonly patience?: Duration;
}

/** How a reliable message ended. */
export type ReceiptOutcome =
  /** The destination's socket has it. */
  | 'delivered'
  /** No socket has the port there. */
  | 'refused'
  | 'timed-out'
  /** The destination was started again: it may have had it, or not. */
  | 'peer-restarted';

export type SocketRefusal =
  | 'port-in-use'
  | 'limit-reached'
  | 'unknown-destination'
  | 'unreachable'
  | 'closed'
  | 'bad-argument'
  /** What a socket sends to one destination is one flow, and has one rate. */
  | 'rate-already-reserved'
  /** The scheme is computed for a deadline and there is none. */
  | 'deadline-missing'
  /** Below the least latency there is to the destination: see `leastLatency`. */
  | 'deadline-too-short';

export type StreamFault =
  | 'refused'
  | 'reset'
  | 'timed-out'
  | 'unreachable'
  | 'peer-restarted'
  | 'aborted'
  | 'node-stopped';

export interface DatagramMeta {
  readonly from: NodeAddress;
  readonly fromPort: number;
  readonly lane: number;
}

export type EchoOutcome = {
  readonly kind: 'reply' | 'hop-limit-exceeded' | 'unreachable';
  readonly from: NodeAddress;
  readonly rtt: Duration;
};

/** The socket part of the node's sink; see the node's contract for what each means. */
export interface SocketSink {
  datagram(socket: SocketId, payload: Uint8Array, meta: DatagramMeta): void;
  datagramDrain(socket: SocketId): void;
  /** How a reliable message ended. Absent where nobody sends any. */
  datagramReceipt?(socket: SocketId, id: number, outcome: ReceiptOutcome): void;
  streamIncoming(listener: SocketId, stream: StreamId, from: NodeAddress, fromPort: number): void;
  streamConnected(stream: StreamId): void;
  streamData(stream: StreamId, bytes: Uint8Array): void;
  streamWritable(stream: StreamId): void;
  streamEnded(stream: StreamId): void;
  streamClosed(stream: StreamId, reason: StreamFault | undefined): void;
  echo(id: number, outcome: EchoOutcome): void;
}

/** A packet on its way out. Reused: the outlet must not keep it. */
export interface SocketPacket {
  destination: NodeAddress;
  kind: number;
  lane: number;
  hopLimit: number;
  flow: number;
  sequence: number;
  service: Readonly<PacketService>;
  route: RouteBlock;
}

export type PacketOutcome = 'sent' | 'unreachable' | 'too-big';

/** The packet path, seen from the sockets. */
export interface PacketOutlet {
  /** `payload` is copied before the call returns. */
  send(packet: SocketPacket, payload: Uint8Array, now: Instant): PacketOutcome;
  /** Whether a flow that must not be lost is held back: its socket waits until it is `drained`. */
  isFull?(packet: Pick<SocketPacket, 'destination' | 'flow' | 'service'>, now: Instant): boolean;
  /** The best route at the moment, every node after this one; undefined: unreachable. */
  pinnedRoute(destination: NodeAddress): readonly NodeAddress[] | undefined;
  /** What a flow that asks for nothing carries: no route, or one that policy has stamped. */
  defaultRoute(destination: NodeAddress, lane: number): RouteBlock | undefined;
  /** A route that is chosen for one flow and kept up to date. */
  chooseRoute(spec: FlowSpec): ChosenRoute;
  releaseRoute(route: ChosenRoute): void;
  /** Counts up whenever `graph` may answer differently. */
  graphVersion(): number;
  /** The graph for a redundant flow's packets at the moment; undefined: unreachable. */
  graph(request: DisseminationRequest): DisseminationPlan | undefined;
  /** One way, when all is well; undefined: unreachable. */
  leastLatency(destination: NodeAddress, lane: number): Duration | undefined;
  /** Whether policy lets a flow go over all these nodes; asked again when `graphVersion` has moved. */
  permitsPath(destination: NodeAddress, lane: number, path: readonly NodeAddress[]): boolean;
}

/** Where one flow's packets go. */
export interface FlowPath {
  readonly destination: NodeAddress;
  readonly lane: number;
  readonly service: Readonly<PacketService>;
  readonly route: RouteBlock;
  /** Bytes that the route may come to take; what is sent leaves room for it. */
  readonly routeRoom?: number;
}

const OWN_SERVICE: Readonly<PacketService> = { ...SERVICE_DEFAULT, priority: PRIORITY_MAX };

/** The way that every node chooses by itself, best effort: answers. */
export const bestPath = (destination: NodeAddress, lane = 0): FlowPath => ({
  destination,
  lane,
  service: SERVICE_DEFAULT,
  route: NO_ROUTE,
});

/**
 * Messages of the node itself: sessions, reservations. They go before what its applications send, or a node
 * that sends more than its links carry could neither open a session nor keep what is reserved for it.
 */
export const ownPath = (destination: NodeAddress): FlowPath => ({
  ...bestPath(destination),
  service: OWN_SERVICE,
});

/** Over every link, signed, so that no node on one way decides what becomes of it. */
export const everyWay = (destination: NodeAddress): FlowPath => ({
  ...ownPath(destination),
  service: { ...OWN_SERVICE, isSigned: true },
  route: FLOOD_ROUTE,
});

/** Back to a packet's source, in the lane and with the service that it chose; signed if it was. */
export function answerPath(header: DataHeader): FlowPath {
  const isSigned = header.proofWords > 0;
  const service = { ...SERVICE_DEFAULT, ...(isSigned ? { isSigned } : {}) };
  copyService(header, service);
  return { ...bestPath(header.source, header.lane), service };
}
