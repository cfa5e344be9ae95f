/**
 * The time-constrained flooding graph: every link on which a packet can still arrive by its deadline.
 * No set of links delivers more within the deadline, and none that does as well is smaller, but for
 * what it costs in packets (Babay, Wagner, Dinitz, Amir, ICDCS 2017, section V).
 *
 * A link stays when the best way to its tail, the link, and the best way on from its head together
 * keep the deadline. That leaves nodes which only a way through source or destination twice, or
 * through one node twice, reaches in time. So each node must also have two disjoint ways, one to each
 * end, of a total within the deadline; nodes on such ways are confirmed along with it.
 */
import type { Graph } from '../graph.ts';
import type { Ends } from './disjoint-paths.ts';
import type { Hop, Weight } from './distances.ts';
import { distances, LATENCY } from './distances.ts';
import { MinCostFlow } from './min-cost-flow.ts';

export function timeConstrainedGraph(
  graph: Graph,
  ends: Ends,
  deadline: number,
  weight: Weight = LATENCY,
): Hop[] {
  const { source, destination } = ends;
  const away = distances(graph, source, { weight, direction: 'away' });
  const onwards = distances(graph, destination, { weight, direction: 'towards' });
  const kept: Hop[] = [];
  for (let from = 0; from < graph.nodes.length; from++) {
    if (from === destination) continue;
    for (const arc of graph.arcs[from]!) {
      if (arc.to === source) continue;
      const total = away.to[from]! + weight.out(arc) + onwards.to[arc.to]!;
      if (total <= deadline) kept.push({ from, to: arc.to });
    }
  }
  const isUseful = usefulNodes(graph, ends, { kept, deadline, weight });
  return kept.filter(({ from, to }) => isUseful[from] === 1 && isUseful[to] === 1);
}

function usefulNodes(
  graph: Graph,
  ends: Ends,
  options: { kept: readonly Hop[]; deadline: number; weight: Weight },
): Uint8Array {
  const isUseful = new Uint8Array(graph.nodes.length);
  isUseful[ends.source] = 1;
  isUseful[ends.destination] = 1;
  const isInSight = new Uint8Array(graph.nodes.length);
  for (const { from, to } of options.kept) {
    isInSight[from] = 1;
    isInSight[to] = 1;
  }
  for (let node = 0; node < graph.nodes.length; node++) {
    if (isUseful[node] === 1 || isInSight[node] === 0) continue;
    for (const passed of wayThrough(graph, ends, node, options) ?? []) isUseful[passed] = 1;
  }
  return isUseful;
}

/**
 * The nodes of the shortest way from source to destination that passes `node` and no node twice;
 * undefined when it is too long. Links are taken both ways: a way to the source is one from it.
 */
function wayThrough(
  graph: Graph,
  { source, destination }: Ends,
  node: number,
  options: { kept: readonly Hop[]; deadline: number; weight: Weight },
): number[] | undefined {
  const count = graph.nodes.length;
  const entrance = (n: number): number => 2 * n;
  const exit = (n: number): number => 2 * n + 1;
  const sink = 2 * count;
  const flow = new MinCostFlow(2 * count + 1);
  for (let n = 0; n < count; n++) if (n !== node) flow.arc(entrance(n), exit(n), 0);
  flow.arc(exit(source), sink, 0);
  flow.arc(exit(destination), sink, 0);
  const isBothWays = new Set(options.kept.map(({ from, to }) => `${from}-${to}`));
  for (const { from, to } of options.kept) {
    const arc = graph.arcs[from]!.find((a) => a.to === to)!;
    flow.arc(exit(from), entrance(to), options.weight.out(arc));
    if (!isBothWays.has(`${to}-${from}`))
      flow.arc(exit(to), entrance(from), options.weight.out(arc));
  }
  const total = flow.augment(exit(node), sink) + flow.augment(exit(node), sink);
  if (!(total <= options.deadline)) return undefined;
  const passed = flow.ways(exit(node), sink).flat();
  return passed.filter((place) => place < sink).map((place) => place >> 1);
}
