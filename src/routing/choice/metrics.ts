/**
 * What a flow may ask of its path, and how much one path must beat another by to be worth a move.
 * Every score is "less is better".
 *
 *   default           the network's cost: latency with loss weighed in (`../metric.ts`)
 *   latency           one way, summed over the links
 *   loss              -ln(1 - p) summed over the links, in millionths: the product of what passes
 *   expected-latency  when a packet arrives, a lost one counted as late as the flow waits, under the
 *                     recovery its links perform; summed over the links
 *   throughput        rtt * sqrt(p) of the whole path: the reciprocal of what TCP gets (Mathis et al.
 *                     1997), p half of the loss both ways and never below 2 %, as in RON
 *   hops              links; among equally few the fastest
 *   application       what an application reports of links under a name of its own
 *   mix               a weighted sum of those, in milliseconds, percent, hops and reported units
 *
 * The expected latency of one link with loss p and latency T, where retransmissions come after
 * 3 T + 2 ms and what is lost for good counts as `late` (Amir et al., "1-800-OVERLAYS", NOSSDAV 2005,
 * for one request and one retransmission; the other protocols by the same reasoning):
 *
 *   none       (1-p) T + p late
 *   realtime   (1-p) T + (p - 2p^2 + p^3)(3T + 2ms) + (2p^2 - p^3) late
 *   deadline   (1-p) T + (p - r)(3T + 2ms) + r late,  r = p (p^N + (1 - p^N) p^M)
 *   reliable   T + p / (1-p) (2T + 2ms)
 */
import type { NodeAddress } from '../../kernel/index.ts';
import type { LinkBandwidth, PacketService } from '../../wire/index.ts';
import {
  RECOVERY_DEADLINE,
  RECOVERY_FAIR_RELIABLE,
  RECOVERY_REALTIME,
  RECOVERY_RELIABLE,
} from '../../wire/index.ts';

export const SIMPLE_METRICS = [
  'default',
  'latency',
  'loss',
  'expected-latency',
  'throughput',
  'hops',
] as const;
export type SimpleMetric = (typeof SIMPLE_METRICS)[number];

export type FlowMetric =
  | { readonly kind: SimpleMetric }
  | { readonly kind: 'application'; readonly name: string }
  | { readonly kind: 'mix'; readonly parts: readonly MixPart[] };

export interface MixPart {
  readonly metric: Exclude<FlowMetric, { kind: 'mix' }>;
  /** Greater than 0. */
  readonly weight: number;
}

export const MIX_PARTS_MAX = 8;

/** A value an application reported for a link, or undefined; less is better. */
export type ApplicationMetric = (
  name: string,
  from: NodeAddress,
  to: NodeAddress,
) => number | undefined;

/** One direction of a link. */
export interface LinkFigures {
  readonly from: NodeAddress;
  readonly to: NodeAddress;
  /** Microseconds. */
  readonly latency: number;
  readonly lossPpm: number;
  /** Of the other direction. */
  readonly lossBackPpm: number;
  readonly cost: number;
  readonly isOnProbation: boolean;
  /** Undefined: nobody knows. */
  readonly bandwidth: LinkBandwidth | undefined;
}

/** How much better a path must be for a flow to move to it: by both, and by `share` of the old. */
export interface Margin {
  readonly share: number;
  /** In the metric's own unit. */
  readonly least: number;
}

/**
 * RON moves for 5 % and, to an indirect path, for 50 % more throughput; the least keep noise on
 * short and clean paths from counting.
 */
export const MARGINS: Readonly<Record<FlowMetric['kind'], Margin>> = {
  default: { share: 0.05, least: 500 },
  latency: { share: 0.05, least: 500 },
  loss: { share: 0.05, least: 2_000 },
  'expected-latency': { share: 0.05, least: 500 },
  throughput: { share: 1 / 3, least: 0 },
  hops: { share: 0, least: 0.5 },
  application: { share: 0.05, least: 0 },
  mix: { share: 0.05, least: 0 },
};

const PPM = 1_000_000;
/** What a lost packet counts as where the flow has no deadline, microseconds. */
const LATE = 500_000;
const RETRANSMISSION_WORK = 2_000;
const LOSS_FLOOR = 0.02;
/** Above any sum of real figures: used where there is nothing else. */
const LAST_RESORT = 1e12;
/** Of a link that an application has not reported: behind all that it has, in order of latency. */
const UNREPORTED = 1e9;

/** A metric made ready for one kind of flow. */
export interface Score {
  readonly metric: FlowMetric;
  readonly margin: Margin;
  /** Added up over the links. */
  additive(link: LinkFigures): number;
  /** Whether `ofPath` needs more than the sum. */
  readonly isAdditive: boolean;
  /** Of a whole path, from sums over its links; grows with each. */
  ofPath(sum: number, latency: number, lossBothWays: number): number;
  /** "12.3 ms", "4.0 %", "3 hops". */
  inWords(score: number): string;
}

export function scoreOf(
  metric: FlowMetric,
  service: Readonly<PacketService>,
  application: ApplicationMetric,
): Score {
  const additive = additiveOf(metric, service, application);
  const share = throughputShare(metric);
  const margin = MARGINS[metric.kind];
  return {
    metric,
    margin,
    isAdditive: share === 0,
    additive: (link) => additive(link) + (link.isOnProbation ? LAST_RESORT : 0),
    ofPath:
      share === 0 ? (sum) => sum : (sum, latency, loss) => sum + share * perPacket(latency, loss),
    inWords: (score) =>
      score < LAST_RESORT
        ? wordsOf(metric, score)
        : `${wordsOf(metric, score % LAST_RESORT)}, on probation`,
  };
}

