/**
 * What a daemon offers on its control socket beyond the node's own API (`host/api.ts`): the shapes
 * of requests and answers, shared by the server and by `client/`. Times in milliseconds, shares from
 * 0 to 1, rates in bits a second, points in time as ISO 8601. Documented in docs/api.md.
 */

import type { FlowChoice, NetworkLink, OverruledLink } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import type { Impairments, LogLevel, LogSubsystem } from './config.ts';
import type { ConfigChange } from './config-diff.ts';
import type { ProfileReport } from './cpu-profile.ts';

/** Raised when an answer changes its meaning; fields may be added without. */
export const CONTROL_API_VERSION = 1;

export interface DaemonInfo {
  readonly version: string;
  readonly pid: number;
  /** Path of the config file; undefined when the daemon runs on defaults. */
  readonly config: string | undefined;
  readonly state: string;
  readonly control: string;
  /** Resident memory, bytes. */
  readonly memoryBytes: number;
  readonly certificate: CertificateHealth;
}

export interface CertificateHealth {
  readonly ends: string;
  readonly daysLeft: number;
  /** `notice` from 30 days, `warning` from 7, `critical` from 1 day before the end. */
  readonly state: 'good' | 'notice' | 'warning' | 'critical' | 'expired';
  /** When the daemon will ask for the next one; undefined when it holds the root key itself. */
  readonly renewsAt: string;
}

export interface ReloadReport {
  readonly changes: readonly ConfigChange[];
}

export interface InviteOptions {
  /** The name the newcomer must take; any that is free when absent. */
  readonly name?: string | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Of the token. Default 24 hours. */
  readonly expiresMs?: number | undefined;
  /** Of the certificate. Default 90 days. */
  readonly validityMs?: number | undefined;
}

export interface InviteReport {
  readonly token: string;
  readonly name: string | undefined;
  readonly expires: string;
  readonly addresses: readonly string[];
}

export interface InviteStatus {
  /** First digits of the hash of the secret. */
  readonly id: string;
  readonly name: string | undefined;
  readonly expires: string;
  readonly usedBy: string | undefined;
}

export interface RevokeReport {
  readonly name: string;
  /** Hexadecimal. */
  readonly serials: readonly string[];
  readonly manifestVersion: number;
}

/** Policy as the file of `overlane policy set` has it; docs/policy.md. */
export type PolicyText = Readonly<Record<string, unknown>>;

export interface PolicySetReport {
  readonly manifestVersion: number;
  readonly cliques: number;
  readonly rules: number;
  /** Of the 8192 a manifest has room for. */
  readonly bytes: number;
  /** Names and labels in it that no member known here has. */
  readonly unmatched: readonly string[];
}

export interface NetworkPolicy {
  readonly manifestVersion: number;
  readonly policy: PolicyText;
}

export interface PermittedLinkText {
  readonly between: readonly string[];
  /** With its unit: `8.2ms`. */
  readonly latencyMin: string;
}

/** The maximal topology as the file of `overlane topology set` has it; docs/intrusion-tolerance.md. */
export interface TopologyText {
  readonly links: readonly PermittedLinkText[];
}

export interface TopologySetReport {
  readonly manifestVersion: number;
  /** Links that may exist; 0: any. */
  readonly links: number;
  /** Of the 8192 a manifest has room for. */
  readonly bytes: number;
  /** Names in it that no member known here has. */
  readonly unmatched: readonly string[];
  /** Links that exist now and will not any more, `CHI-NYC`. */
  readonly closed: readonly string[];
}

/** Which links may exist, which there are, and what nodes claimed in vain. */
export interface NetworkTopology extends TopologyText {
  readonly manifestVersion: number;
  /** Links that both ends tell of. */
  readonly present: readonly NetworkLink[];
  readonly overruled: readonly OverruledLink[];
}

export interface LogLevels {
  readonly level: string;
  readonly subsystems: Readonly<Record<LogSubsystem, LogLevel>>;
}

export interface LogLevelOptions {
  readonly level: LogLevel;
  readonly subsystem?: LogSubsystem | undefined;
  /** After this long the configured level is back. */
  readonly forMs?: number | undefined;
}

export interface LinkImpairment {
  readonly neighbour: string;
  /** Only the path to this address of the neighbour's; absent: all that are not named. */
  readonly remote?: string;
  readonly impairments: Impairments;
}

