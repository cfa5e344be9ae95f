/** Every time and every bound of this room, with its default. Overflow policies: docs/limits.md. */
import type { Duration } from '../kernel/index.ts';
import { milliseconds, seconds } from '../kernel/index.ts';
import { AGE_MAX } from '../wire/index.ts';

export interface RoutingTimers {
  /** Own link state is flooded again this often even when nothing changed; see `refreshIntervalOf`. */
  readonly refreshInterval: Duration;
  /** Changes within this time are one recomputation. */
  readonly recomputeDelay: Duration;
  /** Acknowledgements wait this long for company. */
  readonly ackDelay: Duration;
  /** Bounds of the retransmission timeout, which follows the link's round-trip time. */
  readonly retransmitMin: Duration;
  readonly retransmitMax: Duration;
  /** A link's better news waits until its last change is this long ago. Worse news never waits. */
  readonly betterNewsAfter: Duration;
  /** How long a new link's figures count as first figures, which better news may correct. */
  readonly firstFiguresFor: Duration;
  /** A link that came back is advertised after this time, doubled for each recent failure. */
  readonly flapHold: Duration;
  readonly flapHoldMax: Duration;
  /** One failure is forgotten after each such time without another. */
  readonly flapForget: Duration;
  /** How long a vanished link is remembered for explanations. */
  readonly vanishedLinkMemory: Duration;
}

export const ROUTING_TIMERS: RoutingTimers = {
  refreshInterval: seconds(40),
  recomputeDelay: milliseconds(2),
  ackDelay: milliseconds(10),
  retransmitMin: milliseconds(60),
  retransmitMax: seconds(1),
  betterNewsAfter: seconds(10),
  firstFiguresFor: seconds(8),
  flapHold: seconds(1),
  flapHoldMax: seconds(60),
  flapForget: seconds(60),
  vanishedLinkMemory: seconds(900),
};

/** Up to so many members the refresh interval is as configured; from there it grows with their number. */
const REFRESH_MEMBERS = 50;
const REFRESH_GROWTH_MAX = 8;
/** Others forget link state that was not refreshed for this many of the longest refresh intervals. */
const LIFETIME_REFRESHES = 3;

/**
 * What all members repeat comes to every node, so the interval is stretched as their number grows, and
 * the traffic of refreshing stays as it is. What is lost of a flood does not wait for it: neighbours
 * compare what they hold every `refreshInterval`, and links that died are reported by their other ends.
 */
export function refreshIntervalOf(members: number, { refreshInterval }: RoutingTimers): Duration {
  const growth = Math.min(REFRESH_GROWTH_MAX, Math.max(1, members / REFRESH_MEMBERS));
  return Math.round(refreshInterval * growth) as Duration;
}

/**
 * After this link state is forgotten. The same whatever the number of members, because a node that has
 * just joined does not know it, and must take what the others hold.
 */
export const lifetimeOf = ({ refreshInterval }: RoutingTimers): Duration =>
  Math.min(AGE_MAX, refreshInterval * REFRESH_GROWTH_MAX * LIFETIME_REFRESHES) as Duration;

/** With more neighbours than this a record is not passed on to those that its origin tells itself. */
export const DIRECT_FLOOD_FROM = 8;

export interface RoutingLimits {
  /** Links of this node; also how many neighbours flooding keeps state for. */
  readonly neighboursMax: number;
  /** Members known, this node included. */
  readonly membersMax: number;
  /** Records held, of all types. */
  readonly recordsMax: number;
  /** Link-state records of one origin, 64 links each. */
  readonly linkStatePartsMax: number;
  /** Parts of 1135 bytes; 33 hold the largest manifest there may be. */
  readonly manifestPartsMax: number;
  /** Link-state records waiting for their origin's certificate. */
  readonly heldRecordsMax: number;
  /** Records sent to one neighbour and not yet acknowledged. */
  readonly inFlightMax: number;
  /** New link state taken from one origin. */
  readonly originRecordsPerSecond: number;
  readonly originRecordsBurst: number;
  /** Records with bad signatures looked at from one neighbour. */
  readonly forgeriesPerSecond: number;
  readonly forgeriesBurst: number;
  /** Own link state flooded, at most. */
  readonly ownRecordsPerSecond: number;
  readonly ownRecordsBurst: number;
  readonly vanishedLinksMax: number;
  /** Alternatives listed in one explanation. */
  readonly candidatesMax: number;
  /** Flows of this node with routes of their own. */
  readonly flowRoutesMax: number;
  /** Flows whose class of policy is remembered. */
  readonly policyFlowsMax: number;
  /** Changes of routes remembered, for at most a day. */
  readonly routeHistoryMax: number;
  /** Dissemination graphs kept for own flows, one for each destination, scheme and deadline. */
  readonly disseminationPlansMax: number;
}

export const ROUTING_LIMITS: RoutingLimits = {
  neighboursMax: 256,
  membersMax: 512,
  recordsMax: 2048,
  linkStatePartsMax: 4,
  manifestPartsMax: 33,
  heldRecordsMax: 64,
  inFlightMax: 16,
  originRecordsPerSecond: 10,
  originRecordsBurst: 32,
  forgeriesPerSecond: 5,
  forgeriesBurst: 20,
  ownRecordsPerSecond: 5,
  ownRecordsBurst: 4,
  vanishedLinksMax: 256,
  candidatesMax: 16,
  flowRoutesMax: 4096,
  policyFlowsMax: 16_384,
  routeHistoryMax: 4096,
  disseminationPlansMax: 1024,
};

/** What a link measures of itself, as `link/` reports it. */
export interface AdjacencyMetrics {
  readonly rtt: Duration;
  readonly rttMin: Duration;
  readonly jitter: Duration;
  readonly lossOutPpm: number;
  readonly lossInPpm: number;
  readonly mtu: number;
}
