/**
 * What an application sees of an overlay node. The same interface is implemented twice: embedded
 * (`OverlayHost` in this folder drives the node inside the process) and remote (a connection to a
 * daemon over its Unix socket). Therefore everything that comes out is plain data, as JSON could
 * carry it, or a standard Node object: a Duplex, an EventEmitter, an async iterable.
 *
 * Units are in the names: `...Ms` is milliseconds with fractions, `loss...` a share from 0 to 1.
 * Points in time are ISO 8601 strings. A node is named by its member name; where a name is not
 * known, its overlay address in eight hexadecimal digits stands in its place, and is accepted
 * wherever a name is.
 *
 * What fails at this interface fails with `OverlayError`; `code` is one of `ApiErrorCode`.
 * Every option object takes a `signal`. Aborting a call that waits rejects it with `ABORTED`;
 * aborting something open (a socket, a server, a watch) closes it without an error.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { NodeStatus, RouteExplanation } from './api-status.ts';
import type { EventUpdate, LinkUpdate, RouteUpdate } from './api-watch.ts';

export type * from './api-status.ts';
export type * from './api-watch.ts';

import type { PlayoutWord, RecoveryWord, RoutingWord } from '../forwarding/index.ts';
import type {
  FlowRouteReport,
  FlowSummary,
  HistoryOptions,
  MetricRouting,
  PolicyOptions,
  PolicyReport,
  RouteAt,
  RouteHistoryEntry,
  RoutesAtOptions,
} from './route-api.ts';

export type { PlayoutWord, RecoveryWord, RoutingWord } from '../forwarding/index.ts';

/** Every code this interface fails with. Append-only; described in docs/errors.md. */
export type ApiErrorCode =
  /** An argument cannot mean anything: a malformed endpoint, a port out of range. */
  | 'BAD_ARGUMENT'
  /** No member of this name is known here. May be retried: it may be learned later. */
  | 'UNKNOWN_DESTINATION'
  /** The member is known and there is no route to it at the moment. */
  | 'UNREACHABLE'
  /** The other end has no listener on this port, or it turned the stream away. */
  | 'REFUSED'
  /** The other end gave the stream up. */
  | 'RESET'
  /** Nothing came back within the time allowed. */
  | 'TIMED_OUT'
  /** The other node was started again; its ends of all streams are gone. */
  | 'PEER_RESTARTED'
  /** This side gave the stream up. */
  | 'STREAM_ABORTED'
  | 'PORT_IN_USE'
  /** A bound of this node is reached: sockets, streams, flows. */
  | 'LIMIT_REACHED'
  /** A datagram longer than `DATAGRAM_BYTES_MAX`. */
  | 'MESSAGE_TOO_BIG'
  /** The socket, server or node was closed before. */
  | 'CLOSED'
  /** The node stopped while this was open. */
  | 'NODE_STOPPED'
  /** The caller's signal was aborted; `cause` is its reason. */
  | 'ABORTED'
  /** Impairments are for networks made as labs. */
  | 'NOT_A_LAB'
  /** A local UDP port cannot be opened; `details` has host, port and the system's code. */
  | 'UNDERLAY_BIND_FAILED'
  /** `underlay: fast` was asked for and cannot be had; `details.reason` says why. */
  | 'FAST_UNDERLAY_UNAVAILABLE'
  /** The certificate or keys given at the start do not stand up; `details.reason` says why. */
  | 'BAD_IDENTITY'
  /** The manifest given at the start is not signed by a root key given with it. */
  | 'MANIFEST_INVALID'
  /** No lane has this name; `details.nearest` is the one most likely meant. */
  | 'UNKNOWN_LANE'
  /** The lane's promise cannot be kept to that destination; `details.nearest` is a lane whose can. */
  | 'LANE_CANNOT_HOLD'
  /** More than a link of the way can give; `details` has the link, why, and what is `available`. */
  | 'RATE_NOT_AVAILABLE';

/** Longest datagram an overlay datagram socket takes, in bytes. */
export const DATAGRAM_BYTES_MAX = 65_000;

