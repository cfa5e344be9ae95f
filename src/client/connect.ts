/**
 * A connection to a daemon. It is the same `OverlayNodeHandle` that an embedded node is, and on top
 * of it what only a daemon has: configuration, invites, forwards, log levels, lab impairments.
 */
import type {
  DaemonInfo,
  ExposeReport,
  ExposeRequest,
  ForwardReport,
  ForwardRequest,
  Impairments,
  InviteOptions,
  InviteReport,
  InviteStatus,
  LinkImpairment,
  LogLevelOptions,
  LogLevels,
  NetworkPolicy,
  NetworkTopology,
  PolicySetReport,
  PolicyText,
  ProcessorReport,
  ProfileReport,
  ReloadReport,
  RevokeReport,
  TopologySetReport,
  TopologyText,
} from '../daemon/index.ts';
import {
  type ConnectOptions,
  checkPort,
  type DatagramOptions,
  type DatagramSocket,
  type Endpoint,
  type EndpointParts,
  type EventUpdate,
  type FlowChoice,
  type FlowRouteReport,
  type FlowSummary,
  failure,
  formatEndpoint,
  type HistoryOptions,
  type LaneReport,
  type LinkUpdate,
  type ListenOptions,
  type NodeStatus,
  type OverlayNodeHandle,
  type OverlayStream,
  type PerformanceQuery,
  type PerformanceReport,
  type PerformanceRow,
  type PingOptions,
  type PingResult,
  type PolicyOptions,
  type PolicyReport,
  parseEndpoint,
  type RouteAt,
  type RouteExplanation,
  type RouteHistoryEntry,
  type RoutesAtOptions,
  type RouteUpdate,
  type SignalOption,
  type StreamServer,
  type TraceOptions,
  type TraceResult,
} from '../host/index.ts';
import { ControlClient } from './control-client.ts';
import { ReadBuffers } from './read-buffers.ts';
import { RemoteDatagramSocket } from './remote-datagram-socket.ts';
import { fetchStream, RemoteStreamServer } from './remote-stream-server.ts';

export interface DaemonConnection extends OverlayNodeHandle {
  info(options?: SignalOption): Promise<DaemonInfo>;
  config(options?: SignalOption): Promise<unknown>;
  /** Stops the daemon: it drains, withdraws and exits. Resolves when its process is gone. */
  shutdown(options?: SignalOption): Promise<void>;
  /** Fails with CONFIG_INVALID; then nothing has changed. */
  reload(options?: SignalOption): Promise<ReloadReport>;
  /** Fails with NOT_AN_ISSUER. */
  invite(options?: InviteOptions & SignalOption): Promise<InviteReport>;
  invites(options?: SignalOption): Promise<readonly InviteStatus[]>;
  /** Fails with NOT_AN_ISSUER where the root key is not, UNKNOWN_DESTINATION. */
  revoke(name: string, options?: SignalOption): Promise<RevokeReport>;
  policy(options?: SignalOption): Promise<NetworkPolicy>;
  /** As the policy file has it. Fails with BAD_ARGUMENT, NOT_AN_ISSUER. */
  setPolicy(policy: PolicyText, options?: SignalOption): Promise<PolicySetReport>;
  topology(options?: SignalOption): Promise<NetworkTopology>;
  /** As the topology file has it; without links: any may exist. Fails as `setPolicy` does. */
  setTopology(topology: TopologyText, options?: SignalOption): Promise<TopologySetReport>;
  logLevels(options?: SignalOption): Promise<LogLevels>;
  setLogLevel(change: LogLevelOptions, options?: SignalOption): Promise<LogLevels>;
  /**
   * Where the daemon spends its processor time, looked at for `durationMs` (default 10,000, at most
   * 600,000). The profile itself is a file on the daemon's host. Fails with PROFILE_RUNNING.
   */
  profile(options?: { readonly durationMs?: number } & SignalOption): Promise<ProfileReport>;
  impairments(options?: SignalOption): Promise<readonly LinkImpairment[]>;
  /**
   * `remote`: only the path to this address of the neighbour's. Fails with NOT_A_LAB, UNKNOWN_DESTINATION,
   * BAD_ARGUMENT.
   */
  impair(
    neighbour: string,
    change: Impairments | 'none',
    options?: { readonly remote?: string } & SignalOption,
  ): Promise<LinkImpairment>;
  forwards(options?: SignalOption): Promise<readonly ForwardReport[]>;
  /** Fails with FORWARD_LISTEN_FAILED, FORWARD_EXISTS. */
  addForward(request: ForwardRequest, options?: SignalOption): Promise<ForwardReport>;
  /** Fails with NO_SUCH_FORWARD. */
  removeForward(id: string, options?: SignalOption): Promise<ForwardReport>;
  processors(options?: SignalOption): Promise<readonly ProcessorReport[]>;
  exposes(options?: SignalOption): Promise<readonly ExposeReport[]>;
  addExpose(request: ExposeRequest, options?: SignalOption): Promise<ExposeReport>;
  removeExpose(id: string, options?: SignalOption): Promise<ExposeReport>;
}

