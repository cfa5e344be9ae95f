/**
 * The forwards and expose rules in force: those of the config, and those added through the API,
 * which are gone with the daemon. One that cannot be opened does not keep the daemon from running:
 * it is logged, told by the status, and tried again.
 */
import {
  type OpenPort,
  openTcpExpose,
  openTcpForward,
  openUdpExpose,
  openUdpForward,
  PortCounters,
} from '../gateway/index.ts';
import type { OverlayNodeHandle } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import type { ExposeConfig, ForwardConfig, LimitsConfig } from './config.ts';
import type { ExposeReport, ExposeRequest, ForwardReport, ForwardRequest } from './control-api.ts';
import type { Logger } from './log.ts';
import { formatHostPort, parseHostPort } from './units.ts';

type Source = 'config' | 'api';
type Rule =
  | { readonly kind: 'forward'; readonly config: ForwardConfig }
  | { readonly kind: 'expose'; readonly config: ExposeConfig };

interface Entry {
  readonly id: string;
  readonly source: Source;
  readonly rule: Rule;
  /** Undefined while it cannot be opened. */
  port: OpenPort | undefined;
  retry: NodeJS.Timeout | undefined;
  isRemoved: boolean;
}

const RETRY_MS = 5_000;
const IDLE_DEFAULT = 60e6;

export class PortTable {
  private readonly node: OverlayNodeHandle;
  private readonly limits: LimitsConfig;
  private readonly log: Logger;
  private readonly entries = new Map<string, Entry>();

  constructor(options: { node: OverlayNodeHandle; limits: LimitsConfig; log: Logger }) {
    this.node = options.node;
    this.limits = options.limits;
    this.log = options.log;
  }

  /** Makes what the config says the truth; what the API added stays. */
  async configure(
    forwards: readonly ForwardConfig[],
    exposes: readonly ExposeConfig[],
  ): Promise<void> {
    const rules: Rule[] = [
      ...forwards.map((config): Rule => ({ kind: 'forward', config })),
      ...exposes.map((config): Rule => ({ kind: 'expose', config })),
    ];
    const wanted = new Map(rules.map((rule) => [idOf(rule), rule]));
    for (const entry of [...this.entries.values()]) {
      const rule = wanted.get(entry.id);
      if (rule !== undefined && isSame(rule, entry.rule)) wanted.delete(entry.id);
      else if (rule !== undefined || entry.source === 'config') await this.drop(entry);
    }
    for (const [id, rule] of wanted) await this.openOrRetry(this.enter(id, rule, 'config'));
  }

  forwards(): ForwardReport[] {
    return [...this.entries.values()].flatMap((entry) =>
      entry.rule.kind === 'forward' ? [forwardReport(entry, entry.rule.config)] : [],
    );
  }

  exposes(): ExposeReport[] {
    return [...this.entries.values()].flatMap((entry) =>
      entry.rule.kind === 'expose' ? [exposeReport(entry, entry.rule.config)] : [],
    );
  }

  /**
   * Fails with FORWARD_EXISTS, FORWARD_LISTEN_FAILED, UNKNOWN_LANE, LANE_CANNOT_HOLD, BAD_ARGUMENT.
   */
  async addForward(request: ForwardRequest): Promise<ForwardReport> {
    const { protocol, to, port, listen: at, ...flow } = request;
    const listen = hostPort(at);
    const config = { protocol, listen, to, port, flow, idle: IDLE_DEFAULT } as ForwardConfig;
    await this.checkLane(config);
    return forwardReport(await this.add({ kind: 'forward', config }), config);
  }

  /** Fails with FORWARD_EXISTS, PORT_IN_USE, UNKNOWN_LANE, BAD_ARGUMENT. */
  async addExpose(request: ExposeRequest): Promise<ExposeReport> {
    const { protocol, port, from, to: target, ...flow } = request;
    const to = hostPort(target);
    const config = { protocol, port, to, from, flow, idle: IDLE_DEFAULT } as ExposeConfig;
    await this.node.checkLane(flow);
    return exposeReport(await this.add({ kind: 'expose', config }), config);
  }

  /** By id, or by `listen` alone. Fails with NO_SUCH_FORWARD. */
  async removeForward(id: string): Promise<ForwardReport> {
    const entry = this.find(id, 'forward');
    const report = forwardReport(entry, entry.rule.config as ForwardConfig);
    await this.drop(entry);
    return report;
  }

  async removeExpose(id: string): Promise<ExposeReport> {
    const entry = this.find(id, 'expose');
    const report = exposeReport(entry, entry.rule.config as ExposeConfig);
    await this.drop(entry);
    return report;
  }