/** Datagrams a socket holds after `send` has returned false. */
export const SEND_WAITING_MAX = 64;

/** `NAME:port`, or the two apart. */
export type Endpoint = string | EndpointParts;

export interface EndpointParts {
  readonly node: string;
  /** 1..65535. */
  readonly port: number;
}

export interface PerformanceReport {
  /** Default: this node. */
  readonly from?: string;
  /** A node, or whatever else was measured: up to 128 characters. */
  readonly to: string;
  readonly metric: string;
  readonly value: number;
}

export interface PerformanceQuery {
  readonly from?: string;
  readonly to?: string;
  readonly metric?: string;
}

/**
 * One path and metric. The node's own links are under `rtt-ms`, `mtu`, and in either direction (`-out`,
 * `-in`) `loss`, `reordered`, `jitter-out-ms`, and where there were losses `burst`; what they carry outwards is
 * under `capacity` and `available`, bits a second.
 */
export interface PerformanceRow {
  readonly from: string;
  readonly to: string;
  readonly metric: string;
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly median: number;
  readonly last: number;
  readonly stdev: number;
  /** Since the last sample. */
  readonly ageMs: number;
}

export interface SignalOption {
  readonly signal?: AbortSignal;
}

/**
 * How packets find their way. `best`: the best route at each moment. `pinned`: for ever the route
 * of the first packet, as an unprotected Internet path would. `via`: exactly these nodes in order,
 * the destination last. `disjoint`: that many node-disjoint paths at once. `metric`: the best by a
 * measure of the flow's own, docs/routing.md. The other words are explained in docs/lanes.md.
 */
export type RoutingChoice =
  | RoutingWord
  | { readonly via: readonly string[] }
  | { readonly disjoint: number }
  | MetricRouting;

/**
 * What a flow asks for: a lane by name, or parts spelled out, or parts that differ from the named
 * lane's. docs/lanes.md has the words and what each lane is made of.
 */
export interface FlowChoice {
  /** Default `default`. */
  readonly lane?: string;
  readonly routing?: RoutingChoice;
  readonly recovery?: RecoveryWord;
  /** One way, source to destination, with its unit: `130ms`. At most 6.5 s; `0ms`: none. */
  readonly deadline?: string;
  /** 0..15; the greater goes first among packets of this node. */
  readonly priority?: number;
  /** Requests for a lost packet, 0..15; 0: each link chooses. */
  readonly requests?: number;
  /** Retransmissions on a request, 0..15; 0: each link chooses. */
  readonly retransmissions?: number;
  /** What the destination does with datagrams before its program gets them. */
  readonly playout?: PlayoutWord;
  /** Whether its packets bear this node's signature, which every node on the way checks. */
  readonly signed?: boolean;
  /**
   * What the flow will send, such as `8Mbit`, with all headers: reserved on every link of its way, docs/lanes.md.
   * Needs a destination when it is opened.
   */
  readonly rate?: string;
}

/** A lane, or a choice resolved to one, as it stands at a node. */
export interface LaneReport {
  readonly name: string;
  readonly number: number;
  readonly purpose: string;
  readonly routing: RoutingWord;
  /** Paths of the routing `disjoint`. */
  readonly paths: number;
  readonly recovery: RecoveryWord;
  /** 0: none. */
  readonly deadlineMs: number;
  readonly priority: number;
  readonly requests: number;
  readonly retransmissions: number;
  readonly playout: PlayoutWord;
  /** Whether its packets are signed by their source. */
  readonly signed: boolean;
  /** Towards the destination asked for: the least that the way takes; undefined: not known. */
  readonly latencyMs: number | undefined;
  /** Why it cannot hold to that destination; undefined: nothing speaks against it. */
  readonly refusal: string | undefined;
  /** What it will do with less than it asks for there: paths that do not exist; undefined: all is to be had. */
  readonly shortfall: string | undefined;
}

// ---------------------------------------------------------------------------------------------
// The node

export interface OverlayNodeHandle extends AsyncDisposable {
  /** Member name of the node. */
  readonly name: string;
  /** Overlay address, eight hexadecimal digits. */
  readonly address: string;