/** Fails with DAEMON_UNREACHABLE, DAEMON_PROTOCOL, ABORTED. */
export async function connect(
  socketPath: string,
  options: SignalOption = {},
): Promise<DaemonConnection> {
  const client = new ControlClient(socketPath);
  const status = await client.call<NodeStatus>({
    method: 'GET',
    path: '/v1/status',
    signal: options.signal,
  });
  return new RemoteNode(client, status.name, status.address);
}

class RemoteNode implements DaemonConnection {
  readonly name: string;
  readonly address: string;
  private readonly client: ControlClient;
  /** Closes everything opened through this connection. */
  private readonly closing = new AbortController();

  constructor(client: ControlClient, name: string, address: string) {
    this.client = client;
    this.name = name;
    this.address = address;
  }

  async datagram(options: DatagramOptions = {}): Promise<DatagramSocket> {
    if (options.port !== undefined) checkPort(options.port);
    const query = queryOf({
      ...flowQuery(options),
      to: options.to,
      port: options.port,
      receiveQueueMax: options.receiveQueueMax,
      pendingMax: options.pendingMax,
    });
    const signal = this.signal(options);
    const buffers = new ReadBuffers();
    const { socket, head, about } = await this.client.upgrade<{ local: EndpointParts }>(
      `/v1/datagram?${query}`,
      'overlane-datagram',
      signal,
      buffers,
    );
    const { receiveQueueMax } = options;
    return new RemoteDatagramSocket({
      socket,
      buffers,
      head,
      local: about.local,
      receiveQueueMax,
      signal,
    });
  }

  async connect(to: Endpoint, options: ConnectOptions = {}): Promise<OverlayStream> {
    const query = queryOf({
      ...flowQuery(options),
      to: formatEndpoint(parseEndpoint(to)),
      timeoutMs: options.timeoutMs,
    });
    const stream = await fetchStream(this.client, `/v1/stream?${query}`, this.signal(options));
    const end = (): void => {
      stream.destroy();
    };
    this.closing.signal.addEventListener('abort', end, { once: true });
    stream.once('close', () => this.closing.signal.removeEventListener('abort', end));
    return stream;
  }

  async listen(
    options: ListenOptions,
    handler?: (stream: OverlayStream) => void,
  ): Promise<StreamServer> {
    if (options.port !== undefined && options.port !== 0) checkPort(options.port);
    const signal = this.signal(options);
    const { socket, head, about } = await this.client.upgrade<{ local: EndpointParts }>(
      `/v1/listen?${queryOf({ port: options.port })}`,
      'overlane-listen',
      signal,
    );
    const { client } = this;
    const server = new RemoteStreamServer({ client, socket, head, local: about.local, signal });
    if (handler !== undefined) server.on('connection', handler);
    return server;
  }

  ping(node: string, options: PingOptions = {}): Promise<PingResult> {
    const { signal, ...body } = options;
    return this.post('/v1/ping', { node, ...body }, { ...(signal && { signal }) });
  }

  trace(node: string, options: TraceOptions = {}): Promise<TraceResult> {
    const { signal, ...body } = options;
    return this.post('/v1/trace', { node, ...body }, { ...(signal && { signal }) });
  }

  explain(node: string, options: SignalOption = {}): Promise<RouteExplanation> {
    return this.fetch(`/v1/route/${encodeURIComponent(node)}`, options);
  }

  async reportPerformance(report: PerformanceReport, options: SignalOption = {}): Promise<void> {
    await this.post('/v1/performance', report, options);
  }

  async performance(
    filter: PerformanceQuery & SignalOption = {},
  ): Promise<readonly PerformanceRow[]> {
    const { signal: _signal, ...query } = filter;
    const path = `/v1/performance?${queryOf({ ...query })}`;
    return (await this.fetch<{ rows: PerformanceRow[] }>(path, filter)).rows;
  }

  async bestPerformance(
    query: PerformanceQuery & { readonly metric: string; readonly most?: boolean } & SignalOption,
  ): Promise<PerformanceRow | undefined> {
    const { signal: _signal, most, ...filter } = query;
    const path = `/v1/best?${queryOf({ ...filter, most: most === true ? 'true' : undefined })}`;
    return (await this.fetch<{ row: PerformanceRow | null }>(path, query)).row ?? undefined;
  }

  async lanes(
    options: { readonly to?: string } & SignalOption = {},
  ): Promise<readonly LaneReport[]> {
    const query = queryOf({ to: options.to });
    return (await this.fetch<{ lanes: LaneReport[] }>(`/v1/lanes?${query}`, options)).lanes;
  }