export interface ForwardRequest extends FlowChoice {
  readonly protocol: 'tcp' | 'udp';
  /** `host:port` of this host; port 0 takes any free one. */
  readonly listen: string;
  readonly to: string;
  readonly port: number;
}

export interface ForwardReport {
  readonly id: string;
  readonly protocol: 'tcp' | 'udp';
  readonly listen: string;
  readonly to: string;
  readonly port: number;
  /** Lane of its flows, and what was spelled out over it. */
  readonly lane: string;
  readonly flow: FlowChoice;
  /** From the config, or added while running and gone with the daemon. */
  readonly source: 'config' | 'api';
  /** False while its port cannot be opened; it is tried again. */
  readonly isOpen: boolean;
  readonly connections: number;
  readonly connectionsTotal: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly refusals: Readonly<Record<string, number>>;
}

/** The flow's part is what UDP answers ask for. */
export interface ExposeRequest extends FlowChoice {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** `host:port` as seen from this host. */
  readonly to: string;
  readonly from: readonly string[] | 'any';
}

export interface ExposeReport {
  readonly id: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** `host:port` as seen from this host. */
  readonly to: string;
  readonly from: readonly string[] | 'any';
  /** What UDP answers ask for. */
  readonly flow: FlowChoice;
  readonly source: 'config' | 'api';
  /** False while its port cannot be opened; it is tried again. */
  readonly isOpen: boolean;
  readonly connections: number;
  readonly connectionsTotal: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly refusals: Readonly<Record<string, number>>;
}

export interface ProcessorReport {
  readonly name: string;
  readonly module: string;
  /** Overlay port that flows are addressed to. */
  readonly port: number;
  readonly match: {
    readonly lane: string | undefined;
    readonly from: readonly string[] | 'any';
  };
  /** `NODE:port` of what it sends when the module names nobody. */
  readonly to: string | undefined;
  readonly flow: FlowChoice;
  /** `failed`: it is started again after a pause. */
  readonly state: 'starting' | 'running' | 'failed';
  /** Messages given to the module, and sent by it. */
  readonly received: number;
  readonly sent: number;
  readonly errors: number;
  readonly restarts: number;
  /** Given to the module and not yet done with. */
  readonly underWay: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly lastError: string | undefined;
}

/** What the control server asks of the daemon. */
export interface DaemonControls {
  info(): DaemonInfo;
  config(): unknown;
  reload(): Promise<ReloadReport>;
  logLevels(): LogLevels;
  setLogLevel(options: LogLevelOptions): LogLevels;
  /** Where the processor time goes, for so long. Fails with PROFILE_RUNNING. */
  profile(durationMs: number, signal: AbortSignal): Promise<ProfileReport>;
  invite(options: InviteOptions): InviteReport;
  invites(): readonly InviteStatus[];
  revoke(name: string): RevokeReport;
  policy(): NetworkPolicy;
  setPolicy(policy: unknown): Promise<PolicySetReport>;
  topology(): NetworkTopology;
  setTopology(topology: unknown): Promise<TopologySetReport>;
  impairments(): readonly LinkImpairment[];
  impair(neighbour: string, change: Impairments | 'none', remote?: string): LinkImpairment;
  forwards(): readonly ForwardReport[];
  addForward(request: ForwardRequest): Promise<ForwardReport>;
  removeForward(id: string): Promise<ForwardReport>;
  exposes(): readonly ExposeReport[];
  addExpose(request: ExposeRequest): Promise<ExposeReport>;
  removeExpose(id: string): Promise<ExposeReport>;
  processors(): readonly ProcessorReport[];
  /** Withdraws and drains; the answer to the request goes out first. */
  stop(): void;
}

export interface ErrorBody {
  readonly version: number;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
    readonly isRetryable: boolean;
  };
}

export function errorBody(error: OverlayError): ErrorBody {
  const { code, message, details, isRetryable } = error;
  return { version: CONTROL_API_VERSION, error: { code, message, details, isRetryable } };
}

/** The error a daemon answered with; DAEMON_PROTOCOL when the answer is no such thing. */
export function errorOf(body: unknown): OverlayError {
  const told = (body as ErrorBody | undefined)?.error;
  if (typeof told?.code !== 'string' || typeof told.message !== 'string')
    return new OverlayError('DAEMON_PROTOCOL', 'the daemon answered something unintelligible', {
      details: { body },
    });
  return new OverlayError(told.code, told.message, {
    details: { ...told.details },
    isRetryable: told.isRetryable === true,
  });
}