  /**
   * Opens a datagram socket. Fails with PORT_IN_USE, LIMIT_REACHED, UNKNOWN_LANE, LANE_CANNOT_HOLD,
   * RATE_NOT_AVAILABLE, BAD_ARGUMENT, CLOSED.
   */
  datagram(options?: DatagramOptions): Promise<DatagramSocket>;

  /**
   * Opens a stream to a listener behind another node. Resolves when the other end has accepted.
   * Fails with UNKNOWN_DESTINATION, UNREACHABLE, UNKNOWN_LANE, LANE_CANNOT_HOLD, RATE_NOT_AVAILABLE, REFUSED, TIMED_OUT,
   * LIMIT_REACHED, ABORTED, CLOSED.
   */
  connect(to: Endpoint, options?: ConnectOptions): Promise<OverlayStream>;

  /**
   * Accepts streams on an overlay port. Fails with PORT_IN_USE, LIMIT_REACHED, BAD_ARGUMENT, CLOSED.
   * Without a handler, listen for 'connection'; a stream nobody takes is reset.
   */
  listen(options: ListenOptions, handler?: (stream: OverlayStream) => void): Promise<StreamServer>;

  /**
   * One echo request. An answer of any kind resolves, silence resolves with `timed-out`: a lost
   * packet is a result. Fails with UNKNOWN_DESTINATION, BAD_ARGUMENT, ABORTED, CLOSED.
   */
  ping(node: string, options?: PingOptions): Promise<PingResult>;

  /** Measures the way hop by hop and adds why it is the way. Fails as `ping` does. */
  trace(node: string, options?: TraceOptions): Promise<TraceResult>;

  /**
   * A sample of whatever an application measures between two names: a fetch time from a mirror, a rating.
   * Kept for an hour, summarised by `performance`. Fails with BAD_ARGUMENT, CLOSED.
   */
  reportPerformance(report: PerformanceReport, options?: SignalOption): Promise<void>;

  /** Summaries of all that matches; empty where nothing is known. Fails with CLOSED. */
  performance(filter?: PerformanceQuery & SignalOption): Promise<readonly PerformanceRow[]>;

  /** The match with the least median (`most`: the greatest): which mirror, which relay. Fails with CLOSED. */
  bestPerformance(
    query: PerformanceQuery & { readonly metric: string; readonly most?: boolean } & SignalOption,
  ): Promise<PerformanceRow | undefined>;

  /** The route to one node, the others that were considered, and why they lost. */
  explain(node: string, options?: SignalOption): Promise<RouteExplanation>;

  /**
   * Why flows go the way they go: a node's name for all that goes there, `NODE:port`, or the number
   * of a flow. Fails with UNKNOWN_DESTINATION, ABORTED, CLOSED.
   */
  why(flow: string, options?: SignalOption): Promise<readonly FlowRouteReport[]>;

  /** Flows of this node that chose their routes by a metric of their own, or had to by policy. */
  flows(options?: SignalOption): Promise<readonly FlowSummary[]>;

  /** Changes of this node's routes within the past day, newest first. */
  routeHistory(options?: HistoryOptions): Promise<readonly RouteHistoryEntry[]>;

  /** The routes that were in force at a moment of the past day. Fails with BAD_ARGUMENT. */
  routesAt(options: RoutesAtOptions): Promise<readonly RouteAt[]>;

  /** What a flow between two nodes could use, and what policy keeps from it. */
  checkPolicy(from: string, to: string, options?: PolicyOptions): Promise<PolicyReport>;

  status(options?: SignalOption): Promise<NodeStatus>;

  /** The network's lanes, and with `to` whether each can hold to that node. */
  lanes(options?: { readonly to?: string } & SignalOption): Promise<readonly LaneReport[]>;

  /**
   * What a choice means here, and that it can hold to `to`. Opens nothing. Fails with UNKNOWN_LANE,
   * LANE_CANNOT_HOLD, BAD_ARGUMENT, UNKNOWN_DESTINATION.
   */
  checkLane(
    choice: FlowChoice,
    options?: { readonly to?: string } & SignalOption,
  ): Promise<LaneReport>;

