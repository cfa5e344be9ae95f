/**
 * The daemon: one overlay node with its configuration, state directory, logs, forwards and control
 * socket. This class is the parent that decides; each of its parts does one thing and knows none of
 * the others.
 *
 * Start: config, state directory, lock, epoch (durable before use), node, forwards, control socket.
 * What fails on the way is undone in reverse order. Stop: forwards drain, the node finishes its
 * streams and withdraws, the control socket goes last, so that whoever asked sees the end.
 */
import { join } from 'node:path';
import type { ZodType } from 'zod';
import type { OverlayHost } from '../host/index.ts';
import { OverlayError, type Result } from '../kernel/index.ts';
import type { NodeEvent } from '../node/index.ts';
import { type Member, TrustStore } from '../security/index.ts';
import { nodeCrypto, nodeEntropy } from '../underlay/index.ts';
import { decodeManifest } from '../wire/index.ts';
import { CertificateKeeper, serveRenewals } from './certificate-keeper.ts';
import type { Config } from './config.ts';
import { type ConfigChange, diffConfig, withRestartKeysOf } from './config-diff.ts';
import type {
  DaemonControls,
  DaemonInfo,
  LogLevels,
  PolicySetReport,
  TopologySetReport,
} from './control-api.ts';
import { ControlServer } from './control-server.ts';
import { takeCpuProfile } from './cpu-profile.ts';
import {
  assertLab,
  type DaemonOptions,
  neighboursOf,
  notAMember,
  openParts,
  type Parts,
  UNDO_LAST,
  type Undo,
  undoAll,
} from './daemon-parts.ts';
import { ImpairmentTable } from './impairment-table.ts';
import { Issuing } from './issuing.ts';
import { formatPath, loadConfig } from './load-config.ts';
import type { Logs } from './log.ts';
import type { NeighbourTable } from './neighbour-table.ts';
import { ownAddresses } from './own-addresses.ts';
import { PortTable } from './port-table.ts';
import { ProcessorTable } from './processors/processor-table.ts';
import { wallNow } from './provision.ts';
import type { Membership, StateDirectory } from './state-directory.ts';
import { formatHostPort } from './units.ts';

