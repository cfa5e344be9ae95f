/**
 * Targeted redundancy: which graph a flow wants, by the links that are in trouble (Babay, Wagner,
 * Dinitz, Amir, ICDCS 2017; the switching rules are those of Spines 5.7).
 *
 *     source \ destination     well                 in trouble
 *     well                     two paths            destination-problem
 *     in trouble               source-problem       robust
 *
 * An end is in trouble from two bad links there: two disjoint paths get around one. A problem graph
 * spends its redundancy at one end only, so when a link of it elsewhere is bad too the flow takes the
 * robust graph. The two paths follow the routing metric as it is now; the problem graphs are those of
 * the links when all is well, because a link in trouble still delivers some.
 */
import type { NodeAddress } from '../../kernel/index.ts';
import type { Graph } from '../graph.ts';
import type { Ends } from './disjoint-paths.ts';
import { disjointPathsInTime } from './disjoint-paths.ts';
import type { Hop } from './distances.ts';
import { unionOf } from './distances.ts';
import { destinationProblemGraph, sourceProblemGraph } from './problem-graphs.ts';
import type { ProblemLink, ProblemLinks } from './problem-links.ts';

export type TargetedKind = 'paths' | 'source-problem' | 'destination-problem' | 'robust';

export interface TargetedGraph {
  readonly kind: TargetedKind;
  readonly hops: readonly Hop[];
  /** Disjoint paths that the deadline leaves. */
  readonly paths: number;
  /** The links that decided it, for people. */
  readonly because: readonly ProblemLink[];
}

/** Bad links from which an end is in trouble. */
export const PROBLEM_LINKS_MIN = 2;
const PATHS = 2;

export function targetedGraph(
  graph: Graph,
  ends: Ends,
  deadline: number,
  problems: ProblemLinks,
): TargetedGraph {
  const source = graph.nodes[ends.source]!;
  const destination = graph.nodes[ends.destination]!;
  const atSource = problems.from(source);
  const atDestination = problems.towards(destination);
  const isSource = atSource.length >= PROBLEM_LINKS_MIN;
  const isDestination = atDestination.length >= PROBLEM_LINKS_MIN;
  const two = disjointPathsInTime(graph, ends, { count: PATHS, deadline });
  const paths = two.length;
  if (!isSource && !isDestination) return { kind: 'paths', hops: two.flat(), paths, because: [] };
  const weight = problems.baseWeight();
  const ofSource = sourceProblemGraph(graph, ends, deadline, weight);
  const ofDestination = destinationProblemGraph(graph, ends, deadline, weight);
  const robust = (): Hop[] => unionOf(two.flat(), ofSource, ofDestination);
  if (isSource && isDestination)
    return { kind: 'robust', hops: robust(), paths, because: [...atSource, ...atDestination] };
  const elsewhere = foreignProblems(graph, isSource ? ofSource : ofDestination, problems, (hop) =>
    isSource ? hop.from === ends.source : hop.to === ends.destination,
  );
  const because = [...(isSource ? atSource : atDestination), ...elsewhere];
  if (elsewhere.length > 0) return { kind: 'robust', hops: robust(), paths, because };
  return isSource
    ? { kind: 'source-problem', hops: ofSource, paths, because }
    : { kind: 'destination-problem', hops: ofDestination, paths, because };
}

function foreignProblems(
  graph: Graph,
  hops: readonly Hop[],
  problems: ProblemLinks,
  isAtEnd: (hop: Hop) => boolean,
): ProblemLink[] {
  const found: ProblemLink[] = [];
  for (const hop of hops) {
    if (isAtEnd(hop)) continue;
    const from = graph.nodes[hop.from] as NodeAddress;
    const problem = problems.problem(from, graph.nodes[hop.to] as NodeAddress);
    if (problem !== undefined) found.push(problem);
  }
  return found;
}
