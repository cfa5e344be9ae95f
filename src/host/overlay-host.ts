/**
 * An overlay node in this process: opens the UDP ports, runs the core on them, and is the
 * `OverlayNodeHandle` of it. A daemon is this plus configuration, state and a control socket; what
 * such an owner needs beyond the handle is below `For the owner`. Above 400 lines because every method
 * of the handle is here, a line or two each.
 */

import type { LaneDefinition } from '../forwarding/index.ts';
import type { Impairments } from '../impairment/index.ts';
import {
  assert,
  type Crypto,
  type Entropy,
  formatNodeAddress,
  type Instant,
  type NodeAddress,
  Random,
  type Result,
  readU32,
  type WallTime,
} from '../kernel/index.ts';
import type {
  NodeEvent as CoreEvent,
  EnrolAnswer,
  NeighbourOptions,
  NodeOptions,
  NodeSink,
  OverlayNodeApi,
  TurncoatOptions,
} from '../node/index.ts';
import { OverlayNode } from '../node/index.ts';
import type { Member } from '../security/index.ts';
import {
  type Chosen,
  type Clock,
  chooseCrypto,
  ImpairedUnderlay,
  type LocalSocketOptions,
  nodeEntropy,
  openUnderlay,
  type SystemUnderlayOptions,
  systemClock,
  type Underlay,
} from '../underlay/index.ts';
import type { PolicyRule } from '../wire/index.ts';
import type {
  ConnectOptions,
  DatagramOptions,
  DatagramSocket,
  Endpoint,
  EventUpdate,
  FlowChoice,
  LaneReport,
  LinkUpdate,
  ListenOptions,
  NetworkLink,
  NodeStatus,
  OverlayNodeHandle,
  OverlayStream,
  PerformanceQuery,
  PerformanceReport,
  PerformanceRow,
  PingOptions,
  PingResult,
  RouteExplanation,
  RouteUpdate,
  SignalOption,
  StreamServer,
  TraceOptions,
  TraceResult,
  UnderlayStatus,
} from './api.ts';
import { EchoDesk, type EchoRequest } from './echo-desk.ts';
import { abortFailure, failure } from './failure.ts';
import { NodeDriver, type SinkAbove } from './node-driver.ts';
import {
  type NameOf,
  nameIn,
  presentExplanation,
  presentNetworkLink,
  presentPerformance,
  presentStatus,
} from './present.ts';
import type {
  FlowRouteReport,
  FlowSummary,
  HistoryOptions,
  PolicyOptions,
  PolicyReport,
  RouteAt,
  RouteHistoryEntry,
  RoutesAtOptions,
} from './route-api.ts';
import { RouteDesk } from './route-desk.ts';
import { SocketTable } from './socket-table.ts';
import { WatchDesk, type WatchTopic, type WatchUpdate } from './watch-desk.ts';

export interface OverlayHostOptions extends Omit<NodeOptions, 'seed' | 'crypto' | 'entropy'> {
  /** UDP sockets to open; a neighbour's `local` is an index into them. */
  readonly locals: readonly LocalSocketOptions[];
  /** Seed of the non-secret draws; drawn from the entropy when absent. */
  readonly seed?: number;
  /** Default: the fast or the portable crypto, as the underlay's; entropy from `node:crypto`. */
  readonly crypto?: Crypto;
  readonly entropy?: Entropy;
  /** Default: the overlay node itself. */
  readonly createNode?: CreateNode;
  /** Which underlay and crypto, and the sizes of the former. */
  readonly underlayOptions?: Omit<SystemUnderlayOptions, 'locals'>;
  readonly clock?: Clock;
  /** The network's own lanes beside the named ones. Default: none. */
  readonly lanes?: readonly LaneDefinition[];
  /**
   * A bug in the core: the node has stopped by the time this is called. Default: the error is
   * thrown where nothing catches it, so that the process dies loudly.
   */
  readonly onFatal?: (error: unknown) => void;
}

