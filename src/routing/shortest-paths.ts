/**
 * Dijkstra's algorithm on integer costs, with ties broken so that every node breaks them alike.
 *
 * Among paths of equal cost the one with fewer hops wins, among those the one whose sequence of
 * addresses is the smallest, compared from the source on. Every suffix of such a path is itself the
 * chosen path of the node it starts at. So packets forwarded hop by hop, each node looking up only
 * the destination, follow exactly the path their source computed, as long as all nodes hold the same
 * reports. All costs are positive, so a node that is taken from the heap is settled.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { Heap } from '../kernel/index.ts';
import type { Arc, Graph } from './graph.ts';

export interface PathTree {
  readonly graph: Graph;
  /** Number of the source (`from`) or of the destination (`towards`). */
  readonly root: number;
  /** By node number; infinite where there is no path. */
  readonly cost: Float64Array;
  readonly hops: Uint16Array;
  /** The neighbouring node on the path, on the root's side; -1 at the root and where there is none. */
  readonly parent: Int32Array;
}

interface Reached {
  readonly node: number;
  readonly cost: number;
  readonly hops: number;
}

/** Best paths from `source` to every node. */
export function pathsFrom(graph: Graph, source: number): PathTree {
  const tree = blankTree(graph, source);
  const isSmaller = (candidate: number, current: number): boolean =>
    isSmallerPath(tree, candidate, current);
  return search(tree, (arc) => arc.costOut, isSmaller);
}

/** Best paths from every node to `destination`, none of them through `avoided`. */
export function pathsTowards(graph: Graph, destination: number, avoided: number): PathTree {
  const tree = blankTree(graph, destination);
  // The suffix rule again: the smallest next node begins the smallest path.
  const isSmaller = (candidate: number, current: number): boolean => candidate < current;
  return search(tree, (arc) => arc.costIn, isSmaller, avoided);
}

/** The nodes after the source, destination last; undefined where there is no path, empty at itself. */
export function pathTo(tree: PathTree, node: number): NodeAddress[] | undefined {
  if (tree.cost[node] === Number.POSITIVE_INFINITY) return undefined;
  const path: NodeAddress[] = [];
  for (let at = node; at !== tree.root; at = tree.parent[at]!) path.push(tree.graph.nodes[at]!);
  return path.reverse();
}

/** In a tree made by `pathsTowards`: `node` first, destination last. */
export function pathOnwards(tree: PathTree, node: number): NodeAddress[] | undefined {
  if (tree.cost[node] === Number.POSITIVE_INFINITY) return undefined;
  const path: NodeAddress[] = [];
  for (let at = node; at !== -1; at = tree.parent[at]!) path.push(tree.graph.nodes[at]!);
  return path;
}

function blankTree(graph: Graph, root: number): PathTree {
  const count = graph.nodes.length;
  return {
    graph,
    root,
    cost: new Float64Array(count).fill(Number.POSITIVE_INFINITY),
    hops: new Uint16Array(count),
    parent: new Int32Array(count).fill(-1),
  };
}

function search(
  tree: PathTree,
  costOf: (arc: Arc) => number,
  isSmaller: (candidate: number, current: number) => boolean,
  avoided = -1,
): PathTree {
  const { graph, cost, hops, parent } = tree;
  const heap = new Heap<Reached>((x, y) => x.cost - y.cost || x.hops - y.hops);
  const settled = new Uint8Array(graph.nodes.length);
  if (avoided >= 0) settled[avoided] = 1;
  cost[tree.root] = 0;
  heap.push({ node: tree.root, cost: 0, hops: 0 });
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const { node } = top;
    if (settled[node] === 1) continue;
    settled[node] = 1;
    if (graph.isTransitClosed?.[node] === true && node !== tree.root) continue;
    const hopsHere = hops[node]! + 1;
    for (const arc of graph.arcs[node]!) {
      const { to } = arc;
      if (settled[to] === 1) continue;
      const costHere = cost[node]! + costOf(arc);
      if (costHere > cost[to]!) continue;
      const isTie = costHere === cost[to]! && hopsHere === hops[to]!;
      if (isTie) {
        if (isSmaller(node, parent[to]!)) parent[to] = node;
      } else if (costHere < cost[to]! || hopsHere < hops[to]!) {
        cost[to] = costHere;
        hops[to] = hopsHere;
        parent[to] = node;
        heap.push({ node: to, cost: costHere, hops: hopsHere });
      }
    }
  }
  return tree;
}

/** Compares the paths from the root to two settled nodes that are equally many hops away. */
function isSmallerPath(tree: PathTree, candidate: number, current: number): boolean {
  let x = candidate;
  let y = current;
  let isSmaller = false;
  while (x !== y) {
    isSmaller = x < y;
    x = tree.parent[x]!;
    y = tree.parent[y]!;
  }
  return isSmaller;
}
