/** What a daemon is made of, opened in the order in which each needs the one before. */
import { isIPv4 } from 'node:net';
import { type CreateNode, OverlayHost } from '../host/index.ts';
import { fromHex, OverlayError, parseNodeAddress } from '../kernel/index.ts';
import type { NodeLimits, NodeTimers, ProbingOptions, ReservationOptions } from '../node/index.ts';
import { TrustStore } from '../security/index.ts';
import { nodeCrypto } from '../underlay/index.ts';
import type { Config, NeighbourConfig } from './config.ts';
import { LanDiscovery } from './lan-discovery.ts';
import { defaultConfig, loadConfig } from './load-config.ts';
import { type Logger, Logs, type LogTarget } from './log.ts';
import { NeighbourTable } from './neighbour-table.ts';
import { ownCertificate, standingMembership, wallNow } from './provision.ts';
import { defaultStateDirectory, type Membership, StateDirectory } from './state-directory.ts';
import { lockState } from './state-lock.ts';
import { parseHostPort } from './units.ts';

export interface DaemonOptions {
  /** Path of the config file, or what one would say; defaults hold when absent. */
  readonly config?: string | Config | undefined;
  /** Wins over the config. */
  readonly state?: string | undefined;
  /** Path of the control socket; wins over the config. */
  readonly control?: string | undefined;
  readonly createNode: CreateNode;
  readonly version: string;
  /** False: no control socket, for a node inside a program. Default true. */
  readonly isControlled?: boolean;
  /** For tests and programs; the config says where logs go otherwise. */
  readonly logTarget?: LogTarget;
  /** A bug in the core, after it was logged. Default: thrown where nothing catches it. */
  readonly onFatal?: (error: unknown) => void;
}

export interface Parts {
  readonly options: DaemonOptions;
  readonly config: Config;
  readonly state: StateDirectory;
  readonly membership: Membership;
  readonly logs: Logs;
  readonly host: OverlayHost;
  readonly neighbours: NeighbourTable;
  readonly undo: Undo;
}

/** What is open, closed in reverse order. */
export type Undo = (() => unknown)[];

/** Each thing opened is pushed on `undo`; the first two are the lock and the logs. */
export async function openParts(options: DaemonOptions, undo: Undo): Promise<Parts> {
  const config = await configOf(options.config);
  const state = StateDirectory.open(options.state ?? config.state ?? defaultStateDirectory());
  const identity = state.identity();
  const kept = state.membership();
  if (identity === undefined || kept === undefined) throw notAMember(state.path);
  const trust = new TrustStore({ crypto: nodeCrypto(), ...kept });
  assertLab(config, trust.manifest.isLab);
  const lock = lockState(state.path);
  undo.push(() => lock.release());
  const membership = standingMembership(state, kept);
  const own = ownCertificate(membership);
  const logs = new Logs(config.log, {
    ...(own.ok ? { name: own.value.name } : {}),
    ...(options.logTarget === undefined ? {} : { target: options.logTarget }),
  });
  undo.push(() => logs.close());
  const epoch = state.nextEpoch(wallNow());
  let host: OverlayHost | undefined;
  const neighbours = new NeighbourTable({
    locals: config.listen,
    log: logs.for('underlay'),
    changed: (next) => host?.setNeighbours(next),
  });
  undo.push(() => neighbours.close());
  host = await OverlayHost.start({
    locals: config.listen,
    underlayOptions: {
      choice: config.underlay,
      segmentation: config.gso,
      threads: config.threads,
    },
    identity: { ...identity, chain: membership.chain },
    manifest: membership.manifest,
    rootKeys: membership.rootKeys,
    epoch,
    neighbours: await neighbours.configure(neighboursOf(config, membership)),
    acceptLinks: config.acceptLinks,
    ...(config.linkCapacity === undefined ? {} : { linkCapacity: config.linkCapacity }),
    reservations: nodeReservations(config),
    weights: config.weights,
    policy: config.policy,
    ...(config.turncoat === undefined ? {} : { turncoat: config.turncoat }),
    timers: nodeTimers(config),
    probing: nodeProbing(config),
    sharePerformance: config.sharePerformance,
    limits: nodeLimits(config),
    lanes: config.lanes,
    createNode: options.createNode,
    onFatal: (error) => {
      logs.for('daemon').error({ error }, 'the core failed: this is a bug');
      logs.close();
      if (options.onFatal !== undefined) options.onFatal(error);
      else
        setImmediate(() => {
          throw error;
        });
    },
  });
  const started = host;
  undo.push(() => started.close());
  if (config.lan.discover) {
    const lan = lanDiscovery(config, { host, neighbours, log: logs.for('daemon') });
    undo.push(() => lan.close());
    host.addCounters(() => lan.counters());
    lan.start();
  }
  return { options, config, state, membership, logs, host, neighbours, undo };
}

