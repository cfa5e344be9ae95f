/**
 * The one input contract and the one output contract of an overlay node. Both drivers, real sockets
 * and simulator, see exactly this; everything above the core is built on it.
 *
 * Calls take `now`, never earlier than in the call before. Nothing here waits. Views handed to the
 * sink are valid until the sink's method returns. What a call wants sent is gathered and given to
 * `NodeSink.transmit` when the batch is full, at the end of `handle`, and on `flush`.
 */
import type {
  Account,
  FlowReservation,
  FlowUse,
  LinkQueueStatus,
  QueueDrops,
  ReservationEntry,
  ReservationNews,
  ReservationOptions,
} from '../forwarding/index.ts';
import type {
  Crypto,
  DatagramBatch,
  Duration,
  Entropy,
  Instant,
  NodeAddress,
  Result,
  UnderlayAddress,
  WallTime,
} from '../kernel/index.ts';
import type { LinkStatus, PathSpec } from '../link/index.ts';
import type {
  GraphChange,
  OverruledReport,
  RouteExplanation,
  RouteStatus,
} from '../routing/index.ts';
import type { Member } from '../security/index.ts';
import type {
  DatagramMeta,
  EchoOutcome,
  FlowOptions,
  FlowStatus,
  SocketRefusal as NodeRefusal,
  ReceiptOutcome,
  ReliableMessage,
  SendOutcome,
  SentMany,
  SocketId,
  StreamFault,
  StreamId,
} from '../sockets/index.ts';
import type { PolicyRule } from '../wire/index.ts';

import type { LinkBandwidthStatus, RateApi } from './bandwidth.ts';
import type { PerformanceApi } from './performance.ts';
import type { ProbingOptions } from './probing.ts';
import type { RouteAnswers } from './route-answers.ts';

import type { TurncoatOptions } from './turncoat.ts';

/** Shapes that belong to the rooms below this one and are part of the contract as they stand. */
export type {
  Account,
  FlowReservation,
  FlowUse,
  LinkQueueStatus,
  QueueDrops,
  ReservationEntry,
  ReservationNews,
  ReservationOptions,
  ShortLink,
} from '../forwarding/index.ts';
export type { LinkStatus, PathSpec, PathStatus, RecoveryStatus } from '../link/index.ts';
export type {
  Edge,
  FlowExplanation,
  FlowRouteStatus,
  GraphChange,
  GraphExplanation,
  GraphKind,
  HistoryQuery,
  OverruledReport,
  PolicyCheck,
  RelayExplanation,
  RouteCandidate,
  RouteExplanation,
  RouteMoment,
  RouteRecord,
  RouteStatus,
} from '../routing/index.ts';
export type {
  DatagramMeta,
  EchoOutcome,
  FlowOptions,
  FlowRouting,
  FlowStatus,
  GraphStatus,
  ReceiptOutcome,
  ReliableMessage,
  SendOutcome,
  SentMany,
  SocketId,
  SocketRefusal as NodeRefusal,
  StreamFault,
  StreamId,
} from '../sockets/index.ts';
export type { CapacitySource, LinkBandwidthStatus, RateRequest } from './bandwidth.ts';
export type { FloodOptions, TurncoatOptions } from './turncoat.ts';

export interface NodeIdentity {
  /** Ed25519 seed, 32 bytes. */
  readonly signingSeed: Uint8Array;
  /** X25519 private key, 32 bytes. */
  readonly agreementKey: Uint8Array;
  /** Encoded certificate chain: own certificate first, then its issuer's where that is not a root. */
  readonly chain: Uint8Array;
}

/** A neighbour to open a link to. `remotes` are tried in turn until one answers. */
export interface NeighbourOptions {
  /** The member expected there; a link to any other member is refused. */
  readonly name?: string;
  readonly remotes: readonly UnderlayAddress[];
  /** Which local socket to use; default 0. */
  readonly local?: number;
  /**
   * What the way to it carries, in bits per second with all headers. Data above it waits here, by
   * source and priority, instead of in a queue that knows neither. Absent: `linkCapacity`.
   */
  readonly capacity?: number;
  /** Pairs of addresses to keep open all at once, in place of `remotes` and `local`; at most 4. */
  readonly paths?: readonly PathSpec[];
  /** Packets with a deadline go over two of the paths at once. */
  readonly isSentTwice?: boolean;
}

