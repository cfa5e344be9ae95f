/** The daemon's configuration as the program sees it: every value in the one unit of its type. */
import type { LaneDefinition } from '../forwarding/index.ts';
import type { FlowChoice } from '../host/index.ts';
import type { Duration } from '../kernel/index.ts';
import type { TurncoatOptions } from '../node/index.ts';
import type { UnderlayChoice } from '../underlay/index.ts';
import type { PolicyRule } from '../wire/index.ts';
import type { HostPort } from './units.ts';

export const LOG_SUBSYSTEMS = [
  'link',
  'route',
  'flow',
  'session',
  'api',
  'gateway',
  'underlay',
  'daemon',
] as const;
export type LogSubsystem = (typeof LOG_SUBSYSTEMS)[number];
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Config {
  /** Absent: the caller's choice, then the place usual for this user. */
  readonly state: string | undefined;
  /** Path of the control socket. Absent: `control.sock` in the state directory. */
  readonly control: string | undefined;
  readonly controlMode: number;
  readonly listen: readonly HostPort[];
  readonly advertise: readonly HostPort[];
  /** The fast way to the kernel and to OpenSSL, the portable one, or what is to be had. */
  readonly underlay: UnderlayChoice;
  /** Whether the kernel may join and cut runs of datagrams. */
  readonly gso: boolean;
  /** That seal and open packets, the daemon's own counted. */
  readonly threads: number;
  readonly acceptLinks: 'members' | 'configured';
  /** Absent: the node this one joined through. */
  readonly neighbours: readonly NeighbourConfig[] | undefined;
  /** Bits per second. */
  readonly linkCapacity?: number | undefined;
  readonly reservations: ReservationsConfig;
  readonly weights: Readonly<Record<string, number>>;
  readonly timers: TimersConfig;
  readonly probing: ProbingConfig;
  /** Names of nodes. */
  readonly sharePerformance: readonly string[];
  readonly lan: LanConfig;
  readonly limits: LimitsConfig;
  /** The network's own lanes beside the named ones. */
  readonly lanes: readonly LaneDefinition[];
  readonly drain: Duration;
  readonly log: LogConfig;
  readonly forwards: readonly ForwardConfig[];
  readonly expose: readonly ExposeConfig[];
  readonly processors: readonly ProcessorConfig[];
  readonly impairments: readonly ImpairmentConfig[];
  /** Rules of this node's own, beside the network's in the manifest. */
  readonly policy: readonly PolicyRule[];
  /** What this node does as a captured one. Labs only. */
  readonly turncoat?: TurncoatOptions | undefined;
}

/** Of links of this node; shares are 0 to 1. */
export interface ReservationsConfig {
  readonly share?: number | undefined;
  readonly perMember?: number | undefined;
  readonly entries?: number | undefined;
}

export interface NeighbourConfig {
  readonly name: string;
  readonly addresses: readonly HostPort[];
  /** Index into `listen`; absent: the first of the address family. */
  readonly local: number | undefined;
  /** How many paths to keep open at once, each between one entry of `listen` and one address. */
  readonly paths?: number | undefined;
  /** Packets with a deadline go over two paths at once. */
  readonly twice?: boolean | undefined;
  /** Bits per second. */
  readonly capacity?: number | undefined;
}

export interface LanConfig {
  /** Whether to look for other members by multicast, and to share the performance database with them. */
  readonly discover: boolean;
  /** IPv4 multicast. */
  readonly group: HostPort;
  /** IPv4 address of the interface; the system chooses when absent. */
  readonly interface?: string | undefined;
}

export interface ProbingConfig {
  /** Bits per second. */
  readonly budget?: number | undefined;
  readonly relays?: 'auto' | 'on' | 'off' | undefined;
  readonly helloMax?: Duration | undefined;
}

export interface TimersConfig {
  readonly hello?: Duration | undefined;
  readonly deadAfter?: Duration | undefined;
  readonly refresh?: Duration | undefined;
  readonly rekey?: Duration | undefined;
}

export interface LimitsConfig {
  readonly neighbours?: number | undefined;
  readonly members?: number | undefined;
  readonly flows?: number | undefined;
  readonly sockets?: number | undefined;
  readonly streams?: number | undefined;
  readonly controlConnections: number;
  readonly forwardConnections: number;
  readonly udpClients: number;
}

export interface LogConfig {
  readonly level: LogLevel;
  /** Absent: standard output. */
  readonly file: string | undefined;
  readonly subsystems: Readonly<Partial<Record<LogSubsystem, LogLevel | undefined>>>;
}

/** A port of this host that leads to an overlay port of another node. */
export interface ForwardConfig {
  readonly protocol: 'tcp' | 'udp';
  readonly listen: HostPort;
  /** Member name of the node it leads to. */
  readonly to: string;
  /** Overlay port there, for which that node has an `expose` rule. */
  readonly port: number;
  /** What its flows ask for. */
  readonly flow: FlowChoice;
  /** UDP: a client that says nothing for this long is forgotten. */
  readonly idle: Duration;
}

/** An overlay port of this node that leads to an address near it. Nothing is exposed by default. */
export interface ExposeConfig {
  readonly protocol: 'tcp' | 'udp';
  /** Overlay port. */
  readonly port: number;
  readonly to: HostPort;
  /** Member names that may use it, or `any`. */
  readonly from: readonly string[] | 'any';
  /** UDP: what answers ask for. */
  readonly flow: FlowChoice;
  readonly idle: Duration;
}

/** A module of the user's that takes flows addressed to it and sends on what comes of them. */
export interface ProcessorConfig {
  readonly name: string;
  /** Path of an ES module, relative to the config file. */
  readonly module: string;
  /** Overlay port that flows are addressed to. */
  readonly port: number;
  /** Takes only what came in this lane; absent: in any. */
  readonly lane: string | undefined;
  /** Member names it takes messages from, or `any`. */
  readonly from: readonly string[] | 'any';
  /** Where what it sends goes when the module names nobody. */
  readonly to: { readonly node: string; readonly port: number } | undefined;
  /** What its own messages ask for. */
  readonly flow: FlowChoice;
  /** Given to the module. */
  readonly options: unknown;
}

/** What a lab does to packets from this node to one neighbour. */
export interface ImpairmentConfig {
  readonly neighbour: string;
  readonly impairments: Impairments;
}

/** Times in milliseconds and shares from 0 to 1, as on the control API. */
export interface Impairments {
  readonly delayMs?: number | undefined;
  readonly jitterMs?: number | undefined;
  readonly loss?: number | undefined;
  /** Probability that a loss is followed by another (p11 of the Gilbert model). */
  readonly burst?: number | undefined;
  /** Losses are drawn anew after this time; 0 draws for each packet. */
  readonly burstTimeMs?: number | undefined;
  /** Bits a second; 0 is without limit. */
  readonly rate?: number | undefined;
  readonly queueBytes?: number | undefined;
  readonly reorder?: number | undefined;
  readonly duplicate?: number | undefined;
  readonly cut?: boolean | undefined;
  /** 0 is without limit. */
  readonly mtu?: number | undefined;
}

export interface ConfigProblem {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
  /** `neighbours[0].addresses`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
  readonly nearest: string | undefined;
}

/** `overlane.yaml:12: neighbours[0]: unknown key "adresses"; did you mean "addresses"?` */
export function formatConfigProblem(problem: ConfigProblem): string {
  const where = problem.key === '' ? '' : ` ${problem.key}:`;
  const nearest = problem.nearest === undefined ? '' : `; did you mean "${problem.nearest}"?`;
  return `${problem.file}:${problem.line}:${where} ${problem.message}${nearest}`;
}
