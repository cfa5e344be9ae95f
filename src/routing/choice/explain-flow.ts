/**
 * Why a flow's route is what it is: every path it could have taken, its score by the flow's own metric,
 * and what was against it. Computed when somebody asks.
 */
import type { Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { between, formatNodeAddress, formatRate } from '../../kernel/index.ts';
import type { Graph } from '../graph.ts';
import type { LinkChanges, NameOf } from '../link-changes.ts';
import { inWords } from '../link-changes.ts';
import type { MissingLink } from '../missing-links.ts';
import { firstMissing, withMissing } from '../missing-links.ts';
import { deniedLink } from '../policy/denied-link.ts';
import { isSamePath, pathFigures } from '../routes.ts';
import { candidates } from './candidates.ts';
import { bandOf, marginOf, STAY_MIN } from './draw.ts';
import type { FlowEntry } from './flow-chooser.ts';
import type { Score } from './metrics.ts';
import { metricText } from './metrics.ts';
import { lackingOn } from './roomy-path.ts';

export interface FlowRouteStatus {
  readonly id: number;
  readonly destination: NodeAddress;
  readonly port: number | undefined;
  readonly lane: number;
  /** As `parseMetric` reads it. */
  readonly metric: string;
  readonly hops: 'any' | 'one';
  readonly isSpread: boolean;
  readonly path: readonly NodeAddress[] | undefined;
  /** In the unit of the metric, in words. */
  readonly score: string;
  readonly latency: Duration;
  readonly lossPpm: number;
  readonly cost: Duration;
  readonly since: Duration;
  readonly changes: number;
  readonly cause: string;
  /** Bits a second reserved for it, or asked for; 0: none. */
  readonly rate: number;
}

export interface FlowCandidate {
  readonly path: readonly NodeAddress[];
  readonly latency: Duration;
  readonly lossPpm: number;
  readonly cost: Duration;
  readonly score: string;
  readonly isChosen: boolean;
  readonly verdict: string;
}

export interface FlowExplanation {
  readonly flow: FlowRouteStatus;
  readonly candidates: readonly FlowCandidate[];
}

export function flowStatus(entry: FlowEntry, score: Score, now: Instant): FlowRouteStatus {
  const { id, spec, path, figures } = entry;
  return {
    id,
    destination: spec.destination,
    port: spec.port,
    lane: spec.lane,
    metric: metricText(spec.metric),
    hops: spec.hops,
    isSpread: spec.isSpread,
    path,
    score: path === undefined ? '' : score.inWords(entry.value),
    latency: figures?.latency ?? (0 as Duration),
    lossPpm: figures?.lossPpm ?? 0,
    cost: figures?.cost ?? (0 as Duration),
    since: between(entry.changedAt, now),
    changes: entry.changes,
    cause: entry.cause,
    rate: entry.rate,
  };
}

export interface FlowQuestion {
  readonly self: NodeAddress;
  readonly entry: FlowEntry;
  readonly score: Score;
  /** All links, and those policy leaves to the flow. */
  readonly graph: Graph;
  readonly permitted: Graph;
  readonly missing: ReadonlyMap<string, MissingLink>;
  readonly denial: (from: NodeAddress, to: NodeAddress) => string | undefined;
  readonly links: LinkChanges;
  readonly nameOf: NameOf;
  readonly candidatesMax: number;
  readonly now: Instant;
}

/** The chosen one first, then by score. */
export function explainFlow(question: FlowQuestion): FlowExplanation {
  const { entry, score, self, graph, permitted, missing } = question;
  const ends = { source: self, destination: entry.spec.destination };
  const open = candidates(permitted, ends, score, entry.spec.hops);
  const best = open[0]?.score ?? 0;
  const rows: (FlowCandidate & { order: number })[] = [];
  const add = (g: Graph, path: readonly NodeAddress[], value: number, verdict: string): void => {
    const figures = pathFigures(g, self, path);
    if (figures === undefined) return;
    const isChosen = verdict.startsWith('chosen');
    const { latency, lossPpm, cost } = figures;
    const words = score.inWords(value);
    rows.push({ path, latency, lossPpm, cost, score: words, isChosen, verdict, order: value });
  };
  const { path } = entry;
  if (path !== undefined) add(permitted, path, entry.value, chosenVerdict(entry, best, score));
  for (const { path: other, score: value } of open)
    if (path === undefined || other.join() !== path.join())
      add(permitted, other, value, openVerdict(question, other, value, best));
  const { denial, links } = question;
  const policy = { denial, linkName: (a: NodeAddress, b: NodeAddress) => links.linkName(a, b) };
  for (const { path: other, score: value } of candidates(graph, ends, score, entry.spec.hops)) {
    const verdict = deniedLink(self, other, policy);
    if (verdict !== undefined) add(graph, other, value, verdict);
  }
  const wished = withMissing(graph, missing);
  for (const { path: other, score: value } of candidates(wished, ends, score, entry.spec.hops)) {
    const lacking = firstMissing(self, other, missing);
    if (lacking !== undefined && (path === undefined || value < entry.value))
      add(wished, other, value, lacking.words);
  }
  rows.sort((x, y) => Number(y.isChosen) - Number(x.isChosen) || x.order - y.order);
  const shown = rows.slice(0, question.candidatesMax).map(({ order: _, ...row }) => row);
  return { flow: flowStatus(entry, score, question.now), candidates: shown };
}

function chosenVerdict(entry: FlowEntry, best: number, score: Score): string {
  if (entry.value <= best) return 'chosen';
  if (entry.wish !== undefined) return 'chosen; leaves it when its rate is reserved elsewhere';
  if (entry.isWaiting) return 'chosen; leaves it when its turn comes';
  if (entry.rate > 0) return 'chosen: its rate is reserved here';
  return entry.value <= best + marginOf(entry, best, score)
    ? 'chosen: as good as the best'
    : 'chosen: stays while it stands';
}

function openVerdict(
  question: FlowQuestion,
  path: readonly NodeAddress[],
  value: number,
  best: number,
): string {
  const { entry, score, now } = question;
  if (entry.path === undefined) return 'not taken yet';
  if (entry.isSeeking && isSamePath(path, entry.wish)) return 'its rate is asked for there';
  const short = lackingWords(question, path);
  if (short !== undefined) return short;
  const difference = Math.abs(value - entry.value);
  const share = Math.round((100 * difference) / Math.max(entry.value, value, 1e-9));
  if (value < entry.value) {
    if (isSamePath(path, entry.wish)) return `better by ${share} %; the rate is asked for there`;
    const stays = (entry.stay - between(entry.changedAt, now)) as Duration;
    if (entry.isWaiting && stays > 0)
      return `better by ${share} %; the flow has moved lately and stays ${inWords(stays)} yet`;
    if (entry.isWaiting) return `better by ${share} %; the flow waits for its turn`;
    const margin = marginOf(entry, best, score);
    const takes = Math.round((100 * margin) / Math.max(best + margin, 1e-9));
    const lately = entry.stay > STAY_MIN ? ', as it has moved to and fro' : '';
    return entry.spec.isSpread
      ? `better by ${share} %; the flow stays while its path stands`
      : `better by ${share} %, hysteresis: a move takes ${takes} %${lately}`;
  }
  const band = bandOf(best, score, entry.spec.isSpread);
  if (value <= best + band) return 'as good; other flows are drawn to it';
  return `worse by ${share} %`;
}

/** Where a path had no room for the flow's rate when it was last asked; undefined: nowhere, or it was not. */
function lackingWords(
  { self, entry, nameOf, now }: FlowQuestion,
  path: readonly NodeAddress[],
): string | undefined {
  const { wanted, rate } = entry;
  const link = wanted && rate > 0 ? lackingOn(self, path, wanted.lacking) : undefined;
  if (wanted === undefined || link === undefined) return undefined;
  const name = (node: NodeAddress): string => nameOf(node) ?? formatNodeAddress(node);
  const ago = inWords(between(wanted.askedAt, now));
  return `no room for its rate ${ago} ago: ${formatRate(link.available)} left on ${name(link.from)}-${name(link.to)}`;
}
