/** The schema of lanes and of what a flow asks for, as the config writes them. */
import * as z from 'zod';
import type { LaneDefinition, RoutingWord } from '../forwarding/index.ts';
import {
  DISJOINT_PATHS_MAX,
  LANE_DEADLINE_MAX,
  LANE_NUMBER_MAX,
  OWN_LANE_FIRST,
  OWN_LANES_MAX,
  PLAYOUT_WORDS,
  RECOVERY_WORDS,
  ROUTING_WORDS,
} from '../forwarding/index.ts';
import type { FlowChoice, MetricRouting } from '../host/index.ts';
import {
  DURATION_PATTERN,
  formatDuration,
  nearestSpelling,
  parseDuration,
  RATE_PATTERN,
} from '../kernel/index.ts';
import { parseMetric, SIMPLE_METRICS } from '../routing/index.ts';

const METRIC_WORDS = `${SIMPLE_METRICS.join(', ')}, app:NAME or a weighted sum, latency*1+loss*20`;

const oneOf = <const T extends readonly [string, ...string[]]>(words: T) =>
  z.enum(words, {
    error: ({ input }) => {
      const nearest = typeof input === 'string' ? nearestSpelling(input, words) : undefined;
      const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
      return `expected one of ${words.join(', ')}${hint}`;
    },
  });

const fourBits = z.int('expected a whole number').min(0, 'expected 0 to 15').max(15, 'at most 15');

const deadline = z
  .string('expected a duration with its unit, such as "130ms"')
  .regex(new RegExp(DURATION_PATTERN), 'expected a duration with its unit, such as "130ms"')
  .refine(
    (text) => (parseDuration(text) ?? 0) <= LANE_DEADLINE_MAX,
    `expected at most ${formatDuration(LANE_DEADLINE_MAX)}`,
  );

const parts = {
  routing: oneOf(ROUTING_WORDS).optional().describe('How packets find their way.'),
  paths: z
    .int()
    .min(1)
    .max(DISJOINT_PATHS_MAX)
    .optional()
    .describe('Node-disjoint paths of the routing `disjoint`.'),
  recovery: oneOf(RECOVERY_WORDS).optional().describe('How each link repairs losses.'),
  deadline: deadline.optional().describe('From source to destination; `0ms` is none.'),
  priority: fourBits.optional().describe('0 to 15; the greater goes first.'),
  requests: fourBits.optional().describe('Requests for a lost packet; 0: each link chooses.'),
  retransmissions: fourBits
    .optional()
    .describe('Retransmissions on a request; 0: each link chooses.'),
  playout: oneOf(PLAYOUT_WORDS).optional().describe('What the destination does with datagrams.'),
  signed: z
    .boolean('expected true or false')
    .optional()
    .describe('Packets bear the signature of this node, and every node on the way checks it.'),
};

const laneName = z
  .string('expected the name of a lane')
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'expected a name of small letters, digits and hyphens');

export interface FlowKeys extends Omit<FlowChoice, 'routing'> {
  readonly routing?: RoutingWord;
  readonly paths?: number;
  readonly metric?: string;
  readonly hops?: 'any' | 'one';
  readonly spread?: boolean;
}

/** Keys of a flow in a forward; `paths` is written as the lane's. */
export const flowKeys: { readonly [K in keyof FlowKeys]-?: z.ZodType<FlowKeys[K] | undefined> } = {
  lane: laneName.optional().describe('A named lane, or one under `lanes`. Default `default`.'),
  ...parts,
  rate: z
    .string('expected a rate with its unit, such as "8Mbit"')
    .regex(new RegExp(RATE_PATTERN), 'expected a rate with its unit, such as "8Mbit"')
    .optional()
    .describe('Reserved for each flow on every link of its way, headers included.'),
  metric: z
    .string('expected a metric')
    .refine((text) => parseMetric(text) !== undefined, `expected ${METRIC_WORDS}`)
    .optional()
    .describe(`In place of \`routing\`: the best route by ${METRIC_WORDS}.`),
  hops: z.enum(['any', 'one']).optional().describe('With `metric`: `one` node between at most.'),
  spread: z
    .boolean()
    .optional()
    .describe('Each connection or client on one of all good paths, for as long as that stands.'),
};

/** The choice that the keys mean; those that are absent stay absent. */
export function flowOf(
  keys: { readonly [K in keyof FlowKeys]?: FlowKeys[K] | undefined },
): FlowChoice {
  const { routing, paths, metric, hops, spread, ...same } = keys;
  const isCounted = routing === 'disjoint' && paths !== undefined;
  const named = isCounted ? { disjoint: paths } : routing;
  const measured = metricRouting({ metric, hops, spread });
  const choice = { ...same, routing: measured ?? named };
  return Object.fromEntries(
    Object.entries(choice).filter(([, value]) => value !== undefined),
  ) as FlowChoice;
}

/** Spreading alone is over what is best by the network's own metric. */
function metricRouting({
  metric,
  hops,
  spread,
}: {
  readonly [K in keyof MetricRouting]?: MetricRouting[K] | undefined;
}): MetricRouting | undefined {
  if (metric === undefined && hops === undefined && spread !== true) return undefined;
  return {
    metric: metric ?? 'default',
    ...(hops === undefined ? {} : { hops }),
    ...(spread === undefined ? {} : { spread }),
  };
}

const lane = z
  .strictObject({
    name: laneName,
    number: z
      .int('expected a whole number')
      .min(OWN_LANE_FIRST, `an own lane has a number ${OWN_LANE_FIRST} to ${LANE_NUMBER_MAX}`)
      .max(LANE_NUMBER_MAX, `an own lane has a number ${OWN_LANE_FIRST} to ${LANE_NUMBER_MAX}`)
      .describe('What packets carry: the same at every node of the network.'),
    extends: laneName
      .optional()
      .describe('The lane it takes everything from that it does not state. Default `default`.'),
    purpose: z.string().max(200).optional().describe('What it is for, in a sentence.'),
    ...parts,
  })
  .transform(
    ({ deadline: text, ...same }): LaneDefinition => ({
      ...same,
      ...(text === undefined ? {} : { deadline: parseDuration(text) }),
    }),
  );

export const lanesSchema: z.ZodType<readonly LaneDefinition[]> = z
  .array(lane)
  .max(OWN_LANES_MAX)
  .default([]);
