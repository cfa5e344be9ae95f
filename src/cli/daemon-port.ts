/**
 * The side of the daemon that commands see. `daemon-adapter.ts` implements it with the daemon and
 * client rooms; tests implement it with fixed answers.
 */
import type { OverlayNodeHandle } from '../host/index.ts';

export interface DaemonPort {
  /** The control socket meant by `--socket`, `$OVERLANE_SOCKET` or the state directory. */
  socketPath(given: string | undefined): string;
  /** Fails with DAEMON_UNREACHABLE. */
  connect(socket: string, signal: AbortSignal): Promise<DaemonConnection>;
  /** Makes a network and this host's node in it. */
  init(options: InitOptions): Promise<InitReport>;
  /** Trades a token for a certificate. */
  join(options: JoinOptions): Promise<JoinReport>;
  /** Runs a daemon in this process until it has stopped; resolves with its exit code. */
  run(options: RunOptions): Promise<number>;
  /** Starts a daemon that outlives this process; resolves when it answers. */
  start(options: RunOptions): Promise<StartReport>;
  checkConfig(file: string): Promise<ConfigReport>;
  configSchema(): Promise<Record<string, unknown>>;
  stateDirectory(given: string | undefined): string;
  /** UDP addresses opened without a configuration. */
  readonly listenDefault: readonly string[];
  configFile(given: string | undefined, state: string | undefined): string;
}

export interface InitOptions {
  readonly network: string;
  readonly name: string;
  readonly isLab: boolean;
  readonly state: string;
}

export interface InitReport {
  readonly network: string;
  readonly networkId: string;
  readonly name: string;
  readonly address: string;
  readonly state: string;
  readonly certificateEnds: string;
}

export interface JoinOptions {
  readonly token: string;
  /** Where the invite does not say it. */
  readonly name: string | undefined;
  readonly state: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface JoinReport extends InitReport {
  readonly through: string;
}

export interface RunOptions {
  readonly config: string | undefined;
  readonly state: string | undefined;
  readonly socket: string | undefined;
  readonly signal: AbortSignal;
}

export interface StartReport {
  readonly pid: number;
  readonly socket: string;
  readonly log: string;
}

export interface ConfigReport {
  readonly file: string;
  /** UDP addresses it wants opened, `host:port`. */
  readonly listen: readonly string[];
  /** What the file means, defaults filled in. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface DaemonConnection extends OverlayNodeHandle {
  info(): Promise<DaemonInfo>;
  shutdown(): Promise<void>;
  reload(): Promise<ReloadReport>;
  invite(options: InviteOptions): Promise<InviteReport>;
  revoke(name: string): Promise<RevokeReport>;
  logLevels(): Promise<LogLevels>;
  setLogLevel(level: string, subsystem: string | undefined): Promise<LogLevels>;
  impairments(): Promise<readonly LinkImpairment[]>;
  impair(neighbour: string, change: Impairments | 'none'): Promise<LinkImpairment>;
  forwards(): Promise<readonly ForwardReport[]>;
  addForward(forward: ForwardOptions): Promise<ForwardReport>;
  removeForward(id: string): Promise<ForwardReport>;
}

export interface DaemonInfo {
  readonly version: string;
  readonly pid: number;
  readonly config: string | undefined;
  readonly state: string;
}

export interface ReloadReport {
  readonly changes: readonly {
    readonly key: string;
    readonly before: unknown;
    readonly after: unknown;
    readonly effect: 'now' | 'restart';
  }[];
}

export interface InviteOptions {
  readonly name: string | undefined;
  readonly roles: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly expiresMs: number;
}

export interface InviteReport {
  readonly token: string;
  readonly name: string | undefined;
  readonly expires: string;
  readonly addresses: readonly string[];
}

export interface RevokeReport {
  readonly name: string;
  readonly serials: readonly string[];
  readonly manifestVersion: number;
}

export interface LogLevels {
  readonly level: string;
  readonly subsystems: Readonly<Record<string, string>>;
}

/** Times in milliseconds, shares from 0 to 1, rate in bits a second. */
export interface Impairments {
  readonly delayMs?: number | undefined;
  readonly jitterMs?: number | undefined;
  readonly loss?: number | undefined;
  readonly burst?: number | undefined;
  readonly rate?: number | undefined;
  readonly queueBytes?: number | undefined;
  readonly reorder?: number | undefined;
  readonly duplicate?: number | undefined;
  readonly cut?: boolean | undefined;
  readonly mtu?: number | undefined;
}

export interface LinkImpairment {
  readonly neighbour: string;
  readonly impairments: Impairments;
}

export interface ForwardOptions {
  readonly protocol: 'tcp' | 'udp';
  /** `host:port` of this host. */
  readonly listen: string;
  readonly to: string;
  readonly port: number;
  readonly routing: 'best' | 'pinned';
}

export interface ForwardReport extends ForwardOptions {
  readonly id: string;
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
