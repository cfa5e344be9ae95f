/**
 * The paths a flow can choose from: for each neighbour the best path that begins with it, by the
 * flow's own metric. One search from the destination finds all of them.
 *
 * Where the score of a path is the sum of its links' this is Dijkstra's algorithm, ties broken by
 * latency, then by hops. Throughput is no sum: of two ways to one node neither need be the better
 * for all that follows, so every node keeps those that no other beats in every sum (Pareto labels,
 * Martins 1984), and the score decides at the end. It is exact up to `LABELS_MAX` per node.
 *
 * Single-hop indirect (RON): the direct link and every way through one other node.
 */
import type { NodeAddress } from '../../kernel/index.ts';
import { Heap } from '../../kernel/index.ts';
import { PATH_HOPS_MAX } from '../../wire/index.ts';
import type { Arc, Graph } from '../graph.ts';
import type { LinkFigures, Score } from './metrics.ts';
import { lossWeight } from './metrics.ts';

export type HopRule = 'any' | 'one';

export interface Candidate {
  /** Every node after the source, destination last. */
  readonly path: readonly NodeAddress[];
  readonly score: number;
}

/** Labels kept at one node. Overflow: the worst by its first sum is dropped, and counted. */
export const LABELS_MAX = 64;

interface Label {
  readonly node: number;
  /** Sums from here to the destination. */
  readonly sum: number;
  readonly latency: number;
  readonly loss: number;
  readonly hops: number;
  /** Towards the destination. */
  readonly next: Label | undefined;
}

/** Ascending by score; one for each neighbour of the source that leads to the destination. */
export function candidates(
  graph: Graph,
  ends: { source: NodeAddress; destination: NodeAddress },
  score: Score,
  hopRule: HopRule,
): Candidate[] {
  const source = graph.numberOf.get(ends.source);
  const destination = graph.numberOf.get(ends.destination);
  if (source === undefined || destination === undefined || source === destination) return [];
  const labels =
    hopRule === 'one'
      ? oneHopLabels(graph, destination, score)
      : labelsTowards(graph, { destination, avoided: source }, score);
  const found: Candidate[] = [];
  for (const arc of graph.arcs[source]!) {
    let best: { label: Label; score: number } | undefined;
    for (const label of labels[arc.to]!) {
      if (label.hops >= PATH_HOPS_MAX || passes(label, source)) continue;
      const whole = extended(label, source, figuresOf(graph, arc, source, true), score);
      const value = score.ofPath(whole.sum, whole.latency, whole.loss);
      if (best === undefined || compare(value, whole, best) < 0)
        best = { label: whole, score: value };
    }
    if (best !== undefined)
      found.push({ path: pathOf(graph, best.label.next!), score: best.score });
  }
  return found.sort((x, y) => x.score - y.score || x.path.length - y.path.length);
}

/** The score of one path; undefined when a link of it is not in the graph. */
export function scoreOfPath(
  graph: Graph,
  source: NodeAddress,
  path: readonly NodeAddress[],
  score: Score,
): number | undefined {
  let sum = 0;
  let latency = 0;
  let loss = 0;
  let at = graph.numberOf.get(source);
  for (const node of path) {
    const to = graph.numberOf.get(node);
    const arc = at === undefined ? undefined : graph.arcs[at]!.find((one) => one.to === to);
    if (arc === undefined) return undefined;
    const link = figuresOf(graph, arc, at!, true);
    sum += score.additive(link);
    latency += link.latency;
    loss += lossWeight(link.lossPpm) + lossWeight(link.lossBackPpm);
    at = to;
  }
  return score.ofPath(sum, latency, loss);
}

function labelsTowards(
  graph: Graph,
  { destination, avoided }: { destination: number; avoided: number },
  score: Score,
): Label[][] {
  const settled: Label[][] = graph.nodes.map(() => []);
  const heap = new Heap<Label>(
    (x, y) => x.sum - y.sum || x.latency - y.latency || x.hops - y.hops || x.node - y.node,
  );
  heap.push({ node: destination, sum: 0, latency: 0, loss: 0, hops: 0, next: undefined });
  for (let label = heap.pop(); label !== undefined; label = heap.pop()) {
    const here = settled[label.node]!;
    if (score.isAdditive ? here.length > 0 : isBeaten(label, here)) continue;
    if (here.length >= LABELS_MAX) continue;
    here.push(label);
    for (const arc of graph.arcs[label.node]!) {
      if (arc.to === avoided || arc.to === destination || passes(label, arc.to)) continue;
      if (score.isAdditive && settled[arc.to]!.length > 0) continue;
      const further = extended(label, arc.to, figuresOf(graph, arc, label.node, false), score);
      if (score.isAdditive || !isBeaten(further, settled[arc.to]!)) heap.push(further);
    }
  }
  return settled;
}

/** The destination itself, and each node with a link to it. */
function oneHopLabels(graph: Graph, destination: number, score: Score): Label[][] {
  const labels: Label[][] = graph.nodes.map(() => []);
  const end = { node: destination, sum: 0, latency: 0, loss: 0, hops: 0, next: undefined };
  labels[destination]!.push(end);
  for (const arc of graph.arcs[destination]!)
    labels[arc.to]!.push(extended(end, arc.to, figuresOf(graph, arc, destination, false), score));
  return labels;
}

function extended(label: Label, node: number, link: LinkFigures, score: Score): Label {
  return {
    node,
    sum: label.sum + score.additive(link),
    latency: label.latency + link.latency,
    loss: label.loss + lossWeight(link.lossPpm) + lossWeight(link.lossBackPpm),
    hops: label.hops + 1,
    next: label,
  };
}

/** Whether another label is as good in every sum. */
function isBeaten(label: Label, by: readonly Label[]): boolean {
  for (const other of by)
    if (other.sum <= label.sum && other.latency <= label.latency && other.loss <= label.loss)
      return true;
  return false;
}

function compare(score: number, label: Label, best: { label: Label; score: number }): number {
  return score - best.score || label.latency - best.label.latency || label.hops - best.label.hops;
}

function passes(label: Label, node: number): boolean {
  for (let at: Label | undefined = label; at !== undefined; at = at.next)
    if (at.node === node) return true;
  return false;
}

function pathOf(graph: Graph, first: Label): NodeAddress[] {
  const path: NodeAddress[] = [];
  for (let at: Label | undefined = first; at !== undefined; at = at.next)
    path.push(graph.nodes[at.node]!);
  return path;
}

/** The link of an arc at `node`, outwards or towards it. */
function figuresOf(graph: Graph, arc: Arc, node: number, isOutward: boolean): LinkFigures {
  const { edge } = arc;
  const near = graph.nodes[node]!;
  const far = graph.nodes[arc.to]!;
  const [from, to] = isOutward ? [near, far] : [far, near];
  const isAB = from === edge.a;
  return {
    from,
    to,
    latency: edge.latency,
    lossPpm: isAB ? edge.lossAB : edge.lossBA,
    lossBackPpm: isAB ? edge.lossBA : edge.lossAB,
    cost: isAB ? edge.costAB : edge.costBA,
    isOnProbation: edge.isOnProbation,
    bandwidth: isAB ? edge.bandwidthAB : edge.bandwidthBA,
  };
}
