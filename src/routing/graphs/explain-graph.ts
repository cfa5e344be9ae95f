/**
 * Why a redundant flow sends along the graph it sends along: what trouble its ends are in and since
 * when, and every other graph that it might have had, with what that would cost and what is against it.
 * Computed when somebody asks.
 */
import type { Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { between } from '../../kernel/index.ts';
import type { Graph } from '../graph.ts';
import type { NameOf } from '../link-changes.ts';
import { inWords, nodeName } from '../link-changes.ts';
import type { MissingLink } from '../missing-links.ts';
import { firstMissing, withMissing } from '../missing-links.ts';
import type { Ends } from './disjoint-paths.ts';
import { disjointPathsInTime } from './disjoint-paths.ts';
import type { DisseminationPlan, DisseminationRequest } from './dissemination.ts';
import type { Hop } from './distances.ts';
import { LATENCY, leastOver, lengthOf } from './distances.ts';
import type { ProblemLink, ProblemLinks } from './problem-links.ts';
import {
  PROBLEM_LINKS_MIN,
  TARGETED_PATHS,
  type TargetedKind,
  targetedChoices,
} from './targeted.ts';

/** An end of a flow with bad links. */
export interface GraphTrouble {
  readonly end: NodeAddress;
  readonly links: readonly ProblemLink[];
  /** How long there have been enough of them; undefined: there are not. */
  readonly since: Duration | undefined;
}

export interface GraphCandidate {
  /** A kind of graph, or so many paths. */
  readonly name: string;
  /** What a packet costs in copies sent. */
  readonly links: number;
  /** Over the best of its ways. */
  readonly latency: Duration;
  readonly isChosen: boolean;
  readonly verdict: string;
}

export interface GraphExplanation {
  readonly request: DisseminationRequest;
  readonly plan: DisseminationPlan;
  readonly troubles: readonly GraphTrouble[];
  /** The chosen one first. */
  readonly candidates: readonly GraphCandidate[];
}

export interface GraphQuestion {
  readonly request: DisseminationRequest;
  readonly plan: DisseminationPlan;
  readonly ends: Ends;
  /** What policy leaves to the flow, and all there is. */
  readonly graph: Graph;
  readonly everything: Graph;
  readonly missing: ReadonlyMap<string, MissingLink>;
  readonly problems: ProblemLinks;
  readonly permits: (from: NodeAddress, to: NodeAddress) => boolean;
  /** What denies the first denied link of a path, in words. */
  readonly denialOf: (path: readonly NodeAddress[]) => string | undefined;
  readonly nameOf: NameOf;
  readonly now: Instant;
}

export function explainGraph(question: GraphQuestion): GraphExplanation {
  const { request, plan } = question;
  // The others take no notice of it.
  const troubles = request.scheme === 'targeted' ? troublesOf(question) : [];
  const { kind, latency, edges, isInTime, isShort } = plan;
  const verdict = `chosen${isInTime ? '' : ': late, no way keeps the deadline'}${isShort ? ': there are no more' : ''}`;
  const name = kind === 'paths' ? pathsName(plan.paths) : kind;
  const chosen = { name, links: edges.length, latency, isChosen: true, verdict };
  const others =
    request.scheme === 'targeted'
      ? otherTargeted(question, troubles)
      : request.scheme === 'disjoint'
        ? morePaths(question)
        : [];
  return { request, plan, troubles, candidates: [chosen, ...others] };
}

function troublesOf({ graph, ends, problems, permits, now }: GraphQuestion): GraphTrouble[] {
  const source = graph.nodes[ends.source]!;
  const destination = graph.nodes[ends.destination]!;
  const told: [NodeAddress, ProblemLink[]][] = [
    [source, problems.from(source)],
    [destination, problems.towards(destination)],
  ];
  return told.flatMap(([end, found]) => {
    const links = found
      .filter(({ from, to }) => permits(from, to))
      .sort((x, y) => x.since - y.since);
    // In trouble since the link came that made them enough.
    const last = links[PROBLEM_LINKS_MIN - 1];
    const since = last && between(last.since, now);
    return links.length === 0 ? [] : [{ end, links, since }];
  });
}

/** The graphs of targeted redundancy that were not taken. */
function otherTargeted(
  question: GraphQuestion,
  troubles: readonly GraphTrouble[],
): GraphCandidate[] {
  const { graph, ends, request, plan, problems } = question;
  const deadline = request.deadline || Number.POSITIVE_INFINITY;
  const two = disjointPathsInTime(graph, ends, { count: TARGETED_PATHS, deadline });
  const choices = targetedChoices(graph, ends, deadline, { problems, two });
  return (Object.keys(choices) as TargetedKind[])
    .filter((kind) => kind !== plan.kind)
    .map((kind) => {
      const hops = choices[kind];
      const verdict =
        hops.length === 0 ? 'no way in time' : targetedVerdict(kind, question, troubles);
      const name = kind === 'paths' ? pathsName(two.length) : kind;
      return candidate(graph, ends, hops, { name, verdict });
    });
}

function targetedVerdict(
  kind: TargetedKind,
  { graph, ends, plan, nameOf }: GraphQuestion,
  troubles: readonly GraphTrouble[],
): string {
  const source = graph.nodes[ends.source]!;
  const destination = graph.nodes[ends.destination]!;
  const badAt = (end: NodeAddress): number =>
    troubles.find((trouble) => trouble.end === end)?.links.length ?? 0;
  const bad = (end: NodeAddress): string =>
    `${badAt(end)} bad link${badAt(end) === 1 ? '' : 's'} at ${nodeName(nameOf, end)}`;
  const isTroubled = (end: NodeAddress): boolean => badAt(end) >= PROBLEM_LINKS_MIN;
  const calm = `it takes ${PROBLEM_LINKS_MIN} to make trouble`;
  if (kind === 'paths')
    return `${[source, destination].filter(isTroubled).map(bad).join(', ')}: two paths get around one`;
  if (kind === 'robust')
    return plan.kind === 'paths' ? 'no end is in trouble' : 'the trouble is at one end only';
  const [end, other] = kind === 'source-problem' ? [source, destination] : [destination, source];
  if (!isTroubled(end)) return `${bad(end)}: ${calm}`;
  return isTroubled(other)
    ? `${nodeName(nameOf, other)} is in trouble too`
    : 'a link of it at its other end is bad too';
}

/** How more disjoint paths than are in use could be had: later ones, denied ones, ones that are down. */
function morePaths(question: GraphQuestion): GraphCandidate[] {
  const { request, plan, graph, everything, missing, denialOf } = question;
  const { paths: count = 1, deadline } = request;
  if (plan.paths >= count) return [];
  const rows: GraphCandidate[] = [];
  const offer = (
    from: Graph,
    limit: number,
    verdictOf: (paths: readonly NodeAddress[][], longest: number) => string | undefined,
  ): void => {
    const ends = endsIn(from, question);
    if (ends === undefined) return;
    const found = disjointPathsInTime(from, ends, { count, deadline: limit });
    if (found.length <= plan.paths) return;
    const longest = Math.max(...found.map((hops) => lengthOf(from, hops, LATENCY)));
    const nodes = found.map((hops) => hops.map(({ to }) => from.nodes[to]!));
    const verdict = verdictOf(nodes, longest);
    if (verdict === undefined) return;
    rows.push(candidate(from, ends, found.flat(), { name: pathsName(found.length), verdict }));
  };
  const limit = deadline || Number.POSITIVE_INFINITY;
  if (deadline > 0)
    offer(graph, Number.POSITIVE_INFINITY, (_, longest) => {
      return `one takes ${inWords(longest as Duration)}, later than ${inWords(deadline)}`;
    });
  offer(everything, limit, (paths) => firstOf(paths, denialOf));
  const self = graph.nodes[question.ends.source]!;
  offer(withMissing(graph, missing), limit, (paths) =>
    firstOf(paths, (path) => firstMissing(self, path, missing)?.words),
  );
  return rows;
}

function endsIn(graph: Graph, { graph: own, ends }: GraphQuestion): Ends | undefined {
  const source = graph.numberOf.get(own.nodes[ends.source]!);
  const destination = graph.numberOf.get(own.nodes[ends.destination]!);
  return source === undefined || destination === undefined ? undefined : { source, destination };
}

function candidate(
  graph: Graph,
  ends: Ends,
  hops: readonly Hop[],
  about: { name: string; verdict: string },
): GraphCandidate {
  const least = hops.length === 0 ? 0 : leastOver(graph, hops, ends);
  const latency = (Number.isFinite(least) ? Math.round(least) : 0) as Duration;
  return { ...about, links: hops.length, latency, isChosen: false };
}

function firstOf<T, R>(list: readonly T[], find: (one: T) => R | undefined): R | undefined {
  for (const one of list) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

const pathsName = (count: number): string => (count === 1 ? 'one path' : `${count} paths`);
