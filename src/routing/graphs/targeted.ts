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
export const TARGETED_PATHS = 2;

export function targetedGraph(
  graph: Graph,
  ends: Ends,
  deadline: number,
  problems: ProblemLinks,
  /** Of bad links those that concern this flow: policy may keep it off some. */
  concerning: (found: ProblemLink[]) => ProblemLink[] = (found) => found,
): TargetedGraph {
  const source = graph.nodes[ends.source]!;
  const destination = graph.nodes[ends.destination]!;
  const atSource = concerning(problems.from(source));
  const atDestination = concerning(problems.towards(destination));
  const isSource = atSource.length >= PROBLEM_LINKS_MIN;
  const isDestination = atDestination.length >= PROBLEM_LINKS_MIN;
  const two = disjointPathsInTime(graph, ends, { count: TARGETED_PATHS, deadline });
  const paths = two.length;
  if (!isSource && !isDestination) return { kind: 'paths', hops: two.flat(), paths, because: [] };
  const choices = targetedChoices(graph, ends, deadline, { problems, two });
  const chosen = (kind: TargetedKind, because: readonly ProblemLink[]): TargetedGraph => {
    return { kind, hops: choices[kind], paths, because };
  };
  if (isSource && isDestination) return chosen('robust', [...atSource, ...atDestination]);
  const kind = isSource ? 'source-problem' : 'destination-problem';
  const elsewhere = foreignProblems(graph, choices[kind], problems, (hop) =>
    isSource ? hop.from === ends.source : hop.to === ends.destination,
  );
  const because = [...(isSource ? atSource : atDestination), ...elsewhere];
  return chosen(elsewhere.length > 0 ? 'robust' : kind, because);
}

/** The four graphs that a targeted flow chooses from; `two`: its disjoint paths. */
export function targetedChoices(
  graph: Graph,
  ends: Ends,
  deadline: number,
  given: { problems: ProblemLinks; two: readonly (readonly Hop[])[] },
): Record<TargetedKind, readonly Hop[]> {
  const paths = given.two.flat();
  const weight = given.problems.baseWeight();
  const ofSource = sourceProblemGraph(graph, ends, deadline, weight);
  const ofDestination = destinationProblemGraph(graph, ends, deadline, weight);
  return {
    paths,
    'source-problem': ofSource,
    'destination-problem': ofDestination,
    robust: unionOf(paths, ofSource, ofDestination),
  };
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
