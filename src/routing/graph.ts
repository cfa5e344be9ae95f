/**
 * The network as a graph, made afresh from the link reports of all origins whenever they change.
 *
 * A link is in the graph only while both of its ends report it: an end that crashed, was cut off or
 * never agreed takes the link out by what the other end says, or stops saying. Where the two reports
 * differ the worse figure counts, so bad news acts as soon as either end tells it, and one end alone
 * cannot make a link look good. Latency is the same both ways; loss and so cost have a direction.
 *
 * Nodes are numbered in ascending order of address, so comparing numbers compares addresses, and
 * equal reports give equal graphs on every node.
 */
import type { Duration, NodeAddress } from '../kernel/index.ts';
import type { LinkBandwidth, LinkReport } from '../wire/index.ts';
import { linkCost, PROBATION_COST } from './metric.ts';

/** Of one origin: neighbour to report. */
export type ReportsOf = ReadonlyMap<NodeAddress, LinkReport>;
export type ReportsByOrigin = ReadonlyMap<NodeAddress, ReportsOf>;

/** `a` < `b`. */
export interface Edge {
  readonly a: NodeAddress;
  readonly b: NodeAddress;
  readonly latency: Duration;
  readonly lossAB: number;
  readonly lossBA: number;
  readonly costAB: Duration;
  readonly costBA: Duration;
  readonly mtu: number;
  /** Either end says so. */
  readonly isOnProbation: boolean;
  /** As the end that sends tells it; undefined: nobody knows. A change of it is no change of the link. */
  readonly bandwidthAB?: LinkBandwidth | undefined;
  readonly bandwidthBA?: LinkBandwidth | undefined;
}

/** A directed half of an edge, as the node at its tail sees it. */
export interface Arc {
  /** Number of the node at the head. */
  readonly to: number;
  readonly costOut: Duration;
  /** Cost of the same link towards the tail. */
  readonly costIn: Duration;
  readonly lossOut: number;
  readonly edge: Edge;
}

export interface Graph {
  /** Ascending. */
  readonly nodes: readonly NodeAddress[];
  readonly numberOf: ReadonlyMap<NodeAddress, number>;
  /** Ascending by (a, b). */
  readonly edges: readonly Edge[];
  /** By node number; each list ascending by head. */
  readonly arcs: readonly (readonly Arc[])[];
  /** By node number: may only begin and end paths. Absent: none is so. */
  readonly isTransitClosed?: readonly boolean[];
}

export const EMPTY_GRAPH: Graph = { nodes: [], numberOf: new Map(), edges: [], arcs: [] };

export function edgeFromReports(
  ends: { readonly a: NodeAddress; readonly b: NodeAddress },
  byA: LinkReport,
  byB: LinkReport,
): Edge {
  const latency = Math.max(byA.latency, byB.latency) as Duration;
  const lossAB = Math.max(byA.lossOutPpm, byB.lossInPpm);
  const lossBA = Math.max(byB.lossOutPpm, byA.lossInPpm);
  const isOnProbation = byA.isOnProbation === true || byB.isOnProbation === true;
  const probation = isOnProbation ? PROBATION_COST : 0;
  return {
    a: ends.a,
    b: ends.b,
    latency,
    lossAB,
    lossBA,
    costAB: (linkCost(latency, lossAB) + probation) as Duration,
    costBA: (linkCost(latency, lossBA) + probation) as Duration,
    mtu: Math.min(byA.mtu, byB.mtu),
    isOnProbation,
    bandwidthAB: byA.bandwidth,
    bandwidthBA: byB.bandwidth,
  };
}

/** The links both ends report, ascending by (a, b). */
export function mutualEdges(reports: ReportsByOrigin): Edge[] {
  const edges: Edge[] = [];
  for (const [a, links] of reports) {
    for (const [b, byA] of links) {
      const byB = a < b ? reports.get(b)?.get(a) : undefined;
      if (byB !== undefined) edges.push(edgeFromReports({ a, b }, byA, byB));
    }
  }
  return edges.sort(compareEdges);
}

/** `nodes` may be in any order and must hold every end of an edge. */
export function buildGraph(nodes: Iterable<NodeAddress>, edges: readonly Edge[]): Graph {
  const sorted = [...new Set(nodes)].sort((x, y) => x - y);
  const numberOf = new Map<NodeAddress, number>();
  for (let i = 0; i < sorted.length; i++) numberOf.set(sorted[i]!, i);
  const arcs: Arc[][] = sorted.map(() => []);
  for (const edge of edges) {
    const a = numberOf.get(edge.a)!;
    const b = numberOf.get(edge.b)!;
    const { costAB, costBA, lossAB, lossBA } = edge;
    arcs[a]!.push({ to: b, costOut: costAB, costIn: costBA, lossOut: lossAB, edge });
    arcs[b]!.push({ to: a, costOut: costBA, costIn: costAB, lossOut: lossBA, edge });
  }
  for (const list of arcs) list.sort((x, y) => x.to - y.to);
  return { nodes: sorted, numberOf, edges, arcs };
}

export const compareEdges = (x: Edge, y: Edge): number => (x.a === y.a ? x.b - y.b : x.a - y.a);

/** The edge between two neighbouring nodes. */
export function edgeBetween(graph: Graph, x: NodeAddress, y: NodeAddress): Edge | undefined {
  const from = graph.numberOf.get(x);
  const to = graph.numberOf.get(y);
  if (from === undefined || to === undefined) return undefined;
  return graph.arcs[from]!.find((arc) => arc.to === to)?.edge;
}

/** An edge that came, went or changed its figures between two graphs. */
export interface EdgeChange {
  readonly before: Edge | undefined;
  readonly after: Edge | undefined;
}

export function diffEdges(before: readonly Edge[], after: readonly Edge[]): EdgeChange[] {
  const changes: EdgeChange[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const old = before[i];
    const now = after[j];
    const order = old === undefined ? 1 : now === undefined ? -1 : compareEdges(old, now);
    if (order < 0) changes.push({ before: old, after: undefined });
    else if (order > 0) changes.push({ before: undefined, after: now });
    else if (!isSameEdge(old!, now!)) changes.push({ before: old, after: now });
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  return changes;
}

const isSameEdge = (x: Edge, y: Edge): boolean =>
  x.latency === y.latency &&
  x.lossAB === y.lossAB &&
  x.lossBA === y.lossBA &&
  x.mtu === y.mtu &&
  x.isOnProbation === y.isOnProbation;