/** Makes the core; a reason where nobody would believe what it was given. */
export type CreateNode = (
  options: NodeOptions,
  sink: NodeSink,
  now: Instant,
  wall: WallTime,
) => Result<OverlayNodeApi>;

/** How long `close` lets finished streams deliver what was written. */
const FINISH_MS = 1_000;
const PING_TIMEOUT_MS = 2_000;
const PING_PAYLOAD_BYTES = 56;
const PING_PAYLOAD_BYTES_MAX = 1024;

export class OverlayHost implements OverlayNodeHandle {
  private readonly underlay: ImpairedUnderlay;
  private readonly chosen: { readonly underlay: Chosen<Underlay>; readonly crypto: Chosen<Crypto> };
  private readonly driver: NodeDriver;
  private readonly sockets: SocketTable;
  private readonly echoes: EchoDesk;
  /** The member's name, or its address in hexadecimal. */
  readonly nameOf: NameOf;
  private readonly watches: WatchDesk;
  private readonly routes: RouteDesk;
  private readonly listeners = new Set<(event: CoreEvent) => void>();
  private readonly onFatal: (error: unknown) => void;
  private readonly counterSources: (() => Readonly<Record<string, number>>)[] = [];
  private closing: Promise<void> | undefined;

  /** Fails with UNDERLAY_BIND_FAILED, BAD_ARGUMENT, BAD_IDENTITY, MANIFEST_INVALID; then nothing is left open. */
  static async start(options: OverlayHostOptions): Promise<OverlayHost> {
    const { choice, threads } = options.underlayOptions ?? {};
    const crypto = chooseCrypto(choice, threads);
    const inner = await openUnderlay({ ...options.underlayOptions, locals: options.locals });
    try {
      return new OverlayHost(options, inner, crypto);
    } catch (error) {
      await inner.value.close();
      throw error;
    }
  }

  private constructor(
    options: OverlayHostOptions,
    inner: Chosen<Underlay>,
    chosenCrypto: Chosen<Crypto>,
  ) {
    const clock = options.clock ?? systemClock();
    const crypto = options.crypto ?? chosenCrypto.value;
    this.chosen = { underlay: inner, crypto: chosenCrypto };
    const entropy = options.entropy ?? nodeEntropy();
    const seed = options.seed ?? readU32(entropy.bytes(4), 0);
    this.onFatal = options.onFatal ?? dieOf;
    this.underlay = new ImpairedUnderlay({
      inner: inner.value,
      clock,
      random: new Random(seed).split('impairments'),
      isLab: () => this.driver.read((node, now) => node.status(now)).network.isLab,
    });
    let sockets: SocketTable | undefined;
    this.driver = new NodeDriver({
      underlay: this.underlay,
      clock,
      sink: (driver) => {
        sockets = new SocketTable(driver);
        return this.sink(driver, sockets);
      },
      createNode: (sink, now) => {
        const made = (options.createNode ?? OverlayNode.start)(
          { ...options, crypto, entropy, seed },
          sink,
          now,
          clock.wall(),
        );
        if (made.ok) return made.value;
        throw failure('BAD_IDENTITY', made.reason, { details: { reason: made.reason } });
      },
      onFatal: (error) => this.died(error),
    });
    assert(sockets !== undefined, 'the driver makes its sink');
    this.sockets = sockets;
    this.setLanes(options.lanes ?? []);
    this.nameOf = nameIn(this.driver.node);
    this.echoes = new EchoDesk({ driver: this.driver, nameOf: this.nameOf });
    this.routes = new RouteDesk({
      driver: this.driver,
      nameOf: this.nameOf,
      resolve: (node) => this.sockets.resolve(node),
    });
    this.watches = new WatchDesk({
      driver: this.driver,
      nameOf: this.nameOf,
      status: () => this.statusNow(),
    });
    this.driver.start();
  }

