/**
 * A node inside this program: the state directory, the renewal of certificates and the adoption of
 * manifests are the daemon's, without a control socket and without logs.
 */
import {
  type Config,
  defaultConfig,
  formatConfigProblem,
  parseConfig,
  parseHostPort,
  startDaemon,
} from '../daemon/index.ts';
import type {
  ConnectOptions,
  DatagramOptions,
  DatagramSocket,
  Endpoint,
  EventUpdate,
  FlowChoice,
  FlowRouteReport,
  FlowSummary,
  HistoryOptions,
  LaneReport,
  LinkUpdate,
  ListenOptions,
  NodeStatus,
  OverlayNodeHandle,
  OverlayStream,
  PerformanceQuery,
  PerformanceReport,
  PerformanceRow,
  PingOptions,
  PingResult,
  PolicyOptions,
  PolicyReport,
  RouteAt,
  RouteExplanation,
  RouteHistoryEntry,
  RoutesAtOptions,
  RouteUpdate,
  RoutingWord,
  SignalOption,
  StreamServer,
  TraceOptions,
  TraceResult,
} from '../host/index.ts';
import { abortFailure, failure } from '../host/index.ts';

export interface CreateNodeOptions extends SignalOption {
  /** State directory of a member; `initNetwork` and `joinNetwork` make one. */
  readonly state: string;
  /** UDP addresses to listen on, `host:port`. Default: any free port of all IPv4 addresses. */
  readonly listen?: readonly string[];
  /** Nodes to open links to. Default: the node this one joined through. */
  readonly neighbours?: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
  }[];
  /** Take links from every member, or only from `neighbours`. Default `members`. */
  readonly acceptLinks?: 'members' | 'configured';
  /** The network's own lanes beside the named ones, as the configuration has them. */
  readonly lanes?: readonly OwnLane[];
  /** Modules that take flows here, as the configuration has them (docs/processors.md). */
  readonly processors?: readonly ProcessorEntry[];
  /** One line of JSON each. Default: nothing is logged. */
  readonly log?: (line: string) => void;
}

export interface OwnLane extends Omit<FlowChoice, 'lane' | 'routing'> {
  readonly name: string;
  /** 16..255, the same at every node of the network. */
  readonly number: number;
  readonly extends?: string;
  readonly purpose?: string;
  readonly routing?: RoutingWord;
  /** Of the routing `disjoint`. */
  readonly paths?: number;
}

export interface ProcessorEntry extends Omit<FlowChoice, 'routing'> {
  readonly name?: string;
  /** Path of an ES module, relative to the working directory. */
  readonly module: string;
  readonly match: {
    readonly port: number;
    readonly lane?: string;
    readonly from?: readonly string[] | 'any';
  };
  /** `NODE:port` of what it sends when the module names nobody. */
  readonly to?: string;
  readonly routing?: RoutingWord;
  readonly options?: unknown;
}

/**
 * Starts a node in this process. `close` withdraws it; so does aborting the signal. Fails as the
 * daemon's start does: NOT_A_MEMBER, STATE_LOCKED, STATE_TOO_OPEN, UNDERLAY_BIND_FAILED, ...
 */
export async function createNode(options: CreateNodeOptions): Promise<OverlayNodeHandle> {
  if (options.signal?.aborted === true) throw abortFailure(options.signal);
  const log = options.log ?? (() => {});
  const daemon = await startDaemon({
    state: options.state,
    config: await configOf(options),
    isControlled: false,
    isProcess: false,
    logTarget: { write: log },
  });
  const node = new EmbeddedNode(daemon.host, async () => {
    daemon.stop();
    await daemon.ended;
  });
  options.signal?.addEventListener('abort', () => void node.close(), { once: true });
  return node;
}

async function configOf(options: CreateNodeOptions): Promise<Config> {
  const { listen = ['0.0.0.0:0'], neighbours, acceptLinks = 'members' } = options;
  const at = (text: string): { host: string; port: number } => {
    const parsed = parseHostPort(text, { isPortZeroAllowed: true });
    if (parsed === undefined) throw failure('BAD_ARGUMENT', text);
    return parsed;
  };
  return {
    ...(await entriesOf(options)),
    listen: listen.map(at),
    acceptLinks,
    neighbours: neighbours?.map(({ name, addresses }) => ({
      name,
      addresses: addresses.map(at),
      local: undefined,
    })),
  };
}

