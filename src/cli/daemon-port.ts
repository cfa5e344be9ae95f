/**
 * The side of the daemon that commands see. `daemon-adapter.ts` implements it with the daemon and
 * client rooms; tests implement it with fixed answers.
 */
import type { DaemonConnection } from '../client/index.ts';
import type { JoinReport, PolicyText, ProvisionReport, TopologyText } from '../daemon/index.ts';

export interface DaemonPort {
  /** The control socket meant by `--socket`, `$OVERLANE_SOCKET` or the state directory. */
  socketPath(given: string | undefined): string;
  /** Fails with DAEMON_UNREACHABLE. */
  connect(socket: string, signal: AbortSignal): Promise<DaemonConnection>;
  /** Makes a network and this host's node in it. */
  init(options: InitOptions): Promise<ProvisionReport>;
  /** Trades a token for a certificate. */
  join(options: JoinOptions): Promise<JoinReport>;
  /** Runs a daemon in this process until it has stopped; resolves with its exit code. */
  run(options: RunOptions): Promise<number>;
  /** Starts a daemon that outlives this process; resolves when it answers. */
  start(options: RunOptions): Promise<StartReport>;
  checkConfig(file: string): Promise<ConfigReport>;
  /** A policy file, checked: what `setPolicy` takes. */
  readPolicy(file: string): Promise<PolicyText>;
  /** A file of links, checked: what `setTopology` takes. */
  readTopology(file: string): Promise<TopologyText>;
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

export interface JoinOptions {
  readonly token: string;
  /** Where the invite does not say it. */
  readonly name: string | undefined;
  readonly state: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly config: string | undefined;
  readonly state: string | undefined;
  readonly socket: string | undefined;
  /** Gives up waiting for a daemon that was started; a daemon that runs here has its own signals. */
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