function lanDiscovery(
  config: Config,
  parts: { host: OverlayHost; neighbours: NeighbourTable; log: Logger },
): LanDiscovery {
  const { host, neighbours, log } = parts;
  const { address, network, underlay } = host.statusNow();
  const places = underlay.locals.map((text, place) => ({ place, ...parseHostPort(text) }));
  // All of the host's addresses are reached at that of "any"; one stated can be another network's.
  const { interface: chosen } = config.lan;
  const ranks = [chosen, '0.0.0.0'].map((wanted) => places.find(({ host: at }) => at === wanted));
  const found = ranks[0] ?? ranks[1] ?? places.find(({ host: at = '' }) => isIPv4(at));
  const local = found?.port === undefined ? undefined : { place: found.place, port: found.port };
  return new LanDiscovery({
    config: config.lan,
    self: { address: parseNodeAddress(address)!, networkId: fromHex(network.id)! },
    local,
    memberName: (peer) => host.members().find((member) => member.address === peer)?.name,
    isLinked: (name) =>
      host.statusNow().links.some(({ neighbour, state }) => neighbour === name && state === 'up'),
    share: (peers) => host.shareOnLan(peers),
    introduce: (next) => neighbours.introduce(next),
    log,
  });
}

async function configOf(given: DaemonOptions['config']): Promise<Config> {
  if (given === undefined) return defaultConfig();
  return typeof given === 'string' ? loadConfig(given) : given;
}

/** Entries of `Undo` that outlast the control socket: the lock and the logs. */
export const UNDO_LAST = 2;

export async function undoAll(undo: Undo): Promise<void> {
  for (let next = undo.pop(); next !== undefined; next = undo.pop()) await next();
}

/** The configured ones; without any, the node this one joined through. */
export function neighboursOf(config: Config, membership: Membership): readonly NeighbourConfig[] {
  if (config.neighbours !== undefined) return config.neighbours;
  return membership.joinedThrough.map(({ name, addresses }) => ({
    name,
    addresses: addresses.flatMap((text) => parseHostPort(text) ?? []),
    local: undefined,
  }));
}

const nodeTimers = ({ timers }: Config): Partial<NodeTimers> =>
  known<NodeTimers>({
    helloInterval: timers.hello,
    deadAfterMax: timers.deadAfter,
    refreshInterval: timers.refresh,
    rekeyAfter: timers.rekey,
  });

const nodeProbing = ({ probing }: Config): Partial<ProbingOptions> =>
  known<ProbingOptions>({
    budget: probing.budget,
    relays: probing.relays,
    helloIntervalMax: probing.helloMax,
  });

const nodeReservations = ({ reservations }: Config): Partial<ReservationOptions> =>
  known<ReservationOptions>({
    share: reservations.share,
    memberShare: reservations.perMember,
    entriesMax: reservations.entries,
  });

const nodeLimits = ({ limits }: Config): Partial<NodeLimits> =>
  known<NodeLimits>({
    neighboursMax: limits.neighbours,
    membersMax: limits.members,
    flowsMax: limits.flows,
    socketsMax: limits.sockets,
    streamsMax: limits.streams,
  });

/** Without what is undefined, which would hide the core's defaults. */
const known = <T>(values: { [K in keyof T]?: T[K] | undefined }): Partial<T> =>
  Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Partial<T>;

/** Throws NOT_A_LAB where the config asks for what only labs have. */
export function assertLab({ impairments, turncoat }: Config, isLab: boolean): void {
  if (isLab || (impairments.length === 0 && turncoat === undefined)) return;
  const key = turncoat === undefined ? 'impairments' : 'turncoat';
  throw new OverlayError(
    'NOT_A_LAB',
    `the config has \`${key}\`, and this network was not made as a lab: it is left as it is`,
    { details: { key } },
  );
}

export const notAMember = (path: string): OverlayError =>
  new OverlayError(
    'NOT_A_MEMBER',
    `${path} belongs to no network yet: run \`overlane init\` to make one, or \`overlane join\` with a token`,
    { details: { path } },
  );