  /** Takes no new connections and waits until those that are open have ended, at most `ms`. */
  async drain(ms: number): Promise<void> {
    const ports = [...this.entries.values()].flatMap(({ rule, port }) =>
      port !== undefined && rule.config.protocol === 'tcp' ? [port] : [],
    );
    for (const port of ports) port.drain();
    const limit = performance.now() + ms;
    while (ports.some((port) => port.counters.connections > 0) && performance.now() < limit)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async close(): Promise<void> {
    await Promise.all([...this.entries.values()].map((entry) => this.drop(entry)));
  }

  private async add(rule: Rule): Promise<Entry> {
    const id = idOf(rule);
    if (this.entries.has(id))
      throw new OverlayError('FORWARD_EXISTS', `${id} is in use already`, { details: { id } });
    const entry = this.enter(id, rule, 'api');
    try {
      entry.port = await this.open(rule);
    } catch (error) {
      this.entries.delete(id);
      throw error;
    }
    if (!id.endsWith(':0')) return entry;
    // Any free port was asked for: from here on it is known by the one it got.
    this.entries.delete(id);
    return this.enter(`${rule.config.protocol} ${formatHostPort(entry.port.local)}`, rule, 'api', {
      port: entry.port,
    });
  }

  /** A node that is not known yet speaks against nothing: each flow is checked again as it opens. */
  private async checkLane({ flow, to }: ForwardConfig): Promise<void> {
    await this.node.checkLane(flow);
    await this.node.checkLane(flow, { to }).catch((error: unknown) => {
      if (!(error instanceof OverlayError) || error.code !== 'UNKNOWN_DESTINATION') throw error;
    });
  }

  private enter(id: string, rule: Rule, source: Source, given: { port?: OpenPort } = {}): Entry {
    const entry: Entry = {
      id,
      source,
      rule,
      port: given.port,
      retry: undefined,
      isRemoved: false,
    };
    this.entries.set(id, entry);
    return entry;
  }

  private async openOrRetry(entry: Entry): Promise<void> {
    if (entry.isRemoved) return;
    try {
      const port = await this.open(entry.rule);
      if (entry.isRemoved) await port.close();
      else entry.port = port;
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      this.log.error({ id: entry.id, code: error.code }, error.message);
      entry.retry = setTimeout(() => void this.openOrRetry(entry), RETRY_MS).unref();
    }
  }

  private open({ kind, config }: Rule): Promise<OpenPort> {
    const bounds = {
      connectionsMax: this.limits.forwardConnections,
      clientsMax: this.limits.udpClients,
      idleMs: config.idle / 1_000,
    };
    const isTcp = config.protocol === 'tcp';
    if (kind === 'forward')
      return (isTcp ? openTcpForward : openUdpForward)(this.node, { ...config, ...bounds });
    return (isTcp ? openTcpExpose : openUdpExpose)(this.node, { ...config, ...bounds });
  }

  private find(id: string, kind: Rule['kind']): Entry {
    for (const entry of this.entries.values()) {
      const isMeant = entry.id === id || entry.id.split(' ')[1] === id;
      if (isMeant && entry.rule.kind === kind) return entry;
    }
    const known = [...this.entries.values()].filter((entry) => entry.rule.kind === kind);
    throw new OverlayError('NO_SUCH_FORWARD', `there is no ${kind} rule ${id}`, {
      details: { id, known: known.map((entry) => entry.id) },
    });
  }

  private async drop(entry: Entry): Promise<void> {
    entry.isRemoved = true;
    clearTimeout(entry.retry);
    this.entries.delete(entry.id);
    await entry.port?.close();
  }
}

/** `tcp 127.0.0.1:8080` for a forward, `tcp 80` for an expose rule. */
function idOf({ kind, config }: Rule): string {
  const where = kind === 'forward' ? formatHostPort(config.listen) : config.port;
  return `${config.protocol} ${where}`;
}

const isSame = (a: Rule, b: Rule): boolean => JSON.stringify(a) === JSON.stringify(b);

function hostPort(text: string): { host: string; port: number } {
  const parsed = parseHostPort(text, { isPortZeroAllowed: true });
  if (parsed !== undefined) return parsed;
  throw new OverlayError('BAD_ARGUMENT', `expected "host:port", not "${text}"`);
}

function countersOf({ port }: Entry): Omit<PortCounters, 'refuse'> {
  const { connections, connectionsTotal, bytesIn, bytesOut, refusals } =
    port?.counters ?? new PortCounters();
  return { connections, connectionsTotal, bytesIn, bytesOut, refusals: { ...refusals } };
}

function forwardReport(entry: Entry, config: ForwardConfig): ForwardReport {
  const { protocol, to, port, flow } = config;
  const lane = flow.lane ?? 'default';
  const listen = formatHostPort(entry.port?.local ?? config.listen);
  const { id, source } = entry;
  const isOpen = entry.port !== undefined;
  return { id, protocol, listen, to, port, lane, flow, source, isOpen, ...countersOf(entry) };
}

function exposeReport(entry: Entry, config: ExposeConfig): ExposeReport {
  const { protocol, port, from, flow } = config;
  const to = formatHostPort(config.to);
  const { id, source } = entry;
  const isOpen = entry.port !== undefined;
  return { id, protocol, port, to, from, flow, source, isOpen, ...countersOf(entry) };
}
