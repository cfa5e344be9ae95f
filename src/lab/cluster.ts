/**
 * Many real daemons on this machine: each a process of its own with its own state directory, UDP
 * ports on loopback, and impaired links between them. The lab shows one to people; end-to-end tests
 * and the evidence programs run their experiments on it.
 *
 * Everything it makes lives in one directory and ends with `stop`: processes by signal, then the
 * directory, unless it was given by the caller.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { connect, type DaemonConnection } from '../client/index.ts';
import { DAEMON_NODE_ARGUMENTS, type Impairments, StateDirectory } from '../daemon/index.ts';
import { OverlayError, wallTime } from '../kernel/index.ts';
import { createMember, createNetwork } from '../security/index.ts';
import { nodeCrypto, nodeEntropy } from '../underlay/index.ts';

export interface LabLink {
  readonly a: string;
  readonly b: string;
  /** In both directions, from the start. */
  readonly impairments?: Impairments;
}

export interface LabPlan {
  readonly nodes: readonly string[];
  readonly links: readonly LabLink[];
  /**
   * Providers that every node has: an address each, 127.0.0.1 and up, and a path over each to every
   * neighbour. Default 1.
   */
  readonly providers?: number;
  /** Further configuration of single daemons, as in a configuration file. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface LabOptions {
  /** Where state and logs go; default a temporary directory that `stop` removes. */
  readonly directory?: string;
  readonly logLevel?: string;
  /** How long daemons may take to answer and links to come up. Default 60 s. */
  readonly timeoutMs?: number;
  /** The program that is a daemon when called with `up`. Default: this package's. */
  readonly program?: string;
  /** Arguments for Node itself, before the program. */
  readonly nodeArguments?: readonly string[];
}

export interface LabNode {
  readonly name: string;
  readonly directory: string;
  readonly socketPath: string;
  readonly port: number;
  readonly logFile: string;
  /** Undefined while it is not running. */
  readonly pid: number | undefined;
  /** The SDK's view of it. Fails while the daemon is down; a new one after each restart. */
  readonly handle: DaemonConnection;
}

const PROGRAM = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const POLL_MS = 50;
/** A change sets only what it names, so healing names everything. */
const CLEAN: Impairments = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  burst: 0,
  burstTimeMs: 0,
  rate: 0,
  reorder: 0,
  duplicate: 0,
  cut: false,
};

interface Running extends LabNode {
  child: ChildProcess | undefined;
  pid: number | undefined;
  connection: DaemonConnection | undefined;
}

export class LabCluster {
  readonly directory: string;
  private readonly plan: LabPlan;
  private readonly options: LabOptions;
  private readonly nodes = new Map<string, Running>();
  private readonly isOwnDirectory: boolean;
  private isStopped = false;