/** -ln(1 - p) in millionths: adds up over links in a row. */
export function lossWeight(lossPpm: number): number {
  return Math.round(-Math.log1p(-Math.min(lossPpm, 999_000) / PPM) * PPM);
}

/** The loss that a sum of weights stands for, ppm. */
export const lossOfWeight = (weight: number): number =>
  Math.round(-Math.expm1(-weight / PPM) * PPM);

/** Expected latency over one link, microseconds; `late` is what a packet lost for good counts as. */
export function expectedLatency(
  link: { latency: number; lossPpm: number },
  service: Readonly<PacketService>,
): number {
  const p = Math.min(link.lossPpm / PPM, 0.99);
  const T = link.latency;
  const late = service.deadline > 0 ? service.deadline : LATE;
  const again = 3 * T + RETRANSMISSION_WORK;
  switch (service.recovery) {
    case RECOVERY_RELIABLE:
    case RECOVERY_FAIR_RELIABLE:
      return T + (p / (1 - p)) * (2 * T + RETRANSMISSION_WORK);
    case RECOVERY_REALTIME:
      return (1 - p) * T + (p - 2 * p * p + p ** 3) * again + (2 * p * p - p ** 3) * late;
    case RECOVERY_DEADLINE: {
      const asked = p ** Math.max(1, service.requests);
      const lost = p * (asked + (1 - asked) * p ** Math.max(1, service.retransmissions));
      return (1 - p) * T + (p - lost) * again + lost * late;
    }
    default:
      return (1 - p) * T + p * late;
  }
}

function additiveOf(
  metric: FlowMetric,
  service: Readonly<PacketService>,
  application: ApplicationMetric,
): (link: LinkFigures) => number {
  switch (metric.kind) {
    case 'default':
      return (link) => link.cost;
    case 'latency':
      return (link) => link.latency;
    case 'loss':
      return (link) => lossWeight(link.lossPpm);
    case 'expected-latency':
      return (link) => Math.round(expectedLatency(link, service));
    case 'throughput':
      return () => 0;
    case 'hops':
      return () => 1;
    case 'application':
      return ({ from, to, latency }) => application(metric.name, from, to) ?? UNREPORTED + latency;
    case 'mix': {
      const parts = metric.parts.map((part) => ({
        of: additiveOf(part.metric, service, application),
        weight: part.weight / UNITS[part.metric.kind],
      }));
      return (link) => parts.reduce((sum, { of, weight }) => sum + weight * of(link), 0);
    }
  }
}

/** What counts as 1 in a mix: a millisecond, a percent, a hop, what was reported. */
const UNITS: Readonly<Record<SimpleMetric | 'application', number>> = {
  default: 1_000,
  latency: 1_000,
  loss: 10_000,
  'expected-latency': 1_000,
  throughput: 1,
  hops: 1,
  application: 1,
};

function throughputShare(metric: FlowMetric): number {
  if (metric.kind === 'throughput') return 1;
  if (metric.kind !== 'mix') return 0;
  const share = (part: MixPart): number => (part.metric.kind === 'throughput' ? part.weight : 0);
  return metric.parts.reduce((sum, part) => sum + share(part), 0);
}

/** Milliseconds a packet of a long TCP transfer takes on the path, by the square-root model. */
function perPacket(latency: number, lossBothWays: number): number {
  const p = Math.max(LOSS_FLOOR, -Math.expm1(-lossBothWays / PPM) / 2);
  return ((2 * latency) / 1_000) * Math.sqrt(p / 1.5);
}

function wordsOf(metric: FlowMetric, score: number): string {
  switch (metric.kind) {
    case 'default':
    case 'latency':
    case 'expected-latency':
      return `${(score / 1_000).toFixed(1)} ms`;
    case 'loss':
      return `${(lossOfWeight(score) / 10_000).toFixed(2)} % lost`;
    case 'throughput':
      return score === 0 ? 'any rate' : `${Math.round(1_000 / score)} packets/s`;
    case 'hops':
      return score === 1 ? '1 hop' : `${score} hops`;
    case 'application':
      return score >= UNREPORTED ? 'not reported' : `${metric.name} ${rounded(score)}`;
    case 'mix':
      return `${rounded(score)} points`;
  }
}

const rounded = (n: number): string => String(Number(n.toPrecision(4)));

/** "loss", "application:fetch", "mix latency*1+loss*20": one text for one metric. */
export function metricText(metric: FlowMetric): string {
  if (metric.kind === 'application') return `app:${metric.name}`;
  if (metric.kind !== 'mix') return metric.kind;
  return metric.parts.map(({ metric: m, weight }) => `${metricText(m)}*${weight}`).join('+');
}

/** The metric a text means, as `metricText` writes it; undefined: none. */
export function parseMetric(text: string): FlowMetric | undefined {
  const parts = text.split('+');
  if (parts.length === 1 && !text.includes('*')) return parseSimple(text);
  if (parts.length > MIX_PARTS_MAX) return undefined;
  const mixed: MixPart[] = [];
  for (const part of parts) {
    const [name, weightText, more] = part.split('*');
    const metric = parseSimple(name ?? '');
    const weight = weightText === undefined ? 1 : Number(weightText);
    if (metric === undefined || more !== undefined || !(weight > 0 && weight <= 1e6))
      return undefined;
    mixed.push({ metric, weight });
  }
  return { kind: 'mix', parts: mixed };
}

const APPLICATION_NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;

function parseSimple(text: string): MixPart['metric'] | undefined {
  const simple = SIMPLE_METRICS.find((name) => name === text);
  if (simple !== undefined) return { kind: simple };
  const name = text.startsWith('app:') ? text.slice(4) : '';
  return APPLICATION_NAME.test(name) ? { kind: 'application', name } : undefined;
}