  checkLane(
    choice: FlowChoice,
    options: { readonly to?: string } & SignalOption = {},
  ): Promise<LaneReport> {
    const { signal, to } = options;
    return this.post('/v1/lane', { ...choice, to }, { ...(signal && { signal }) });
  }

  async why(flow: string, options: SignalOption = {}): Promise<readonly FlowRouteReport[]> {
    const path = `/v1/why/${encodeURIComponent(flow)}`;
    return (await this.fetch<{ flows: FlowRouteReport[] }>(path, options)).flows;
  }

  async flows(options: SignalOption = {}): Promise<readonly FlowSummary[]> {
    return (await this.fetch<{ flows: FlowSummary[] }>('/v1/flows', options)).flows;
  }

  async routeHistory(options: HistoryOptions = {}): Promise<readonly RouteHistoryEntry[]> {
    const { signal, ...query } = options;
    const path = `/v1/history?${queryOf(query)}`;
    const told = await this.fetch<{ changes: RouteHistoryEntry[] }>(path, {
      ...(signal && { signal }),
    });
    return told.changes;
  }

  async routesAt(options: RoutesAtOptions): Promise<readonly RouteAt[]> {
    const { signal, ...query } = options;
    const path = `/v1/past?${queryOf(query)}`;
    return (await this.fetch<{ routes: RouteAt[] }>(path, { ...(signal && { signal }) })).routes;
  }

  checkPolicy(from: string, to: string, options: PolicyOptions = {}): Promise<PolicyReport> {
    const { signal, lane } = options;
    const path = `/v1/permitted?${queryOf({ from, to, lane })}`;
    return this.fetch(path, { ...(signal && { signal }) });
  }

  policy(options: SignalOption = {}): Promise<NetworkPolicy> {
    return this.fetch('/v1/policy', options);
  }

  setPolicy(policy: PolicyText, options: SignalOption = {}): Promise<PolicySetReport> {
    const { signal } = options;
    return this.client.call({ method: 'PUT', path: '/v1/policy', body: policy, signal });
  }

  topology(options: SignalOption = {}): Promise<NetworkTopology> {
    return this.fetch('/v1/topology', options);
  }

  setTopology(topology: TopologyText, options: SignalOption = {}): Promise<TopologySetReport> {
    const { signal } = options;
    return this.client.call({ method: 'PUT', path: '/v1/topology', body: topology, signal });
  }

  status(options: SignalOption = {}): Promise<NodeStatus> {
    return this.fetch('/v1/status', options);
  }

  watch(topic: 'links', options?: SignalOption): AsyncIterable<LinkUpdate>;
  watch(topic: 'routes', options?: SignalOption): AsyncIterable<RouteUpdate>;
  watch(topic: 'events', options?: SignalOption): AsyncIterable<EventUpdate>;
  watch(topic: string, options: SignalOption = {}): AsyncIterable<never> {
    return this.watched(topic, this.signal(options)) as AsyncIterable<never>;
  }