  private constructor(plan: LabPlan, options: LabOptions) {
    this.plan = plan;
    this.options = options;
    this.isOwnDirectory = options.directory === undefined;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), 'overlane-lab-'));
  }

  /** Makes a network, starts its daemons, and waits until all links are up. */
  static async start(plan: LabPlan, options: LabOptions = {}): Promise<LabCluster> {
    const cluster = new LabCluster(plan, options);
    try {
      await cluster.prepare();
      await Promise.all(plan.nodes.map((name) => cluster.launch(name)));
      await cluster.linksUp();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  node(name: string): LabNode {
    const found = this.nodes.get(name);
    if (found === undefined)
      throw new OverlayError('UNKNOWN_DESTINATION', `the lab has no node ${name}`, {
        details: { name, nodes: this.plan.nodes },
      });
    return found;
  }

  /** Replaces what happens to packets from `from` to `to`, on top of the link's own latency. */
  async impairOneWay(from: string, to: string, change: Impairments): Promise<void> {
    const own = this.linkOf(from, to).impairments ?? {};
    await this.node(from).handle.impair(to, { ...CLEAN, ...own, ...change });
  }

  /** Both directions. A daemon that is down keeps nothing: impairments are set again on restart. */
  async impair(a: string, b: string, change: Impairments): Promise<void> {
    const ends = [
      [a, b],
      [b, a],
    ] as const;
    await Promise.all(
      ends.map(([from, to]) =>
        this.running(from).pid === undefined ? undefined : this.impairOneWay(from, to, change),
      ),
    );
  }

  /** Changes the configuration of one daemon, key by key; undefined takes a key out. */
  async configure(name: string, change: Readonly<Record<string, unknown>>): Promise<void> {
    const node = this.running(name);
    const file = join(node.directory, 'overlane.yaml');
    const config = { ...(parse(readFileSync(file, 'utf8')) as object), ...change };
    writeFileSync(file, stringify(config));
    if (node.pid !== undefined) await node.handle.reload();
  }

  cut(a: string, b: string): Promise<void> {
    return this.impair(a, b, { cut: true });
  }

  /** What happens to all that one node sends and receives over one of its providers; `none`: nothing more. */
  async impairProvider(
    name: string,
    provider: number,
    change: Impairments | 'none',
  ): Promise<void> {
    const links = this.plan.links.filter(({ a, b }) => a === name || b === name);
    await Promise.all(
      links.flatMap(({ a, b, impairments = {} }) =>
        [
          [a, b],
          [b, a],
        ].map(async ([from, to]) => {
          if (this.running(from!).pid === undefined) return;
          const remote = addressOf(provider, this.node(to!).port);
          const whole = change === 'none' ? change : { ...CLEAN, ...impairments, ...change };
          await this.node(from!).handle.impair(to!, whole, { remote });
        }),
      ),
    );
  }

  /** Back to what the plan says of the link. */
  heal(a: string, b: string): Promise<void> {
    return this.impair(a, b, {});
  }

  /** `kill -9`. */
  async kill(name: string): Promise<void> {
    const node = this.running(name);
    const { child } = node;
    if (child === undefined) return;
    node.pid = undefined;
    const gone =
      child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await gone;
    node.child = undefined;
    await node.connection?.close().catch(() => undefined);
    node.connection = undefined;
  }

  async restart(name: string): Promise<void> {
    await this.kill(name);
    await this.launch(name);
  }

  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    await Promise.all(
      [...this.nodes.values()].map(async (node) => {
        await node.connection?.close().catch(() => undefined);
        const { child } = node;
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
        await gone;
        clearTimeout(timer);
      }),
    );
    if (this.isOwnDirectory) rmSync(this.directory, { recursive: true, force: true });
  }

  /** Waits until `source` has had the same route to `destination` for `settledMs`. */
  async routed(source: string, destination: string, settledMs = 1_000): Promise<readonly string[]> {
    return this.until(`${source} keeps a route to ${destination}`, async () => {
      const { handle } = this.node(source);
      const explanation = await handle.explain(destination).catch(() => undefined);
      const route = explanation?.route;
      const isSettled = route !== undefined && route.path.length > 0 && route.sinceMs >= settledMs;
      return isSettled ? route.path : undefined;
    });
  }

  private running(name: string): Running {
    return this.node(name) as Running;
  }

  private linkOf(a: string, b: string): LabLink {
    const found = this.plan.links.find((l) => (l.a === a && l.b === b) || (l.a === b && l.b === a));
    if (found === undefined)
      throw new OverlayError('BAD_ARGUMENT', `the lab has no link between ${a} and ${b}`, {
        details: { a, b },
      });
    return found;
  }

  /** One network for all: the root signs every certificate, nobody has to join. */
  private async prepare(): Promise<void> {
    const crypto = nodeCrypto();
    const entropy = nodeEntropy();
    const network = createNetwork({ crypto, entropy, name: 'lab', isLab: true });
    const ports = await freePorts(this.plan.nodes.length);
    const portOf = new Map(this.plan.nodes.map((name, i) => [name, ports[i]!]));
    for (const name of this.plan.nodes) {
      const wall = wallTime(Date.now() * 1_000);
      const made = createMember({ crypto, entropy, network, name, wall });
      if (!made.ok) throw new OverlayError('BAD_ARGUMENT', `node ${name}: ${made.reason}`);
      const { chain, ...identity } = made.value.identity;
      const directory = join(this.directory, name);
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      const state = StateDirectory.open(directory, { isCreated: true });
      state.saveIdentity(identity);
      state.saveMembership({
        rootKeys: [network.rootKey],
        manifest: network.manifest,
        chain,
        joinedThrough: [],
      });
      writeFileSync(join(directory, 'overlane.yaml'), stringify(this.configOf(name, portOf)));
      this.nodes.set(name, {
        name,
        directory,
        socketPath: join(directory, 'control.sock'),
        port: portOf.get(name)!,
        logFile: join(directory, 'daemon.log'),
        child: undefined,
        pid: undefined,
        connection: undefined,
        get handle(): DaemonConnection {
          if (this.connection === undefined)
            throw new OverlayError('DAEMON_UNREACHABLE', `${name} is not running`);
          return this.connection;
        },
      });
    }
  }

  private configOf(name: string, portOf: ReadonlyMap<string, number>): Record<string, unknown> {
    const links = this.plan.links.filter((l) => l.a === name || l.b === name);
    const other = (l: LabLink): string => (l.a === name ? l.b : l.a);
    const { providers = 1 } = this.plan;
    const addresses = (node: string): string[] =>
      Array.from({ length: providers }, (_, i) => addressOf(i, portOf.get(node)!));
    return {
      state: join(this.directory, name),
      listen: addresses(name),
      acceptLinks: 'configured',
      neighbours: links.map((l) => ({
        name: other(l),
        addresses: addresses(other(l)),
        ...(providers > 1 ? { paths: providers } : {}),
      })),
      impairments: links
        .filter((l) => l.impairments !== undefined)
        .map((l) => ({ neighbour: other(l), ...inConfigUnits(l.impairments!) })),
      log: { level: this.options.logLevel ?? 'info' },
      ...this.plan.config?.[name],
    };
  }

  private async launch(name: string): Promise<void> {
    const node = this.running(name);
    const log = openSync(node.logFile, 'a');
    const program = this.options.program ?? PROGRAM;
    const child = spawn(
      process.execPath,
      [
        ...(this.options.nodeArguments ?? DAEMON_NODE_ARGUMENTS),
        program,
        'up',
        '--config',
        join(node.directory, 'overlane.yaml'),
      ],
      // The channel closes when this process ends, however it does, and the daemon with it.
      { stdio: ['ignore', log, log, 'ipc'] },
    );
    node.child = child;
    node.pid = child.pid;
    child.once('exit', () => {
      if (node.child === child) node.pid = undefined;
    });
    node.connection = await this.until(`${name} answers`, async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new OverlayError('DAEMON_UNREACHABLE', `${name} ended: ${lastLines(node.logFile)}`);
      return connect(node.socketPath).catch(() => undefined);
    });
  }

  private async linksUp(): Promise<void> {
    for (const name of this.plan.nodes) {
      const wanted = this.plan.links.filter((l) => l.a === name || l.b === name).length;
      await this.until(`all ${wanted} links of ${name} are up`, async () => {
        const { links } = await this.node(name).handle.status();
        const up = links.filter((l) => l.state === 'up').length;
        return up >= wanted ? true : undefined;
      });
    }
  }

  /** Asks again until there is an answer; gives up with what was waited for. */
  private async until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + (this.options.timeoutMs ?? 60_000);
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (performance.now() > deadline)
        throw new OverlayError(
          'TIMED_OUT',
          `gave up waiting until ${what}; logs in ${this.directory}`,
        );
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