export interface NodeOptions {
  readonly identity: NodeIdentity;
  /** Signed manifest; its signature is checked against `rootKeys`. */
  readonly manifest: Uint8Array;
  readonly rootKeys: readonly Uint8Array[];
  /** u32, greater than at any earlier start of this identity: the node's incarnation. */
  readonly epoch: number;
  readonly neighbours: readonly NeighbourOptions[];
  /** Whether to take links from certified members that are not configured. Default 'members'. */
  readonly acceptLinks?: 'members' | 'configured';
  /** Capacity of links whose neighbour states none, in bits per second. Default: not throttled. */
  readonly linkCapacity?: number;
  /** How much of its links flows may reserve, together and of one member. */
  readonly reservations?: Partial<ReservationOptions>;
  /** Shares of members on throttled links, 1 to 100, by name. Default 1. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  /** Rules of policy of this node's own, beside the manifest's. */
  readonly policy?: readonly PolicyRule[];
  /** Seed of the non-secret draws: timer phases, jitter. */
  readonly seed: number;
  readonly timers?: Partial<NodeTimers>;
  readonly limits?: Partial<NodeLimits>;
  /** What measuring may cost, and whether relays are looked for by it. */
  readonly probing?: Partial<ProbingOptions>;
  /** Makes it a captured node, for tests. The network must be a lab. */
  readonly turncoat?: TurncoatOptions;
  /** Names of nodes that share their performance database with this one, and it with them. */
  readonly sharePerformance?: readonly string[];
  /** Sees every packet decision; for checkers and tests. */
  readonly observer?: NodeObserver;
}

export interface NodeTimers {
  /** Between hellos on a link. Default 100 ms. */
  readonly helloInterval: Duration;
  /** Silence after which a link is dead, at most. Default 1 s. */
  readonly deadAfterMax: Duration;
  /** Own link state is re-flooded this often. Default 40 s; others forget it after three of these. */
  readonly refreshInterval: Duration;
  /** Link keys are renewed after this time. Default 120 s. */
  readonly rekeyAfter: Duration;
}

export interface NodeLimits {
  readonly neighboursMax: number;
  readonly membersMax: number;
  readonly flowsMax: number;
  readonly socketsMax: number;
  readonly streamsMax: number;
  readonly pendingHandshakesMax: number;
  readonly outgoingBatchPackets: number;
}

export type NodeInput =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'datagrams'; readonly batch: DatagramBatch }
  /** What people's clocks say now; given at start and whenever it may have stepped. */
  | { readonly kind: 'wall-clock'; readonly wall: WallTime }
  /** Replaces the set of configured neighbours. Links no longer wanted are closed. */
  | { readonly kind: 'neighbours'; readonly neighbours: readonly NeighbourOptions[] }
  /** Members found on the local network, in place of those before: the performance database is shared with them. */
  | { readonly kind: 'lan-peers'; readonly peers: readonly NodeAddress[] }
  | { readonly kind: 'manifest'; readonly manifest: Uint8Array }
  /** Replaces this node's own rules of policy. */
  | { readonly kind: 'policy'; readonly rules: readonly PolicyRule[] }
  /** Captures the node, for tests, or sets it free. The network must be a lab. */
  | { readonly kind: 'turncoat'; readonly turncoat: TurncoatOptions | undefined }
  | { readonly kind: 'certificate'; readonly chain: Uint8Array }
  | {
      readonly kind: 'enrol-answer';
      readonly request: number;
      readonly answer: EnrolAnswer;
    }
  /** Withdraw: tell neighbours, flood empty link state. No links are made afterwards. */
  | { readonly kind: 'stop' };

export type EnrolAnswer =
  | { readonly granted: true; readonly chain: Uint8Array; readonly manifest: Uint8Array }
  | { readonly granted: false; readonly code: string };

export interface DatagramSocketOptions extends FlowOptions {
  /** 1..65535; absent: an ephemeral port. */
  readonly port?: number;
  /** Messages held while the way to the destination is being set up. Default 64, drop oldest. */
  readonly pendingMax?: number;
}