  get name(): string {
    return this.driver.node.name;
  }

  get address(): string {
    return formatNodeAddress(this.driver.node.address);
  }

  async datagram(options: DatagramOptions = {}): Promise<DatagramSocket> {
    this.assertOpen();
    return this.sockets.openDatagram(options);
  }

  async connect(to: Endpoint, options: ConnectOptions = {}): Promise<OverlayStream> {
    this.assertOpen();
    return this.sockets.connect(to, options);
  }

  async listen(
    options: ListenOptions,
    handler?: (stream: OverlayStream) => void,
  ): Promise<StreamServer> {
    this.assertOpen();
    return this.sockets.listen(options, handler);
  }

  async ping(node: string, options: PingOptions = {}): Promise<PingResult> {
    this.assertOpen();
    const { hopLimit } = options;
    if (hopLimit !== undefined && !(Number.isInteger(hopLimit) && hopLimit > 0 && hopLimit < 256))
      throw failure('BAD_ARGUMENT', `hop limit ${hopLimit}`);
    const request = this.echoRequest(node, options);
    return this.echoes.ask({ ...request, ...(hopLimit === undefined ? {} : { hopLimit }) });
  }

  async trace(node: string, options: TraceOptions = {}): Promise<TraceResult> {
    this.assertOpen();
    const explanation = await this.explain(node, options);
    const measured = await this.echoes.trace(this.echoRequest(node, options), {
      hopsMax: options.hopsMax ?? 16,
      probesPerHop: options.probesPerHop ?? 3,
      hopsExpected: explanation.route?.path.length ?? 1,
    });
    return { destination: explanation.destination, ...measured, explanation };
  }

  async explain(node: string, options: SignalOption = {}): Promise<RouteExplanation> {
    this.assertOpen();
    if (options.signal?.aborted === true) throw abortFailure(options.signal);
    const destination = this.sockets.resolve(node);
    const explained = this.driver.read((core, now) => core.explainRoute(destination, now));
    if (explained === undefined)
      return { destination: this.nameOf(destination), route: undefined, candidates: [] };
    return presentExplanation(explained, this.nameOf);
  }

  async reportPerformance(report: PerformanceReport): Promise<void> {
    this.assertOpen();
    const isTaken = this.driver.read((core, now) => core.performance.report(report, now));
    if (!isTaken)
      throw failure(
        'BAD_ARGUMENT',
        'a report has a finite value, and to and metric of 1 to 128 characters',
      );
  }

  async performance(filter: PerformanceQuery = {}): Promise<readonly PerformanceRow[]> {
    this.assertOpen();
    const rows = this.driver.read((core, now) => core.performance.query(filter, now));
    return rows.map(presentPerformance);
  }

  async bestPerformance(
    query: PerformanceQuery & { readonly metric: string; readonly most?: boolean },
  ): Promise<PerformanceRow | undefined> {
    this.assertOpen();
    const row = this.driver.read((core, now) => core.performance.best(query, now));
    return row === undefined ? undefined : presentPerformance(row);
  }

  async lanes(
    options: { readonly to?: string } & SignalOption = {},
  ): Promise<readonly LaneReport[]> {
    this.assertOpen();
    return this.sockets.lanes(options.to);
  }

  async checkLane(
    choice: FlowChoice,
    options: { readonly to?: string } & SignalOption = {},
  ): Promise<LaneReport> {
    this.assertOpen();
    return this.sockets.checkLane(choice, options.to);
  }

  async why(flow: string, options: SignalOption = {}): Promise<readonly FlowRouteReport[]> {
    this.assertOpen(options.signal);
    return this.routes.why(flow);
  }

  async flows(options: SignalOption = {}): Promise<readonly FlowSummary[]> {
    this.assertOpen(options.signal);
    return this.routes.flows();
  }