/** Lanes and processors are read as a config file's would be, with the same complaints. */
async function entriesOf({ lanes, processors }: CreateNodeOptions): Promise<Config> {
  if (lanes === undefined && processors === undefined) return defaultConfig();
  const parsed = await parseConfig(JSON.stringify({ lanes, processors }), 'options');
  if (parsed.ok) return parsed.value;
  throw failure('BAD_ARGUMENT', parsed.reason.map(formatConfigProblem).join('\n'));
}

/** The host's API with a `close` that ends what is around the host too. */
class EmbeddedNode implements OverlayNodeHandle {
  readonly name: string;
  readonly address: string;
  private readonly host: OverlayNodeHandle;
  private readonly end: () => Promise<void>;
  private closing: Promise<void> | undefined;

  constructor(host: OverlayNodeHandle, end: () => Promise<void>) {
    this.name = host.name;
    this.address = host.address;
    this.host = host;
    this.end = end;
  }

  datagram(options?: DatagramOptions): Promise<DatagramSocket> {
    return this.host.datagram(options);
  }

  connect(to: Endpoint, options?: ConnectOptions): Promise<OverlayStream> {
    return this.host.connect(to, options);
  }

  listen(options: ListenOptions, handler?: (stream: OverlayStream) => void): Promise<StreamServer> {
    return this.host.listen(options, handler);
  }

  ping(node: string, options?: PingOptions): Promise<PingResult> {
    return this.host.ping(node, options);
  }

  trace(node: string, options?: TraceOptions): Promise<TraceResult> {
    return this.host.trace(node, options);
  }

  explain(node: string, options?: SignalOption): Promise<RouteExplanation> {
    return this.host.explain(node, options);
  }

  reportPerformance(report: PerformanceReport, options?: SignalOption): Promise<void> {
    return this.host.reportPerformance(report, options);
  }

  performance(filter?: PerformanceQuery & SignalOption): Promise<readonly PerformanceRow[]> {
    return this.host.performance(filter);
  }

  bestPerformance(
    query: Parameters<OverlayNodeHandle['bestPerformance']>[0],
  ): Promise<PerformanceRow | undefined> {
    return this.host.bestPerformance(query);
  }

  lanes(options?: { readonly to?: string } & SignalOption): Promise<readonly LaneReport[]> {
    return this.host.lanes(options);
  }

  checkLane(
    choice: FlowChoice,
    options?: { readonly to?: string } & SignalOption,
  ): Promise<LaneReport> {
    return this.host.checkLane(choice, options);
  }

  why(flow: string, options?: SignalOption): Promise<readonly FlowRouteReport[]> {
    return this.host.why(flow, options);
  }

  flows(options?: SignalOption): Promise<readonly FlowSummary[]> {
    return this.host.flows(options);
  }

  routeHistory(options?: HistoryOptions): Promise<readonly RouteHistoryEntry[]> {
    return this.host.routeHistory(options);
  }

  routesAt(options: RoutesAtOptions): Promise<readonly RouteAt[]> {
    return this.host.routesAt(options);
  }

  checkPolicy(from: string, to: string, options?: PolicyOptions): Promise<PolicyReport> {
    return this.host.checkPolicy(from, to, options);
  }

  status(options?: SignalOption): Promise<NodeStatus> {
    return this.host.status(options);
  }

  watch(topic: 'links', options?: SignalOption): AsyncIterable<LinkUpdate>;
  watch(topic: 'routes', options?: SignalOption): AsyncIterable<RouteUpdate>;
  watch(topic: 'events', options?: SignalOption): AsyncIterable<EventUpdate>;
  watch(topic: never, options?: SignalOption): AsyncIterable<never> {
    return this.host.watch(topic, options) as AsyncIterable<never>;
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