  /**
   * What changes, as it changes; the first item is always a snapshot. A consumer that falls more
   * than `WATCH_QUEUE_MAX` items behind loses them and gets a fresh snapshot whose `missed` says
   * how many. Ends when the signal is aborted or the node closes.
   */
  watch(topic: 'links', options?: SignalOption): AsyncIterable<LinkUpdate>;
  watch(topic: 'routes', options?: SignalOption): AsyncIterable<RouteUpdate>;
  watch(topic: 'events', options?: SignalOption): AsyncIterable<EventUpdate>;

  /**
   * Embedded: withdraws from the network and closes everything. Remote: lets the connection go;
   * the daemon and its node stay. Calling it again waits for the same end.
   */
  close(): Promise<void>;
}

export const WATCH_QUEUE_MAX = 256;

// ---------------------------------------------------------------------------------------------
// Datagrams

export interface DatagramOptions extends FlowChoice, SignalOption {
  /** The node it will be used with: the lane is checked against the way there at once. */
  readonly to?: string;
  /** 1..65535. Absent: an ephemeral port. */
  readonly port?: number;
  /** Received datagrams held for a reader. Default 1024; the oldest are dropped and counted. */
  readonly receiveQueueMax?: number;
  /** Messages held while the way to a destination is being set up. Default 64. */
  readonly pendingMax?: number;
}

export interface Datagram {
  /** The program's own, but perhaps part of a larger buffer: copy what is kept for long. */
  readonly payload: Uint8Array;
  readonly from: EndpointParts;
  /** Name of the lane it came in. */
  readonly lane: string;
}

export interface BatchOptions {
  /**
   * True: payloads may be written over once the next batch is asked for; copy what is kept. Saves a program that
   * hears much a third of its time. Has no effect on a socket that is, or was, read in other ways as well.
   * Default false.
   */
  readonly lent?: boolean;
}

/** Datagrams from one socket in one lane, in the order they came; at least one. */
export interface ReceivedBatch extends Omit<Datagram, 'payload'> {
  readonly payloads: readonly Uint8Array[];
}

export interface DatagramSocketEvents {
  /** There is room again after `send` returned false. */
  drain: [];
  /** A datagram arrived. With a listener on this event nothing is queued for iteration. */
  message: [datagram: Datagram];
  /**
   * A datagram was not sent for want of a route or a member; `unsent` counts it too. Or a reliable
   * one was not delivered: refused, no receipt in time, or the other node started again meanwhile.
   */
  undeliverable: [to: EndpointParts, code: UndeliverableCode];
  close: [];
}

export type UndeliverableCode =
  | 'UNREACHABLE'
  | 'UNKNOWN_DESTINATION'
  | 'REFUSED'
  | 'TIMED_OUT'
  | 'PEER_RESTARTED'
  | 'LIMIT_REACHED'
  | 'MESSAGE_TOO_BIG';

export interface SendOptions {
  readonly to: Endpoint;
  /**
   * Sent again until the other socket's receipt, for `RELIABLE_TIMEOUT_MS` at most; delivered once.
   * What fails is told by 'undeliverable'.
   */
  readonly reliable?: boolean;
}

