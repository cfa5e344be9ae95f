/**
 * Node-disjoint paths: no node but the two ends is on more than one, so that k - 1 failed or captured
 * nodes cannot stop a packet sent on k of them. Least total weight, by a flow of k units through nodes
 * that are split into an entrance and an exit with room for one.
 *
 * The set of least total cost may leave out the best path there is, and so the only clean one; the
 * best path, with the best that share no node with it, is taken where that set is as large and loses
 * less.
 *
 * For a deadline the paths of least cost are taken where all of them arrive in time. Otherwise
 * those of least total latency, which may lose more but are the likelier to arrive (to
 * find the paths whose longest is shortest is NP-hard), and of those the ones in time.
 */
import type { Graph } from '../graph.ts';
import type { Hop, Weight } from './distances.ts';
import { COST, LATENCY, lengthOf } from './distances.ts';
import { MinCostFlow } from './min-cost-flow.ts';

const PPM = 1_000_000;

export interface Ends {
  readonly source: number;
  readonly destination: number;
}

/**
 * Up to `count` node-disjoint paths, shortest first; fewer where there are no more. None shares a node
 * with the path `apartFrom`.
 */
export function disjointPaths(
  graph: Graph,
  ends: Ends,
  count: number,
  weight: Weight,
  apartFrom: readonly Hop[] = [],
): Hop[][] {
  const isTaken = new Set(apartFrom.slice(1).map(({ from }) => from));
  const isDirectTaken = apartFrom.length === 1;
  const flow = new MinCostFlow(2 * graph.nodes.length);
  const [source, sink] = [exitOf(ends.source), entranceOf(ends.destination)];
  for (let node = 0; node < graph.nodes.length; node++) {
    if (node === ends.destination || isTaken.has(node)) continue;
    if (node !== ends.source) flow.arc(entranceOf(node), exitOf(node), 0);
    for (const arc of graph.arcs[node]!) {
      const isDirect = node === ends.source && arc.to === ends.destination;
      if (arc.to === ends.source || (isDirect && isDirectTaken)) continue;
      flow.arc(exitOf(node), entranceOf(arc.to), weight.out(arc));
    }
  }
  for (let found = 0; found < count; found++)
    if (!Number.isFinite(flow.augment(source, sink))) break;
  const paths = flow.ways(source, sink).map(hopsOf);
  return paths.sort((x, y) => lengthOf(graph, x, weight) - lengthOf(graph, y, weight));
}

/** Of up to `count` node-disjoint paths, those that arrive within `deadline` microseconds. */
export function disjointPathsInTime(
  graph: Graph,
  ends: Ends,
  options: { count: number; deadline: number },
): Hop[][] {
  const { count, deadline } = options;
  const inTime = (paths: Hop[][]): Hop[][] =>
    paths.filter((path) => lengthOf(graph, path, LATENCY) <= deadline);
  const cheapest = cheapestPaths(graph, ends, count);
  const chosen = inTime(cheapest);
  if (chosen.length === cheapest.length) return chosen;
  const quick = inTime(disjointPaths(graph, ends, count, LATENCY));
  if (quick.length > chosen.length) return quick;
  return chosen.length > 0 ? chosen : inTime(disjointPaths(graph, ends, 1, LATENCY));
}

function cheapestPaths(graph: Graph, ends: Ends, count: number): Hop[][] {
  const together = disjointPaths(graph, ends, count, COST);
  if (lossOf(graph, together) === 0) return together;
  const best = disjointPaths(graph, ends, 1, COST).flat();
  const greedy = [best, ...disjointPaths(graph, ends, count - 1, COST, best)];
  // Never for fewer of them: how many nodes may fail is what was asked for.
  const isAsMany = greedy.length === together.length;
  return isAsMany && lossOf(graph, greedy) < lossOf(graph, together) ? greedy : together;
}

/** Share of packets that no path delivers, 0 .. 1, taking losses as independent. */
function lossOf(graph: Graph, paths: readonly (readonly Hop[])[]): number {
  let lost = 1;
  for (const path of paths) {
    let arrives = 1;
    for (const { from, to } of path)
      arrives *= 1 - (graph.arcs[from]!.find((arc) => arc.to === to)?.lossOut ?? PPM) / PPM;
    lost *= 1 - arrives;
  }
  return lost;
}

const entranceOf = (node: number): number => 2 * node;
const exitOf = (node: number): number => 2 * node + 1;

/** From places in the flow, each node's entrance and exit, to links. */
function hopsOf(places: readonly number[]): Hop[] {
  const nodes = places.map((place) => place >> 1).filter((node, i, all) => node !== all[i - 1]);
  return nodes.slice(1).map((to, i) => ({ from: nodes[i]!, to }));
}
