/**
 * Lanes: what a flow asks of the network, in words. A lane is a bundle of routing, recovery, deadline,
 * priority and playout under a name and a number. The number travels in every packet for display and
 * accounting only; what nodes act on (`PacketService`, the stamped route) travels beside it, so a node
 * that knows nothing of a lane serves it all the same.
 *
 * This file resolves names and words to what the packet path understands. It does not choose routes
 * and knows no node: whether a lane can hold to a destination is asked with the route's latency in
 * hand (`laneFit`).
 */
import type { Duration, Result } from '../kernel/index.ts';
import { fail, formatDuration, nearestSpelling, ok } from '../kernel/index.ts';
import type { PacketService } from '../wire/index.ts';
import {
  RECOVERY_DEADLINE,
  RECOVERY_FAIR_RELIABLE,
  RECOVERY_NONE,
  RECOVERY_PRIORITY,
  RECOVERY_REALTIME,
  RECOVERY_RELIABLE,
} from '../wire/index.ts';

export const ROUTING_WORDS = [
  'best',
  'single-hop',
  'disjoint',
  'targeted',
  'time-constrained',
  'flood',
  'pinned',
] as const;
export type RoutingWord = (typeof ROUTING_WORDS)[number];

export const RECOVERY_WORDS = [
  'none',
  'reliable',
  'realtime',
  'deadline',
  'priority',
  'fair-reliable',
] as const;
export type RecoveryWord = (typeof RECOVERY_WORDS)[number];

const RECOVERY_NUMBERS: Readonly<Record<RecoveryWord, number>> = {
  none: RECOVERY_NONE,
  reliable: RECOVERY_RELIABLE,
  realtime: RECOVERY_REALTIME,
  deadline: RECOVERY_DEADLINE,
  priority: RECOVERY_PRIORITY,
  'fair-reliable': RECOVERY_FAIR_RELIABLE,
};

/**
 * What the destination does with messages before its application gets them. `none`: as they come.
 * `deadline`: as they come, late ones dropped. `order`: in the order sent; a gap holds what is behind
 * it up to the deadline. `smooth`: at the time sent plus the deadline, so that jitter is gone.
 */
export const PLAYOUT_WORDS = ['none', 'deadline', 'order', 'smooth'] as const;
export type PlayoutWord = (typeof PLAYOUT_WORDS)[number];

/** Numbers below are those of the named lanes; a network's own lanes are 16 .. 255. */
export const OWN_LANE_FIRST = 16;
export const LANE_NUMBER_MAX = 255;
/** Longest deadline that a packet can tell. */
export const LANE_DEADLINE_MAX: Duration = 6_500_000 as Duration;
export const DISJOINT_PATHS_MAX = 8;

export interface LaneBundle {
  readonly routing: RoutingWord;
  /** Node-disjoint paths of the routing `disjoint`; 1 .. `DISJOINT_PATHS_MAX`. */
  readonly paths: number;
  readonly recovery: RecoveryWord;
  /** From source to destination; 0: none. */
  readonly deadline: Duration;
  /** 0 .. 15; the greater goes first among packets of one source. */
  readonly priority: number;
  /** Requests for a lost packet, 0 .. 15; 0: each link chooses. */
  readonly requests: number;
  /** Retransmissions on a request, 0 .. 15; 0: each link chooses. */
  readonly retransmissions: number;
  readonly playout: PlayoutWord;
  /** Whether packets bear their source's signature, and nodes refuse what others made of them. */
  readonly signed: boolean;
}

export interface Lane extends LaneBundle {
  readonly name: string;
  readonly number: number;
  /** What it is for, in a sentence. */
  readonly purpose: string;
}

/** A lane's name, parts spelled out, or parts over a name; absent: the lane `default`. */
export type LaneChoice = { readonly lane?: string } & {
  readonly [K in keyof LaneBundle]?: LaneBundle[K] | undefined;
};

/** Why a choice is refused; `nearest` is a right spelling, or a lane that can hold. */
export interface LaneRefusal {
  readonly reason: 'unknown-lane' | 'contradiction' | 'deadline-below-propagation';
  readonly message: string;
  readonly nearest: string | undefined;
}