  async routeHistory(options: HistoryOptions = {}): Promise<readonly RouteHistoryEntry[]> {
    this.assertOpen(options.signal);
    return this.routes.history(options);
  }

  async routesAt(options: RoutesAtOptions): Promise<readonly RouteAt[]> {
    this.assertOpen(options.signal);
    return this.routes.routesAt(options);
  }

  async checkPolicy(from: string, to: string, options: PolicyOptions = {}): Promise<PolicyReport> {
    this.assertOpen(options.signal);
    return this.routes.checkPolicy(from, to, options);
  }

  async status(options: SignalOption = {}): Promise<NodeStatus> {
    this.assertOpen();
    if (options.signal?.aborted === true) throw abortFailure(options.signal);
    return this.statusNow();
  }

  watch(topic: 'links', options?: SignalOption): AsyncIterable<LinkUpdate>;
  watch(topic: 'routes', options?: SignalOption): AsyncIterable<RouteUpdate>;
  watch(topic: 'events', options?: SignalOption): AsyncIterable<EventUpdate>;
  watch(topic: WatchTopic, options: SignalOption = {}): AsyncIterable<WatchUpdate> {
    this.assertOpen();
    return this.watches.open(topic, options.signal);
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // For the owner.

  /** Every event as the core states it, enrolment requests and manifests included. */
  onEvent(listener: (event: CoreEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  setNeighbours(neighbours: readonly NeighbourOptions[]): void {
    this.driver.handle({ kind: 'neighbours', neighbours });
  }

  /** Members on the local network to share the performance database with, beside those named for it. */
  shareOnLan(peers: readonly NodeAddress[]): void {
    this.driver.handle({ kind: 'lan-peers', peers });
  }

  /** More counters for the status: those of what is built on this host. */
  addCounters(source: () => Readonly<Record<string, number>>): void {
    this.counterSources.push(source);
  }

  /** The network's own lanes beside the named ones. Flows that are open keep theirs. */
  setLanes(lanes: readonly LaneDefinition[]): void {
    this.sockets.choices.configure(lanes);
  }

  setManifest(manifest: Uint8Array): void {
    this.driver.handle({ kind: 'manifest', manifest });
  }

  /** Captures the node, for tests, or sets it free. The network must be a lab. */
  setTurncoat(turncoat: TurncoatOptions | undefined): void {
    this.driver.handle({ kind: 'turncoat', turncoat });
  }

  /** This node's own rules of policy. */
  setPolicy(rules: readonly PolicyRule[]): void {
    this.driver.handle({ kind: 'policy', rules });
  }

  setCertificate(chain: Uint8Array): void {
    this.driver.handle({ kind: 'certificate', chain });
  }

  answerEnrolment(request: number, answer: EnrolAnswer): void {
    this.driver.handle({ kind: 'enrol-answer', request, answer });
  }

  /** Links of the whole network, as this node hears of them. */
  networkLinks(): NetworkLink[] {
    const links = this.driver.read((node, now) => node.routes?.networkLinks(now) ?? []);
    return links.map((link) => presentNetworkLink(link, this.nameOf));
  }

  /** Everybody whose certificate is known and valid, this node included. */
  members(): Member[] {
    return this.driver.read((node, now) => {
      const addresses = node.status(now).members.map((member) => member.address);
      return [...new Set([node.address, ...addresses])]
        .map((address) => node.memberAt?.(address))
        .filter((member) => member !== undefined);
    });
  }

  /** Tells the node the wall clock again; for an owner that knows it was set. */
  wallClockChanged(): void {
    this.driver.handle({ kind: 'wall-clock', wall: this.driver.wall() });
  }

  /** Impairs datagrams sent to `remote` (`host:port`). Fails with NOT_A_LAB, BAD_ARGUMENT. */
  impair(remote: string, changes: Partial<Impairments>): Impairments {
    return this.underlay.impair(remote, changes);
  }

  /** Takes the impairments towards `remote` off. Fails with NOT_A_LAB. */
  restore(remote: string): void {
    this.underlay.restore(remote);
  }

  impairments(): ReadonlyMap<string, Impairments> {
    return this.underlay.impairments();
  }

  /** The status, without a promise: for metrics and the like. */
  statusNow(): NodeStatus {
    const status = this.driver.read((node, now) => node.status(now));
    const counters: Record<string, number> = {};
    for (const [name, value] of Object.entries(this.underlay.counters()))
      counters[`underlay.${name}`] = value;
    for (const source of this.counterSources) Object.assign(counters, source());
    const host = {
      sockets: this.sockets.status(),
      underlay: this.underlayStatus(),
      laneName: (number: number) => this.sockets.choices.nameOf(number),
    };
    return presentStatus(status, this.nameOf, host, counters);
  }

  // Inside.

  private sink(driver: NodeDriver, sockets: SocketTable): SinkAbove {
    return {
      datagram: (id, payload, meta) => sockets.datagram(id, payload, meta),
      datagramDrain: (id) => sockets.datagramDrain(id),
      datagramReceipt: (id, message, outcome) => sockets.datagramReceipt(id, message, outcome),
      streamIncoming: (listener, id, from, port) =>
        sockets.streamIncoming(listener, id, from, port),
      streamConnected: (id) => sockets.streamConnected(id),
      streamData: (id, bytes) => sockets.streamData(id, bytes),
      streamWritable: (id) => sockets.streamWritable(id),
      streamEnded: (id) => sockets.streamEnded(id),
      streamClosed: (id, reason) => sockets.streamClosed(id, reason),
      echo: (id, outcome) => driver.effect(() => this.echoes.answered(id, outcome)),
      event: (event) => driver.effect(() => this.publish(event)),
    };
  }

  private publish(event: CoreEvent): void {
    for (const listener of this.listeners) listener(event);
    this.sockets.rates.heard(event);
    this.watches.publish(event);
  }

  private echoRequest(node: string, options: PingOptions | TraceOptions): EchoRequest {
    const payloadBytes =
      ('payloadBytes' in options ? options.payloadBytes : undefined) ?? PING_PAYLOAD_BYTES;
    if (!(payloadBytes >= 0 && payloadBytes <= PING_PAYLOAD_BYTES_MAX))
      throw failure('BAD_ARGUMENT', `payload of ${payloadBytes} bytes`);
    return {
      to: this.sockets.resolve(node),
      timeoutMs: options.timeoutMs ?? PING_TIMEOUT_MS,
      payloadBytes,
      signal: options.signal,
      flow: this.sockets.flowOptions(options, node),
    };
  }

  private underlayStatus(): UnderlayStatus {
    const { kind, locals, buffers } = this.underlay;
    const { reason, isFallback } = this.chosen.underlay;
    const { crypto } = this.chosen;
    return {
      kind,
      reason,
      isFallback,
      crypto: { kind: crypto.kind, reason: crypto.reason, isFallback: crypto.isFallback },
      locals: locals.map((local) => local.key),
      receiveBufferBytes: buffers.receiveBytes,
      sendBufferBytes: buffers.sendBytes,
    };
  }

  private assertOpen(signal?: AbortSignal): void {
    if (this.closing !== undefined || !this.driver.isRunning) throw failure('CLOSED');
    if (signal?.aborted === true) throw abortFailure(signal);
  }

  private async shut(): Promise<void> {
    await this.sockets.finished(FINISH_MS);
    this.driver.handle({ kind: 'stop' });
    this.driver.flush();
    await this.release();
  }

  private async release(): Promise<void> {
    this.driver.stop();
    await this.sockets.close();
    this.echoes.close();
    this.watches.close();
    await this.underlay.close();
  }

  private died(error: unknown): void {
    this.closing ??= this.release();
    this.onFatal(error);
  }
}

function dieOf(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