/** Where a node's effects go. Methods must not call back into the node. */
export interface NodeSink {
  transmit(batch: DatagramBatch): void;
  datagram(socket: SocketId, payload: Uint8Array, meta: DatagramMeta): void;
  /** A socket that said `full` has room again. */
  datagramDrain(socket: SocketId): void;
  /** How a reliable message of this socket ended. */
  datagramReceipt?(socket: SocketId, id: number, outcome: ReceiptOutcome): void;
  /** A stream arrived at a listener. */
  streamIncoming(listener: SocketId, stream: StreamId, from: NodeAddress, fromPort: number): void;
  streamConnected(stream: StreamId): void;
  /** In order, without gaps. Say `streamConsumed` when done with it, or the window closes. */
  streamData(stream: StreamId, bytes: Uint8Array): void;
  /** A stream whose `streamWrite` took less than offered has room again. */
  streamWritable(stream: StreamId): void;
  /** The peer finished its direction. */
  streamEnded(stream: StreamId): void;
  /** The last word about a stream; `reason` undefined when both sides finished in good order. */
  streamClosed(stream: StreamId, reason: StreamFault | undefined): void;
  echo(id: number, outcome: EchoOutcome): void;
  event(event: NodeEvent): void;
}

export type NodeEvent =
  | {
      readonly kind: 'link-up';
      readonly neighbour: NodeAddress;
      readonly name: string;
      readonly remote: UnderlayAddress;
    }
  | {
      readonly kind: 'link-down';
      readonly neighbour: NodeAddress;
      readonly name: string;
      readonly reason: string;
      /** How long nothing had been heard. */
      readonly silence: Duration;
    }
  /** Another path to the same neighbour is in use. */
  | {
      readonly kind: 'path-changed';
      readonly neighbour: NodeAddress;
      readonly name: string;
      readonly remote: UnderlayAddress;
      /** Place of the local socket. */
      readonly local: number;
      readonly reason: string;
    }
  /** All paths by one local socket are silent while others are heard, or it is over. */
  | {
      readonly kind: 'provider';
      readonly local: number;
      readonly isTrouble: boolean;
      readonly neighbours: readonly NodeAddress[];
    }
  | {
      readonly kind: 'route-changed';
      readonly destination: NodeAddress;
      /** Nodes after this one, destination last; undefined: unreachable. */
      readonly before: readonly NodeAddress[] | undefined;
      readonly after: readonly NodeAddress[] | undefined;
      /** What set it off, in words: "link DFW-LAX down", "link ATL-DFW loss 31 %". */
      readonly cause: string;
    }
  /** What became of a reserved rate: at first, and whenever it is lost or had again. */
  | ({ readonly kind: 'reservation' } & ReservationNews)
  /** A redundant flow's packets take another graph from now on. */
  | ({ readonly kind: 'graph-changed' } & GraphChange)
  | { readonly kind: 'member'; readonly address: NodeAddress; readonly name: string }
  | {
      readonly kind: 'member-gone';
      readonly address: NodeAddress;
      readonly name: string;
      readonly reason: string;
    }
  /** A newer manifest was adopted: keep it. */
  | { readonly kind: 'manifest'; readonly manifest: Uint8Array; readonly version: number }
  /** Somebody or something was refused. Rate limited; the counters have every one. */
  | {
      readonly kind: 'refused';
      readonly what: 'handshake' | 'packet' | 'record' | 'enrolment';
      readonly reason: string;
      readonly remote: string;
    }
  | {
      readonly kind: 'enrol-request';
      readonly request: number;
      readonly tokenSecret: Uint8Array;
      readonly name: string;
      readonly identityKey: Uint8Array;
      readonly agreementKey: Uint8Array;
      readonly remote: string;
    };

/** Packet decisions as they happen, for checkers; absent in production. */
export interface NodeObserver {
  packetSent?(header: PacketName): void;
  packetForwarded?(header: PacketName, from: NodeAddress, to: NodeAddress): void;
  packetDelivered?(header: PacketName): void;
  packetDropped?(header: PacketName | undefined, reason: string): void;
}

export interface PacketName {
  readonly source: NodeAddress;
  readonly destination: NodeAddress;
  readonly epoch: number;
  readonly flow: number;
  readonly sequence: number;
  /** How often a node took the packet back from a link that died. */
  readonly lap?: number;
  readonly lane?: number;
}

/** What an overlay node does, as seen by a driver. Implemented by `OverlayNode`. */
export interface OverlayNodeApi {
  readonly address: NodeAddress;
  readonly name: string;
  /** What paths were measured to be like. */
  readonly performance: PerformanceApi;
  /** Absent in stand-ins for tests. */
  readonly bandwidth?: RateApi;
  handle(input: NodeInput, now: Instant): void;
  nextTimeout(): Instant | undefined;
  /** Sends what local calls have gathered. */
  flush(now: Instant): void;

