/** Graphs for the property tests of this room: small, with loss, ties and odd shapes. */
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../kernel/index.ts';
import type { LinkReport } from '../wire/index.ts';
import { buildGraph, type Graph, mutualEdges } from './graph.ts';

export const address = (n: number): NodeAddress => n as NodeAddress;

interface DrawnLink {
  readonly a: number;
  readonly b: number;
  readonly latency: number;
  readonly lossAB: number;
  readonly lossBA: number;
}

export interface Drawn {
  readonly nodes: number;
  readonly links: readonly DrawnLink[];
}

/** `latencies` in milliseconds and `losses` in ppm are each drawn from. */
export const drawnGraphs = (
  nodesMax: number,
  linksMax: number,
  latencies: fc.Arbitrary<number>,
  losses: fc.Arbitrary<number>,
): fc.Arbitrary<Drawn> =>
  fc.integer({ min: 2, max: nodesMax }).chain((nodes) =>
    fc.record({
      nodes: fc.constant(nodes),
      links: fc.uniqueArray(
        fc.record({
          a: fc.integer({ min: 1, max: nodes }),
          b: fc.integer({ min: 1, max: nodes }),
          latency: latencies.map((n) => n * 1000),
          lossAB: losses,
          lossBA: losses,
        }),
        { maxLength: linksMax, selector: ({ a, b }) => Math.min(a, b) * 100 + Math.max(a, b) },
      ),
    }),
  );

export const drawnGraph: fc.Arbitrary<Drawn> = drawnGraphs(
  7,
  20,
  fc.integer({ min: 1, max: 40 }),
  fc.constantFrom(0, 0, 5_000, 30_000, 200_000),
);

export function graphOf({ nodes, links }: Drawn): Graph {
  const reports = new Map<NodeAddress, Map<NodeAddress, LinkReport>>();
  for (let n = 1; n <= nodes; n++) reports.set(address(n), new Map());
  const report = (from: number, to: number, latency: number, loss: number): void => {
    reports.get(address(from))!.set(address(to), {
      neighbour: address(to),
      latency: latency as Duration,
      jitter: 0 as Duration,
      lossOutPpm: loss,
      lossInPpm: 0,
      mtu: 1400,
    });
  };
  for (const { a, b, latency, lossAB, lossBA } of links) {
    if (a === b) continue;
    report(a, b, latency, lossAB);
    report(b, a, latency, lossBA);
  }
  return buildGraph(reports.keys(), mutualEdges(reports));
}

/** Every simple path, as lists of nodes after the source. */
export function allPaths(
  graph: Graph,
  source: NodeAddress,
  destination: NodeAddress,
): NodeAddress[][] {
  const found: NodeAddress[][] = [];
  const stack: NodeAddress[][] = [[]];
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const at = path.at(-1) ?? source;
    if (at === destination) {
      found.push(path);
      continue;
    }
    for (const arc of graph.arcs[graph.numberOf.get(at)!]!) {
      const to = graph.nodes[arc.to]!;
      if (to !== source && !path.includes(to)) stack.push([...path, to]);
    }
  }
  return found;
}
