/**
 * From the words of an application to what the core understands: lane number, service of each
 * packet, routing, playout. What cannot be is refused here, before anything is opened, with the
 * reason and the nearest that can.
 */
import type { Lane, LaneChoice, LaneDefinition, LaneRefusal } from '../forwarding/index.ts';
import {
  DISJOINT_PATHS_MAX,
  LaneTable,
  laneFit,
  laneService,
  PLAYOUT_WORDS,
  RECOVERY_WORDS,
  ROUTING_WORDS,
  resolveLane,
} from '../forwarding/index.ts';
import type { Duration } from '../kernel/index.ts';
import { nearestSpelling, OverlayError, parseDuration, parseRate } from '../kernel/index.ts';
import type { FlowOptions, FlowRouting } from '../node/index.ts';
import type { ApiErrorCode, FlowChoice, LaneReport } from './api.ts';
import { failure } from './failure.ts';
import { presentMs } from './present.ts';

const LANE_FIELDS = [
  'routing',
  'recovery',
  'deadline',
  'priority',
  'requests',
  'retransmissions',
  'playout',
  'signed',
] as const;

export class FlowChoices {
  private table = new LaneTable();

  /** The network's own lanes; flows that are open keep what they have. */
  configure(definitions: readonly LaneDefinition[]): void {
    this.table = new LaneTable(definitions);
  }

  nameOf(number: number): string {
    return this.table.nameOf(number);
  }

  /** Fails with UNKNOWN_LANE, BAD_ARGUMENT. */
  lane(choice: FlowChoice): Lane {
    const resolved = resolveLane(this.table.lanes, wordsOf(choice));
    if (resolved.ok) return resolved.value;
    throw refused(resolved.reason, choice);
  }

  /** Bits a second to reserve; undefined: none asked for. Fails with BAD_ARGUMENT. */
  rate({ rate }: FlowChoice, lane: Lane): number | undefined {
    if (rate === undefined) return undefined;
    const bits = parseRate(rate);
    if (bits === undefined || bits === 0)
      throw failure('BAD_ARGUMENT', `rate "${rate}", expected such as "8Mbit"`);
    const { recovery, routing } = lane;
    if (recovery === 'reliable' || recovery === 'fair-reliable')
      throw failure(
        'BAD_ARGUMENT',
        `a rate with recovery "${recovery}", which its links pace: lane "video" can have one`,
        { details: { field: 'rate', nearest: 'video' } },
      );
    if (routing === 'flood')
      throw failure('BAD_ARGUMENT', 'a rate with routing "flood", which has no way of its own');
    return bits;
  }

  /** Fails with LANE_CANNOT_HOLD; an unknown latency speaks against nothing. */
  check(lane: Lane, latency: Duration | undefined, to: string): void {
    if (latency === undefined) return;
    const refusal = laneFit(lane, latency, this.table.lanes);
    if (refusal === undefined) return;
    throw refused(refusal, { lane: lane.name }, { to, latencyMs: presentMs(latency) });
  }

  reports(latency: Duration | undefined): LaneReport[] {
    return this.table.lanes.map((lane) => this.report(lane, latency));
  }

  report(lane: Lane, latency: Duration | undefined): LaneReport {
    const { deadline, ...same } = lane;
    const refusal =
      latency === undefined ? undefined : laneFit(lane, latency, this.table.lanes)?.message;
    return {
      ...same,
      deadlineMs: presentMs(deadline),
      latencyMs: latency === undefined ? undefined : presentMs(latency),
      refusal,
      shortfall: undefined,
    };
  }
}

/** `explicit` where the choice names the nodes; the lane's word otherwise. */
export function flowOptionsOf(lane: Lane, explicit: FlowRouting | undefined): FlowOptions {
  return {
    lane: lane.number,
    service: laneService(lane),
    playout: lane.playout,
    routing: explicit ?? routingOf(lane),
  };
}

function routingOf({ routing, paths }: Lane): FlowRouting {
  if (routing === 'disjoint') return { scheme: 'disjoint', paths };
  if (routing === 'single-hop')
    return { scheme: 'metric', metric: { kind: 'default' }, hops: 'one' };
  return { scheme: routing };
}

/** Checks the words a program without types may get wrong. */
function wordsOf(choice: FlowChoice): LaneChoice {
  const { lane, routing } = choice;
  const words: { -readonly [K in keyof LaneChoice]: LaneChoice[K] } = {};
  if (lane !== undefined) words.lane = lane;
  if (typeof routing === 'string') words.routing = word('routing', routing, ROUTING_WORDS);
  else if (routing !== undefined && 'disjoint' in routing) {
    words.routing = 'disjoint';
    words.paths = within('routing.disjoint', routing.disjoint, 1, DISJOINT_PATHS_MAX);
  }
  if (choice.recovery !== undefined)
    words.recovery = word('recovery', choice.recovery, RECOVERY_WORDS);
  if (choice.playout !== undefined) words.playout = word('playout', choice.playout, PLAYOUT_WORDS);
  if (choice.signed !== undefined) words.signed = isTrue('signed', choice.signed);
  if (choice.deadline !== undefined) {
    words.deadline = parseDuration(choice.deadline);
    if (words.deadline === undefined)
      throw failure('BAD_ARGUMENT', `deadline "${choice.deadline}", expected such as "130ms"`);
  }
  for (const field of ['priority', 'requests', 'retransmissions'] as const) {
    const value = choice[field];
    if (value !== undefined) words[field] = within(field, value, 0, 15);
  }
  return words;
}

/** Whether a choice says more than a lane's name. */
export const isSpelledOut = (choice: FlowChoice): boolean =>
  LANE_FIELDS.some((field) => choice[field] !== undefined);

function word<const T extends string>(field: string, given: string, known: readonly T[]): T {
  if ((known as readonly string[]).includes(given)) return given as T;
  const nearest = nearestSpelling(given, known);
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  throw failure('BAD_ARGUMENT', `${field} "${given}", expected one of ${known.join(', ')}${hint}`, {
    details: { field, nearest },
  });
}

function isTrue(field: string, given: boolean): boolean {
  if (typeof given === 'boolean') return given;
  throw failure('BAD_ARGUMENT', `${field} ${given}, expected true or false`, {
    details: { field },
  });
}

function within(field: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw failure('BAD_ARGUMENT', `${field} ${value}, expected ${least} to ${most}`, {
    details: { field },
  });
}

const CODES: Readonly<Record<LaneRefusal['reason'], ApiErrorCode>> = {
  'unknown-lane': 'UNKNOWN_LANE',
  contradiction: 'BAD_ARGUMENT',
  'deadline-below-propagation': 'LANE_CANNOT_HOLD',
};

function refused(
  { reason, message, nearest }: LaneRefusal,
  choice: FlowChoice,
  more: Record<string, unknown> = {},
): OverlayError {
  const hint =
    reason === 'unknown-lane' && nearest !== undefined ? `; did you mean "${nearest}"?` : '';
  // The message says all: the code's own text would only repeat it.
  return new OverlayError(CODES[reason], `${message}${hint}`, {
    details: { reason, lane: choice.lane ?? 'default', nearest, ...more },
  });
}