const addressOf = (provider: number, port: number): string => `127.0.0.${provider + 1}:${port}`;

/** UDP ports that are free now, all different: held open together while they are drawn. */
async function freePorts(count: number): Promise<number[]> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = createSocket('udp4');
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      return socket;
    }),
  );
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => once(socket.close(), 'close')));
  return ports;
}

function inConfigUnits(i: Impairments): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  if (i.delayMs !== undefined) out['delay'] = `${i.delayMs}ms`;
  if (i.jitterMs !== undefined) out['jitter'] = `${i.jitterMs}ms`;
  if (i.burstTimeMs !== undefined) out['burstTime'] = `${i.burstTimeMs}ms`;
  for (const key of ['loss', 'burst', 'reorder', 'duplicate'] as const)
    if (i[key] !== undefined) out[key] = `${100 * i[key]}%`;
  if (i.rate !== undefined) out['rate'] = `${i.rate}bit`;
  if (i.queueBytes !== undefined) out['queue'] = `${i.queueBytes}B`;
  if (i.cut !== undefined) out['cut'] = i.cut;
  if (i.mtu !== undefined) out['mtu'] = i.mtu;
  return out;
}

const lastLines = (file: string): string =>
  readFileSync(file, 'utf8').trimEnd().split('\n').slice(-3).join('\n');