export interface DeliverOptions extends SignalOption {
  readonly to: Endpoint;
  /** Default `RELIABLE_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
}

/** How long a reliable datagram is sent again when nothing else is said. */
export const RELIABLE_TIMEOUT_MS = 30_000;

/**
 * A datagram socket. Messages of up to `DATAGRAM_BYTES_MAX` bytes, each delivered whole and at most
 * once, in no promised order. Read it with `for await` (one reader), in batches, or by the 'message'
 * event. Iteration ends when the socket is closed.
 */
export interface DatagramSocket
  extends EventEmitter<DatagramSocketEvents>,
    AsyncIterable<Datagram>,
    AsyncDisposable {
  /** This node and the port it is bound to. */
  readonly local: EndpointParts;
  /** Received datagrams pushed out because nobody read them in time. */
  readonly dropped: number;
  /** Datagrams given to `send` that never left: no route, no such member, no room. */
  readonly unsent: number;
  /** Reliable datagrams whose receipt has come. */
  readonly delivered: number;

  /**
   * False means stop until 'drain', as with a Writable: the datagram itself was taken, unless
   * `SEND_WAITING_MAX` wait already; then it is dropped and counted in `unsent`. A text is sent as
   * UTF-8. The payload may be reused when this returns. Throws MESSAGE_TOO_BIG, BAD_ARGUMENT, CLOSED.
   */
  send(payload: Uint8Array | string, options: SendOptions): boolean;

  /**
   * Sends a datagram for each payload, in order, as many as there is room for, and returns how many.
   * Fewer than given: give the rest again on 'drain'. Costs far less than as many calls of `send`. The
   * payloads may be reused when this returns. Throws as `send` does, before any is sent.
   */
  sendMany(payloads: readonly Uint8Array[], options: { readonly to: Endpoint }): number;

  /** What arrives, all at once that has come since the last look. For many datagrams a second. */
  batches(options?: BatchOptions): AsyncIterableIterator<ReceivedBatch>;

  /**
   * Sends one datagram reliably; resolves when the other socket has it. It outlives the crash of any
   * node between. Fails with REFUSED (no socket there), TIMED_OUT, PEER_RESTARTED (it may have
   * arrived), UNKNOWN_DESTINATION, LIMIT_REACHED, MESSAGE_TOO_BIG, BAD_ARGUMENT, ABORTED, CLOSED.
   */
  deliver(payload: Uint8Array | string, options: DeliverOptions): Promise<void>;

  close(): Promise<void>;
}

// ---------------------------------------------------------------------------------------------
// Streams

export interface ConnectOptions extends FlowChoice, SignalOption {
  /** How long to wait for the other end to accept. Default 10000. */
  readonly timeoutMs?: number;
}

export interface ListenOptions extends SignalOption {
  /** 1..65535. Absent or 0: an ephemeral port. */
  readonly port?: number;
}

/**
 * A reliable, ordered stream of bytes: a real Duplex. `end()` finishes this direction and leaves
 * the other open; `destroy()` resets both. 'error' carries an OverlayError.
 */
export interface OverlayStream extends Duplex {
  /** Port 0 on the side that opened the stream. */
  readonly local: EndpointParts;
  readonly remote: EndpointParts;
}

export interface StreamServerEvents {
  connection: [stream: OverlayStream];
  close: [];
}

/** Shaped like `net.Server`. */
export interface StreamServer extends EventEmitter<StreamServerEvents>, AsyncDisposable {
  address(): EndpointParts;
  /** Takes no more streams; those that are open stay open. */
  close(): Promise<void>;
}

// ---------------------------------------------------------------------------------------------
// Measuring

export interface PingOptions extends FlowChoice, SignalOption {
  /** Default 2000. */
  readonly timeoutMs?: number;
  /** Default 56, at most 1024. */
  readonly payloadBytes?: number;
  /** 1..255; the node where it runs out answers. Default: far enough for any route. */
  readonly hopLimit?: number;
}

export type PingResult =
  | {
      readonly outcome: 'reply' | 'hop-limit-exceeded' | 'unreachable';
      /** The node that answered. */
      readonly from: string;
      readonly rttMs: number;
    }
  | { readonly outcome: 'timed-out' };

export interface TraceOptions extends FlowChoice, SignalOption {
  /** Per probe. Default 2000. */
  readonly timeoutMs?: number;
  /** Default 3. */
  readonly probesPerHop?: number;
  /** Default 16. */
  readonly hopsMax?: number;
}

export interface TraceHop {
  /** 1 for the first node after this one. */
  readonly hop: number;
  /** The node that answered, undefined when none did. */
  readonly node: string | undefined;
  /** One entry a probe, undefined where nothing came back. */
  readonly rttsMs: readonly (number | undefined)[];
}

export interface TraceResult {
  readonly destination: string;
  readonly hops: readonly TraceHop[];
  /** Whether the destination itself answered. */
  readonly isReached: boolean;
  /** What this node computed: the route, what else there was, why it lost. */
  readonly explanation: RouteExplanation;
}