  close(): Promise<void> {
    this.closing.abort();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  info(options: SignalOption = {}): Promise<DaemonInfo> {
    return this.fetch('/v1/info', options);
  }

  config(options: SignalOption = {}): Promise<unknown> {
    return this.fetch('/v1/config', options);
  }

  async shutdown(options: SignalOption = {}): Promise<void> {
    const { pid } = await this.info(options);
    const watching = new AbortController();
    const signal = AbortSignal.any([this.signal(options), watching.signal]);
    // The watch ends when the daemon lets go of its connections.
    const events = this.watched('events', signal)[Symbol.asyncIterator]();
    await events.next();
    await this.post('/v1/stop', {}, options);
    try {
      while ((await events.next()).done !== true);
    } catch {
      // Cut in the middle of a line: it is gone too.
    } finally {
      watching.abort();
    }
    const poll = (): Promise<void> => new Promise((done) => setTimeout(done, GONE_POLL_MS));
    while (!this.signal(options).aborted && (await this.answers())) await poll();
    // The state directory is free for the next daemon when the process is gone. Its number may mean
    // another process here, when the daemon runs in a container: hence the bound.
    const limit = performance.now() + GONE_MS;
    while (pid !== process.pid && isAlive(pid) && performance.now() < limit) await poll();
  }

  reload(options: SignalOption = {}): Promise<ReloadReport> {
    return this.post('/v1/reload', {}, options);
  }

  invite(options: InviteOptions & SignalOption = {}): Promise<InviteReport> {
    const { signal, ...body } = options;
    return this.post('/v1/invite', body, { ...(signal && { signal }) });
  }

  async invites(options: SignalOption = {}): Promise<readonly InviteStatus[]> {
    return (await this.fetch<{ invites: InviteStatus[] }>('/v1/invites', options)).invites;
  }

  revoke(name: string, options: SignalOption = {}): Promise<RevokeReport> {
    return this.post('/v1/revoke', { name }, options);
  }

  logLevels(options: SignalOption = {}): Promise<LogLevels> {
    return this.fetch('/v1/log', options);
  }

  setLogLevel(change: LogLevelOptions, options: SignalOption = {}): Promise<LogLevels> {
    return this.post('/v1/log', change, options);
  }

  profile(options: { durationMs?: number } & SignalOption = {}): Promise<ProfileReport> {
    const { durationMs } = options;
    return this.post('/v1/profile', durationMs === undefined ? {} : { durationMs }, options);
  }

  async impairments(options: SignalOption = {}): Promise<readonly LinkImpairment[]> {
    const path = '/v1/impairments';
    return (await this.fetch<{ impairments: LinkImpairment[] }>(path, options)).impairments;
  }

  impair(
    neighbour: string,
    change: Impairments | 'none',
    options: { readonly remote?: string } & SignalOption = {},
  ): Promise<LinkImpairment> {
    const { signal, remote } = options;
    const body = { neighbour, impairments: change, remote };
    return this.client.call({ method: 'PUT', path: '/v1/impairments', body, signal });
  }

  async forwards(options: SignalOption = {}): Promise<readonly ForwardReport[]> {
    return (await this.fetch<{ forwards: ForwardReport[] }>('/v1/forwards', options)).forwards;
  }

  addForward(request: ForwardRequest, options: SignalOption = {}): Promise<ForwardReport> {
    return this.post('/v1/forwards', request, options);
  }

  removeForward(id: string, options: SignalOption = {}): Promise<ForwardReport> {
    return this.remove(`/v1/forwards/${encodeURIComponent(id)}`, options);
  }

  async processors(options: SignalOption = {}): Promise<readonly ProcessorReport[]> {
    return (await this.fetch<{ processors: ProcessorReport[] }>('/v1/processors', options))
      .processors;
  }

  async exposes(options: SignalOption = {}): Promise<readonly ExposeReport[]> {
    return (await this.fetch<{ exposes: ExposeReport[] }>('/v1/exposes', options)).exposes;
  }

  addExpose(request: ExposeRequest, options: SignalOption = {}): Promise<ExposeReport> {
    return this.post('/v1/exposes', request, options);
  }

  removeExpose(id: string, options: SignalOption = {}): Promise<ExposeReport> {
    return this.remove(`/v1/exposes/${encodeURIComponent(id)}`, options);
  }

  private answers(): Promise<boolean> {
    return this.client.call({ method: 'GET', path: '/v1/info' }).then(
      () => true,
      () => false,
    );
  }

  private async *watched(topic: string, signal: AbortSignal): AsyncGenerator<object, void> {
    const path = `/v1/watch?topics=${topic}`;
    for await (const line of this.client.lines({ method: 'GET', path, signal })) {
      const { topic: _topic, ...update } = line as { topic: string };
      yield update;
    }
  }

  private fetch<T>(path: string, options: SignalOption): Promise<T> {
    return this.client.call({ method: 'GET', path, signal: this.signal(options) });
  }

  private post<T>(path: string, body: unknown, options: SignalOption): Promise<T> {
    return this.client.call({ method: 'POST', path, body, signal: this.signal(options) });
  }

  private remove<T>(path: string, options: SignalOption): Promise<T> {
    return this.client.call({ method: 'DELETE', path, signal: this.signal(options) });
  }

  private signal(options: SignalOption): AbortSignal {
    if (this.closing.signal.aborted) throw failure('CLOSED');
    if (options.signal === undefined) return this.closing.signal;
    return AbortSignal.any([options.signal, this.closing.signal]);
  }
}

const GONE_POLL_MS = 10;
const GONE_MS = 2_000;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A choice as the query of an upgrade; routing that names nodes or paths has keys of its own. */
function flowQuery(choice: FlowChoice): Record<string, string | number | undefined> {
  const { lane, recovery, deadline, priority, requests, retransmissions, playout, rate } = choice;
  const { routing, signed } = choice;
  const said = {
    ...{ lane, recovery, deadline, priority, requests, retransmissions, playout, rate },
    signed: signed === undefined ? undefined : String(signed),
  };
  if (typeof routing !== 'object') return { ...said, routing };
  if ('via' in routing) return { ...said, via: routing.via.join(',') };
  if ('disjoint' in routing) return { ...said, disjoint: routing.disjoint };
  const { metric, hops, spread } = routing;
  return { ...said, metric, hops, spread: spread === undefined ? undefined : String(spread) };
}

function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (value !== undefined) query.set(key, String(value));
  return query.toString();
}