export class Daemon implements DaemonControls {
  readonly host: OverlayHost;
  readonly controlPath: string;
  private readonly options: DaemonOptions;
  private readonly state: StateDirectory;
  private readonly logs: Logs;
  private readonly neighbours: NeighbourTable;
  private readonly ports: PortTable;
  private readonly processorTable: ProcessorTable;
  private readonly impairmentTable: ImpairmentTable;
  private readonly issuing: Issuing;
  private readonly keeper: CertificateKeeper;
  private readonly undo: Undo;
  private running: Config;
  private membership: Membership;
  private reloading: Promise<unknown> = Promise.resolve();
  private stopping: Promise<void> | undefined;
  private resolveEnded: () => void = () => {};
  /** Resolves when the daemon has stopped, whoever asked for it. */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.resolveEnded = resolve;
  });

  /**
   * Fails with CONFIG_INVALID, CONFIG_UNREADABLE, STATE_MISSING, STATE_TOO_OPEN, STATE_NOT_OURS,
   * STATE_DAMAGED, STATE_LOCKED, NOT_A_MEMBER, UNDERLAY_BIND_FAILED, BAD_IDENTITY, NOT_A_LAB,
   * CONTROL_SOCKET_FAILED, CONTROL_SOCKET_IN_USE; then nothing is left open.
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const undo: Undo = [];
    try {
      const daemon = new Daemon(await openParts(options, undo));
      await daemon.open();
      return daemon;
    } catch (error) {
      await undoAll(undo);
      throw error;
    }
  }

  private constructor(parts: Parts) {
    this.options = parts.options;
    this.running = parts.config;
    this.state = parts.state;
    this.membership = parts.membership;
    this.logs = parts.logs;
    this.host = parts.host;
    this.neighbours = parts.neighbours;
    this.undo = parts.undo;
    this.controlPath =
      parts.options.control ?? parts.config.control ?? `${parts.state.path}/control.sock`;
    this.ports = new PortTable({
      node: this.host,
      limits: parts.config.limits,
      log: this.logs.for('gateway'),
    });
    this.processorTable = new ProcessorTable({
      node: this.host,
      log: this.logs.for('gateway'),
      configFile: this.configFile,
    });
    this.host.addCounters(() => this.processorTable.counters());
    this.impairmentTable = new ImpairmentTable(this.host, this.neighbours);
    this.issuing = this.createIssuing();
    this.keeper = this.createKeeper();
    this.host.onEvent((event) => this.onEvent(event));
  }

  /** Drains, withdraws, closes. Calling it again waits for the same end. */
  stop(): void {
    this.stopping ??= this.shut();
  }

  info(): DaemonInfo {
    return {
      version: this.options.version,
      pid: process.pid,
      config: this.configFile,
      state: this.state.path,
      control: this.controlPath,
      memoryBytes: process.memoryUsage.rss(),
      certificate: this.keeper.health(),
    };
  }

  config(): unknown {
    return { file: this.configFile, config: this.running };
  }

  /** Asks for the next certificate now; whether there is one. */
  renew(): Promise<boolean> {
    return this.keeper.renew();
  }

  /** Reads the config file again, applies what can be and tells all that changed. */
  reload(): Promise<{ changes: readonly ConfigChange[] }> {
    const done = this.reloading.then(() => this.applyConfig());
    this.reloading = done.catch(() => undefined);
    return done;
  }

  /** Logs what a person did wrong while there is nobody to answer. */
  complain(error: OverlayError, message: string): void {
    const { code, message: reason } = error;
    this.logs.for('daemon').error({ code, reason }, message);
  }

  logLevels(): LogLevels {
    return { level: this.running.log.level, subsystems: this.logs.levels() };
  }

  setLogLevel(change: Parameters<DaemonControls['setLogLevel']>[0]): LogLevels {
    this.logs.change(change);
    return this.logLevels();
  }

  profile: DaemonControls['profile'] = (durationMs, signal) =>
    takeCpuProfile({ durationMs, signal, directory: join(this.state.path, 'profiles') });

  invite: DaemonControls['invite'] = (options) => this.issuing.invite(options);
  invites: DaemonControls['invites'] = () => this.issuing.invites();
  revoke: DaemonControls['revoke'] = (name) => this.issuing.revoke(name);
  policy: DaemonControls['policy'] = () => this.issuing.policy();
  topology: DaemonControls['topology'] = () => ({
    ...this.issuing.topology(),
    present: this.host.networkLinks(),
    overruled: this.host.statusNow().topology?.overruled ?? [],
  });
  impairments: DaemonControls['impairments'] = () => this.impairmentTable.list();
  impair: DaemonControls['impair'] = (...change) => this.impairmentTable.change(...change);
  forwards: DaemonControls['forwards'] = () => this.ports.forwards();
  addForward: DaemonControls['addForward'] = (request) => this.ports.addForward(request);
  removeForward: DaemonControls['removeForward'] = (id) => this.ports.removeForward(id);
  processors: DaemonControls['processors'] = () => this.processorTable.reports();
  exposes: DaemonControls['exposes'] = () => this.ports.exposes();
  addExpose: DaemonControls['addExpose'] = (request) => this.ports.addExpose(request);
  removeExpose: DaemonControls['removeExpose'] = (id) => this.ports.removeExpose(id);

  /** Fails with BAD_ARGUMENT, NOT_AN_ISSUER. */
  async setPolicy(given: unknown): Promise<PolicySetReport> {
    const { policySchema } = await import('./policy-schema.ts');
    return this.issuing.setPolicy(parsedOrBad('policy', policySchema, given));
  }

  /** Fails with BAD_ARGUMENT, NOT_AN_ISSUER. */
  async setTopology(given: unknown): Promise<TopologySetReport> {
    const { topologySchema } = await import('./topology-schema.ts');
    const links = parsedOrBad('topology', topologySchema, given);
    return this.issuing.setTopology(links, this.host.networkLinks());
  }

  private async open(): Promise<void> {
    const { running, host, logs, undo } = this;
    this.impairmentTable.configure(running.impairments);
    undo.push(() => this.ports.close());
    await this.ports.configure(running.forwards, running.expose);
    undo.push(() => this.processorTable.close());
    await this.processorTable.configure(running.processors);
    undo.push(() => this.keeper.close());
    if (this.issuing.isIssuer) {
      await serveRenewals({
        node: host,
        members: () => host.members(),
        renew: (member) => this.issuing.renew(member),
        log: logs.for('daemon'),
      });
    }
    if (this.options.isControlled !== false) await this.openControl();
    this.keeper.start();
    const { name, address, epoch, network, underlay } = host.statusNow();
    const locals = underlay.locals;
    logs.for('daemon').info({ name, address, epoch, network, locals }, 'daemon started');
  }

  private async openControl(): Promise<void> {
    const { running, host, logs, undo } = this;
    const control = await ControlServer.open({
      path: this.controlPath,
      mode: running.controlMode,
      connectionsMax: running.limits.controlConnections,
      node: host,
      controls: this,
      log: logs.for('api'),
    });
    // In front: what is undone in reverse order closes it after the node, and sees the end.
    undo.splice(UNDO_LAST, 0, () => control.close());
  }

  private get configFile(): string | undefined {
    return typeof this.options.config === 'string' ? this.options.config : undefined;
  }

  private async shut(): Promise<void> {
    const log = this.logs.for('daemon');
    log.info({}, 'stopping');
    await this.ports.drain(this.running.drain / 1_000);
    log.info({}, 'withdrawing');
    await undoAll(this.undo);
    this.resolveEnded();
  }

  private async applyConfig(): Promise<{ changes: readonly ConfigChange[] }> {
    const { configFile, logs, host } = this;
    const next = configFile === undefined ? this.running : await loadConfig(configFile);
    assertLab(next, host.statusNow().network.isLab);
    const changes = diffConfig(this.running, next);
    const changed = new Set(changes.map((change) => change.key.split('.')[0]));
    this.running = withRestartKeysOf(this.running, next);
    if (changed.has('log')) logs.reconfigure(next.log);
    logs.reopen();
    if (changed.has('neighbours'))
      host.setNeighbours(await this.neighbours.configure(neighboursOf(next, this.membership)));
    if (changed.has('lanes')) host.setLanes(next.lanes);
    if (changed.has('policy')) host.setPolicy(next.policy);
    if (changed.has('turncoat')) host.setTurncoat(next.turncoat);
    if (changed.has('impairments')) this.impairmentTable.configure(next.impairments);
    if (changed.has('forwards') || changed.has('expose'))
      await this.ports.configure(next.forwards, next.expose);
    if (changed.has('processors')) await this.processorTable.configure(next.processors);
    logs.for('daemon').info({ changes: changes.map(({ key }) => key) }, 'config reloaded');
    return { changes };
  }

  private onEvent(event: NodeEvent): void {
    const { logs } = this;
    switch (event.kind) {
      case 'link-up':
        logs.for('link').info({ neighbour: event.name, remote: event.remote.key }, 'link up');
        break;
      case 'link-down': {
        const { name: neighbour, reason, silence } = event;
        logs.for('link').warn({ neighbour, reason, silenceMs: silence / 1_000 }, 'link down');
        break;
      }
      case 'route-changed': {
        const { nameOf } = this.host;
        const [before, after] = [event.before?.map(nameOf), event.after?.map(nameOf)];
        const destination = nameOf(event.destination);
        logs.for('route').info({ destination, before, after, cause: event.cause }, 'route changed');
        break;
      }
      case 'graph-changed': {
        const { kind: _, destination, ...change } = event;
        const to = this.host.nameOf(destination);
        logs.for('route').info({ destination: to, ...change }, 'graph changed');
        break;
      }
      case 'reservation': {
        const { rate, state } = event;
        const destination = this.host.nameOf(event.destination);
        const level = state === 'held' ? 'info' : 'warn';
        logs.for('route')[level]({ destination, rate, short: event.short }, `reservation ${state}`);
        break;
      }
      case 'path-changed': {
        const { name: neighbour, local, reason } = event;
        const remote = event.remote.key;
        logs.for('link').info({ neighbour, remote, local, reason }, 'path changed');
        break;
      }
      case 'provider': {
        const { local, isTrouble } = event;
        const neighbours = event.neighbours.map(this.host.nameOf);
        const words = isTrouble ? 'provider silent' : 'provider heard again';
        logs.for('link')[isTrouble ? 'warn' : 'info']({ local, neighbours }, words);
        break;
      }
      case 'refused':
        // What strangers do is counted; it must not fill a disk.
        logs.for('link').debug({ ...event, kind: undefined }, 'refused');
        break;
      case 'manifest':
        this.keepManifest(event.manifest);
        break;
      case 'enrol-request':
        this.answerEnrolment(event);
        break;
      default:
        logs.for('route').debug({ kind: event.kind }, 'event');
    }
  }

  private answerEnrolment(event: Extract<NodeEvent, { kind: 'enrol-request' }>): void {
    const { name, remote, request } = event;
    let answer: ReturnType<Issuing['decide']>;
    try {
      answer = this.issuing.decide(event);
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      // A token that cannot be marked as used must not be granted.
      this.logs.for('daemon').error({ code: error.code }, error.message);
      answer = { granted: false, code: error.code };
    }
    const code = answer.granted ? undefined : answer.code;
    this.logs.for('daemon').info({ name, remote, code, isGranted: answer.granted }, 'enrolment');
    this.host.answerEnrolment(request, answer);
  }

  private keepManifest(manifest: Uint8Array): void {
    const rootKeys = rootKeysFor(manifest, this.membership.rootKeys);
    this.keep({ ...this.membership, rootKeys, manifest });
    const version = decodeManifest(manifest)?.manifest.version;
    this.logs.for('daemon').info({ version }, 'manifest adopted');
  }

  /** Memory goes on when the disk does not: the next start hears the manifest again. */
  private keep(membership: Membership): void {
    this.membership = membership;
    try {
      this.state.saveMembership(membership);
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      this.logs.for('daemon').error({ code: error.code, ...error.details }, error.message);
    }
  }

  private verified(chain: Uint8Array): Result<Member> {
    return new TrustStore({ crypto: nodeCrypto(), ...this.membership }).verifyChain(
      chain,
      wallNow(),
    );
  }

  private self(): Member {
    const own = this.verified(this.membership.chain);
    if (own.ok) return own.value;
    // Expired while running: the members' table still has it as it was.
    const known = this.host.members().find((member) => member.name === this.host.name);
    if (known !== undefined) return known;
    throw new OverlayError('BAD_IDENTITY', `the own certificate is ${own.reason}`);
  }

  private createIssuing(): Issuing {
    const { host } = this;
    const identity = this.state.identity();
    if (identity === undefined) throw notAMember(this.state.path);
    return new Issuing({
      host: {
        members: () => host.members(),
        chain: () => this.membership.chain,
        manifest: () => this.membership.manifest,
        adoptManifest: (manifest) => {
          this.keepManifest(manifest);
          host.setManifest(manifest);
        },
        addresses: () =>
          ownAddresses(
            this.running.advertise.map(formatHostPort),
            host.statusNow().underlay.locals,
          ),
        wall: wallNow,
      },
      state: this.state,
      identity,
      rootKeys: this.membership.rootKeys,
      crypto: nodeCrypto(),
      entropy: nodeEntropy(),
    });
  }

  private createKeeper(): CertificateKeeper {
    const { host } = this;
    return new CertificateKeeper({
      node: host,
      self: () => this.self(),
      members: () => host.members(),
      renewSelf: this.issuing.hasRoot ? () => this.issuing.renew(this.self()) : undefined,
      adopt: (chain) => {
        const own = this.verified(chain);
        if (!own.ok) return own.reason;
        if (own.value.name !== host.name) return 'another name';
        this.keep({ ...this.membership, chain });
        host.setCertificate(chain);
        return undefined;
      },
      wall: wallNow,
      log: this.logs.for('daemon'),
    });
  }
}

/** Roots that the next start trusts: those the manifest names, and with them whoever signed it. */
function rootKeysFor(manifest: Uint8Array, before: readonly Uint8Array[]): readonly Uint8Array[] {
  const named = decodeManifest(manifest)?.manifest.rootKeys ?? [];
  try {
    new TrustStore({ crypto: nodeCrypto(), rootKeys: named, manifest });
    return named;
  } catch {
    // Signed by a root that it retires.
    return [...named, ...before];
  }
}

function parsedOrBad<T>(what: string, schema: ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  throw new OverlayError(
    'BAD_ARGUMENT',
    `${what}: ${formatPath(first?.path ?? [])}: ${first?.message}`,
    { details: { problems: parsed.error.issues.map(({ message }) => message) } },
  );
}
