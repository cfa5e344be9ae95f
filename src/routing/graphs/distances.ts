/**
 * Distances over one figure of the links, and the trees of shortest ways, for dissemination graphs.
 * Only the source computes these and stamps the result on its packets, so unlike routes
 * (`shortest-paths.ts`) they need not be broken alike on every node; they are the same on every run.
 */
import type { NodeAddress } from '../../kernel/index.ts';
import { Heap } from '../../kernel/index.ts';
import type { GraphEdge } from '../../wire/index.ts';
import type { Arc, Graph } from '../graph.ts';

/** What going over a link costs: away from the arc's tail, and back to it. Never negative. */
export interface Weight {
  out(arc: Arc): number;
  in(arc: Arc): number;
}

/** A directed link by its nodes' numbers in the graph. */
export interface Hop {
  readonly from: number;
  readonly to: number;
}

/** A microsecond a hop, so that of ways of one length the one with fewer hops is taken. */
const HOP = 1;

/** One way, as the network tells it now. */
export const LATENCY: Weight = {
  out: (arc) => arc.edge.latency + HOP,
  in: (arc) => arc.edge.latency + HOP,
};

/** The routing metric: latency with loss weighed in. */
export const COST: Weight = { out: (arc) => arc.costOut, in: (arc) => arc.costIn };

export interface Distances {
  readonly root: number;
  /** By node number; infinite where there is no way. */
  readonly to: Float64Array;
  /** The next node towards the root; -1 at the root and where there is no way. */
  readonly parent: Int32Array;
}

/** `away`: of ways that begin at `root`; `towards`: of ways that end there. None through `avoided`. */
export function distances(
  graph: Graph,
  root: number,
  options: { weight: Weight; direction: 'away' | 'towards'; avoided?: number },
): Distances {
  const { weight, direction, avoided = -1 } = options;
  const count = graph.nodes.length;
  const to = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const parent = new Int32Array(count).fill(-1);
  const isSettled = new Uint8Array(count);
  if (avoided >= 0) isSettled[avoided] = 1;
  const heap = new Heap<{ node: number; distance: number }>(
    (x, y) => x.distance - y.distance || x.node - y.node,
  );
  to[root] = 0;
  heap.push({ node: root, distance: 0 });
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const { node } = top;
    if (isSettled[node] === 1) continue;
    isSettled[node] = 1;
    for (const arc of graph.arcs[node]!) {
      if (isSettled[arc.to] === 1) continue;
      const distance = to[node]! + (direction === 'away' ? weight.out(arc) : weight.in(arc));
      if (distance >= to[arc.to]!) continue;
      to[arc.to] = distance;
      parent[arc.to] = node;
      heap.push({ node: arc.to, distance });
    }
  }
  return { root, to, parent };
}

/** The links of a tree `away` from its root, on the way to `node`. */
export function hopsFromRoot(tree: Distances, node: number): Hop[] {
  const hops: Hop[] = [];
  for (let at = node; at !== tree.root && tree.parent[at]! >= 0; at = tree.parent[at]!)
    hops.push({ from: tree.parent[at]!, to: at });
  return hops.reverse();
}

/** Sum of a weight over links that are in the graph; infinite when one is not. */
export function lengthOf(graph: Graph, hops: Iterable<Hop>, weight: Weight): number {
  let length = 0;
  for (const { from, to } of hops) {
    const arc = graph.arcs[from]!.find((a) => a.to === to);
    length += arc === undefined ? Number.POSITIVE_INFINITY : weight.out(arc);
  }
  return length;
}

/** The least time in which a packet gets from end to end over these links alone. */
export function leastOver(
  graph: Graph,
  hops: readonly Hop[],
  ends: { source: number; destination: number },
  weight: Weight = LATENCY,
): number {
  const reached = new Map([[ends.source, 0]]);
  // Bellman-Ford: the sets are small, and one pass more than the longest way settles them.
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const hop of hops) {
      const at = reached.get(hop.from);
      if (at === undefined) continue;
      const length = at + lengthOf(graph, [hop], weight);
      if (length >= (reached.get(hop.to) ?? Number.POSITIVE_INFINITY)) continue;
      reached.set(hop.to, length);
      isChanged = true;
    }
  }
  return reached.get(ends.destination) ?? Number.POSITIVE_INFINITY;
}

/** Each link once, in ascending order. */
export function unionOf(...sets: readonly (readonly Hop[])[]): Hop[] {
  const byKey = new Map<string, Hop>();
  for (const hop of sets.flat()) byKey.set(`${hop.from}-${hop.to}`, hop);
  return [...byKey.values()].sort((x, y) => x.from - y.from || x.to - y.to);
}

export const edgesOf = (graph: Graph, hops: readonly Hop[]): GraphEdge[] =>
  hops.map(({ from, to }) => ({
    from: graph.nodes[from] as NodeAddress,
    to: graph.nodes[to] as NodeAddress,
  }));