  datagramBind(options: DatagramSocketOptions, now: Instant): Result<BoundSocket, NodeRefusal>;
  datagramSend(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome;
  /**
   * Sends those from place `first` on, in order, until one is neither sent nor queued. Absent in
   * stand-ins for tests.
   */
  datagramSendMany?(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payloads: readonly Uint8Array[],
    first: number,
    now: Instant,
  ): SentMany;
  /**
   * Sends until the destination's receipt has come: 'queued' is taken, and `datagramReceipt` tells
   * the outcome. Absent in stand-ins for tests.
   */
  datagramSendReliable?(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    message: ReliableMessage,
    now: Instant,
  ): SendOutcome;
  socketClose(socket: SocketId, now: Instant): void;

  streamListen(options: { port?: number }, now: Instant): Result<BoundSocket, NodeRefusal>;
  streamConnect(
    to: NodeAddress,
    toPort: number,
    options: FlowOptions,
    now: Instant,
  ): Result<StreamId, NodeRefusal>;
  /** Bytes taken, 0 .. bytes.length; less than offered means wait for `streamWritable`. */
  streamWrite(stream: StreamId, bytes: Uint8Array, now: Instant): number;
  streamConsumed(stream: StreamId, bytes: number, now: Instant): void;
  /** No more writes from here; what was written still arrives. */
  streamFinish(stream: StreamId, now: Instant): void;
  /** Gives up both directions at once. */
  streamReset(stream: StreamId, now: Instant): void;

  /** Answered through `NodeSink.echo` with the same id, or never: the caller keeps the time. */
  echo(
    id: number,
    to: NodeAddress,
    options: FlowOptions & { hopLimit?: number; payloadBytes?: number },
    now: Instant,
  ): Result<void, NodeRefusal>;

  addressOf(name: string): NodeAddress | undefined;
  nameOf(address: NodeAddress): string | undefined;
  /** The certified member at an address, this node included. Absent in stand-ins for tests. */
  memberAt?(address: NodeAddress): Member | undefined;
  status(now: Instant): NodeStatus;
  explainRoute(destination: NodeAddress, now: Instant): RouteExplanation | undefined;
  /**
   * The least time one way to a destination when all is well, over what policy leaves to the lane: no
   * flow can ask for less. Undefined: unreachable. Absent in stand-ins for tests.
   */
  leastLatency?(destination: NodeAddress, lane?: number): Duration | undefined;
  /** Absent in stand-ins for tests. */
  readonly routes?: RouteAnswers;
}

export interface BoundSocket {
  readonly socket: SocketId;
  readonly port: number;
}

export interface MemberStatus {
  readonly address: NodeAddress;
  readonly name: string;
  readonly isReachable: boolean;
  readonly certificateEnds: WallTime;
}

export interface NodeStatus {
  readonly address: NodeAddress;
  readonly name: string;
  readonly network: { readonly name: string; readonly id: string; readonly isLab: boolean };
  readonly manifestVersion: number;
  readonly epoch: number;
  readonly uptime: Duration;
  readonly certificateEnds: WallTime;
  readonly links: readonly LinkStatus[];
  readonly routes: readonly RouteStatus[];
  readonly members: readonly MemberStatus[];
  /** Streams opened here, and where sockets send along graphs. */
  readonly flows?: readonly FlowStatus[];
  readonly counters: Readonly<Record<string, number>>;
  /** Use of the network by member and lane, as this node saw it pass. */
  readonly accounting?: readonly Account[];
  /** Flows that this node sends, passes on or receives, those used last first. */
  readonly traffic?: readonly FlowUse[];
  /** Links with a capacity and what waits for them. */
  readonly queues?: readonly LinkQueueStatus[];
  /** What these queues dropped, by link and lane. */
  readonly queueDrops?: readonly QueueDrops[];
  /** Where the manifest says which links may exist: how many, and what nodes claimed in vain. */
  readonly topology?: { readonly links: number; readonly overruled: readonly OverruledReport[] };
  /** What links carry, rates that flows of this node have reserved, and what is given away here. */
  readonly bandwidth?: {
    readonly links: readonly LinkBandwidthStatus[];
    readonly reservations: readonly FlowReservation[];
    readonly granted: readonly ReservationEntry[];
  };
}
