/**
 * Graphs for a flow one of whose ends is in trouble (Babay, Wagner, Dinitz, Amir, ICDCS 2017). Nearly
 * all trouble that two disjoint paths do not get around is at one end, where most links are bad at
 * once; then what helps is to use every link there is at that end, and no more than a tree elsewhere.
 *
 * Destination problem: over all of the destination's links from which a packet arrives in time, each
 * reached by the shortest way from the source that does not pass the destination. Source problem: the
 * same seen from the other end. Robust: both, and two disjoint paths.
 */
import type { Graph } from '../graph.ts';
import type { Ends } from './disjoint-paths.ts';
import type { Hop, Weight } from './distances.ts';
import { distances, hopsFromRoot, LATENCY, unionOf } from './distances.ts';

/** Empty when the deadline cannot be kept. */
export function destinationProblemGraph(
  graph: Graph,
  { source, destination }: Ends,
  deadline: number,
  weight: Weight = LATENCY,
): Hop[] {
  const tree = distances(graph, source, { weight, direction: 'away', avoided: destination });
  const hops: Hop[] = [];
  for (const arc of graph.arcs[destination]!) {
    if (!(tree.to[arc.to]! + weight.in(arc) <= deadline)) continue;
    hops.push(...hopsFromRoot(tree, arc.to), { from: arc.to, to: destination });
  }
  return unionOf(hops);
}

/** Empty when the deadline cannot be kept. */
export function sourceProblemGraph(
  graph: Graph,
  { source, destination }: Ends,
  deadline: number,
  weight: Weight = LATENCY,
): Hop[] {
  const tree = distances(graph, destination, { weight, direction: 'towards', avoided: source });
  const hops: Hop[] = [];
  for (const arc of graph.arcs[source]!) {
    if (!(weight.out(arc) + tree.to[arc.to]! <= deadline)) continue;
    hops.push({ from: source, to: arc.to });
    for (const { from, to } of hopsFromRoot(tree, arc.to)) hops.push({ from: to, to: from });
  }
  return unionOf(hops);
}