export function resolveLane(lanes: readonly Lane[], choice: LaneChoice): Result<Lane, LaneRefusal> {
  const name = choice.lane ?? 'default';
  const lane = lanes.find((l) => l.name === name);
  if (lane === undefined) return fail(unknownLane(name, lanes));
  const stated = Object.entries(choice).filter(([key, v]) => key !== 'lane' && v !== undefined);
  if (lane.signed && choice.signed === false) return fail(unsignedRefusal(name));
  const resolved = withFallbacks({ ...lane, ...Object.fromEntries(stated) }, choice);
  const fault = bundleFault(resolved);
  return fault === undefined
    ? ok(resolved)
    : fail({ reason: 'contradiction', message: fault, nearest: undefined });
}

/** Every node refuses what comes unsigned in a lane that is signed. */
const unsignedRefusal = (name: string): LaneRefusal => ({
  reason: 'contradiction',
  message: `lane "${name}" is signed: take another lane for a flow that is not`,
  nearest: undefined,
});

export function unknownLane(name: string, lanes: readonly Lane[]): LaneRefusal {
  const names = lanes.map((l) => l.name);
  return {
    reason: 'unknown-lane',
    message: `there is no lane "${name}"; lanes are ${names.join(', ')}`,
    nearest: nearestSpelling(name, names),
  };
}

/** What contradicts itself in a bundle, in words. */
export function bundleFault(bundle: LaneBundle): string | undefined {
  const { deadline, recovery, playout } = bundle;
  if (deadline > LANE_DEADLINE_MAX)
    return `a deadline is at most ${formatDuration(LANE_DEADLINE_MAX)}`;
  if (deadline === 0 && recovery === 'deadline') return 'recovery "deadline" needs a deadline';
  const { routing } = bundle;
  if (deadline === 0 && (routing === 'time-constrained' || routing === 'targeted'))
    return `routing "${routing}" needs a deadline`;
  if (deadline === 0 && (playout === 'deadline' || playout === 'smooth'))
    return `playout "${playout}" needs a deadline`;
  return undefined;
}

/**
 * Whether a bundle can hold on a way that takes `propagation` at least; undefined: it can. The
 * nearest that can is the lane with the shortest deadline above it.
 */
export function laneFit(
  lane: Lane,
  propagation: Duration,
  lanes: readonly Lane[],
): LaneRefusal | undefined {
  if (lane.deadline === 0 || lane.deadline > propagation) return undefined;
  const able = lanes
    .filter((l) => l.deadline > propagation)
    .sort((a, b) => a.deadline - b.deadline || a.number - b.number)[0];
  const needs = formatDuration(Math.ceil(propagation / 1_000 + 1) * 1_000);
  const other =
    able === undefined
      ? 'no lane of this network has a longer deadline that holds'
      : `lane "${able.name}" (${formatDuration(able.deadline)}) can`;
  return {
    reason: 'deadline-below-propagation',
    message:
      `a deadline of ${formatDuration(lane.deadline)} cannot hold: the way takes ` +
      `${formatDuration(propagation)} at least; ${other}, or a deadline of ${needs}`,
    nearest: able?.name,
  };
}

export const laneService = (bundle: LaneBundle): PacketService => ({
  recovery: RECOVERY_NUMBERS[bundle.recovery],
  priority: bundle.priority,
  requests: bundle.requests,
  retransmissions: bundle.retransmissions,
  deadline: bundle.deadline,
  ...(bundle.signed ? { isSigned: true } : {}),
});

/** A deadline taken away takes with it what the lane, not the choice, wanted one for. */
function withFallbacks(resolved: Lane, choice: LaneChoice): Lane {
  if (resolved.deadline !== 0) return resolved;
  const { playout } = resolved;
  const isLoose = choice.playout === undefined && (playout === 'deadline' || playout === 'smooth');
  return isLoose ? { ...resolved, playout: 'none' } : resolved;
}
