/** What a flow asks for, as flags: the same on every command that opens one. */
import type { FlagParametersForType } from '@stricli/core';
import {
  PLAYOUT_WORDS,
  type PlayoutWord,
  RECOVERY_WORDS,
  type RecoveryWord,
  ROUTING_WORDS,
  type RoutingWord,
} from '../forwarding/index.ts';
import type { FlowChoice } from '../host/index.ts';
import { OverlayError, parseDuration } from '../kernel/index.ts';
import type { CliContext } from './context.ts';
import { durationMs, laneNames, metricFlag, rate, wholeNumber } from './parameters.ts';

export interface FlowFlags {
  readonly lane?: string;
  readonly routing?: RoutingWord;
  readonly recovery?: RecoveryWord;
  readonly deadline?: string;
  readonly priority?: number;
  readonly playout?: PlayoutWord;
  readonly signed: boolean;
  readonly rate?: string;
  readonly pinned: boolean;
  readonly metric?: string;
  readonly spread: boolean;
}

export const FLOW_FLAGS: FlagParametersForType<FlowFlags, CliContext> = {
  lane: {
    kind: 'parsed',
    parse: String,
    optional: true,
    placeholder: 'name',
    brief: 'Lane of the flow (overlane lanes lists them)',
    proposeCompletions(this: CliContext): Promise<readonly string[]> {
      return laneNames(this);
    },
  },
  routing: {
    kind: 'enum',
    values: ROUTING_WORDS,
    optional: true,
    brief: "How packets find their way, in place of the lane's",
  },
  recovery: {
    kind: 'enum',
    values: RECOVERY_WORDS,
    optional: true,
    brief: "How each link repairs losses, in place of the lane's",
  },
  deadline: {
    kind: 'parsed',
    parse: durationText,
    optional: true,
    placeholder: 'time',
    brief: "One way, such as 130ms, in place of the lane's",
  },
  priority: {
    kind: 'parsed',
    parse: wholeNumber(0, 15),
    optional: true,
    placeholder: 'n',
    brief: "0 to 15, the greater first, in place of the lane's",
  },
  playout: {
    kind: 'enum',
    values: PLAYOUT_WORDS,
    optional: true,
    brief: "What the destination does with datagrams, in place of the lane's",
  },
  signed: {
    kind: 'boolean',
    default: false,
    withNegated: false,
    brief: 'Sign packets, so that no node alters them or sends others in this name unnoticed',
  },
  rate: {
    kind: 'parsed',
    parse: rateText,
    optional: true,
    placeholder: 'rate',
    brief: 'Reserve so much on every link of the way, such as 8Mbit',
  },
  pinned: {
    kind: 'boolean',
    default: false,
    withNegated: false,
    brief: 'Stay on the first route, as an unprotected path would (--routing pinned)',
  },
  metric: {
    kind: 'parsed',
    parse: metricFlag,
    optional: true,
    placeholder: 'metric',
    brief: 'The best route by this metric: latency, loss, throughput, hops, ... (docs/routing.md)',
  },
  spread: {
    kind: 'boolean',
    default: false,
    withNegated: false,
    brief: 'Spread over all good paths, each connection or client on one for good',
  },
};

export function flowOfFlags(flags: FlowFlags): FlowChoice {
  const { lane, routing, recovery, deadline, priority, playout, rate, pinned, metric, spread } =
    flags;
  if (pinned && routing !== undefined && routing !== 'pinned')
    throw new OverlayError('USAGE', `--pinned and --routing ${routing} contradict each other`);
  const isMeasured = metric !== undefined || spread;
  if (isMeasured && (pinned || routing !== undefined))
    throw new OverlayError('USAGE', '--metric and --spread exclude --routing and --pinned');
  const signed = flags.signed ? true : undefined;
  const said = { lane, recovery, deadline, priority, playout, signed, rate };
  const measured = { metric: metric ?? 'default', ...(spread ? { spread } : {}) };
  const named = pinned ? ('pinned' as const) : routing;
  const choice = { ...said, routing: isMeasured ? measured : named };
  return Object.fromEntries(
    Object.entries(choice).filter(([, value]) => value !== undefined),
  ) as FlowChoice;
}

function rateText(text: string): string {
  rate(text);
  return text;
}

/** Stays a text: whoever resolves the lane reads it. */
function durationText(text: string): string {
  if (parseDuration(text) === undefined) durationMs(text);
  return text;
}
