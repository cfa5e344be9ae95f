/** Times and bounds of the link room, with their defaults. Bounds are listed in docs/limits.md. */
import type { Duration } from '../kernel/index.ts';
import { milliseconds, seconds } from '../kernel/index.ts';
import type { RecoveryLimits } from './recovery/options.ts';
import { RECOVERY_LIMITS } from './recovery/options.ts';

export interface LinkTimers {
  /** Between hellos. */
  readonly helloInterval: Duration;
  /** The longest that `helloBudget` may stretch it to. */
  readonly helloIntervalMax: Duration;
  /** Between probes of a suspect neighbour, and between hellos while a loss is looked into. */
  readonly probeInterval: Duration;
  /** Bounds of the silence after which a neighbour is dead. */
  readonly deadAfterMin: Duration;
  readonly deadAfterMax: Duration;
  /** Age at which the keys' initiator renews them; the responder waits a quarter longer. */
  readonly rekeyAfter: Duration;
  /** First and longest wait between attempts to open a link. */
  readonly dialAgainMin: Duration;
  readonly dialAgainMax: Duration;
}

export const LINK_TIMERS: LinkTimers = {
  helloInterval: milliseconds(100),
  helloIntervalMax: seconds(12),
  probeInterval: milliseconds(25),
  deadAfterMin: milliseconds(425),
  deadAfterMax: seconds(1),
  rekeyAfter: seconds(120),
  dialAgainMin: milliseconds(250),
  dialAgainMax: seconds(5),
};

export interface LinkLimits extends RecoveryLimits {
  /** Links at one time; further members are refused. */
  readonly neighboursMax: number;
  /** Handshakes under way, each role. Responder: refuse. Initiator: drop oldest. */
  readonly pendingHandshakesMax: number;
  /** First messages a second answered without a cookie. */
  readonly handshakesPerSecond: number;
  /** Enrolments under way; further joiners are refused. */
  readonly enrolmentsMax: number;
  /** Bits a second, headers included, for the hellos of all links; more links say hello less often. */
  readonly helloBudget: number;
  /** Bits a second for trains that measure capacity, on links that are used or asked about. */
  readonly trainRate: number;
  /** Of which on all idle links together; less where `helloInterval` is above a second. */
  readonly trainIdleRate: number;
  /** Packets gathered before they are sealed and sent: enough for runs to many neighbours at once. */
  readonly outgoingBatchPackets: number;
  /** Packets opened in one call. */
  readonly incomingBatchPackets: number;
  /** Datagram that every path must carry: IPv6's least MTU without its headers. */
  readonly mtuMin: number;
  /** Datagram probed for where `mtuMax` does not pass: fits PPPoE and a tunnel. */
  readonly mtuTunnel: number;
  /**
   * Datagram probed for: what Ethernet carries under IPv6, and seven packets of MPEG-TS (1316 bytes)
   * with all that a lane with recovery and playout puts around them.
   */
  readonly mtuMax: number;
}

export const LINK_LIMITS: LinkLimits = {
  neighboursMax: 256,
  pendingHandshakesMax: 256,
  handshakesPerSecond: 64,
  enrolmentsMax: 32,
  helloBudget: 71_500,
  trainRate: 20_000,
  trainIdleRate: 500,
  outgoingBatchPackets: 1_024,
  incomingBatchPackets: 256,
  mtuMin: 1232,
  mtuTunnel: 1400,
  mtuMax: 1452,
  ...RECOVERY_LIMITS,
};
