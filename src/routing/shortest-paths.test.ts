import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { address, drawnGraphs, graphOf } from './drawn-graph.test.ts';
import { diffEdges, type Edge, type Graph, mutualEdges } from './graph.ts';
import { pathOnwards, pathsFrom, pathsTowards, pathTo } from './shortest-paths.ts';

/** Few different latencies, so that ties abound. */
const drawn = drawnGraphs(9, 24, fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 0, 10_000));

/** All best paths by trying every simple path: cost, then hops, then sequence of addresses. */
function bestByTrying(graph: Graph, source: number, avoided = -1): Map<number, NodeAddress[]> {
  const best = new Map<number, { cost: number; path: number[] }>();
  const isBetter = (x: { cost: number; path: number[] }, y: typeof x): boolean => {
    if (x.cost !== y.cost) return x.cost < y.cost;
    if (x.path.length !== y.path.length) return x.path.length < y.path.length;
    const i = x.path.findIndex((n, at) => n !== y.path[at]);
    return i >= 0 && x.path[i]! < y.path[i]!;
  };
  const stack = [{ at: source, cost: 0, path: [] as number[] }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { at, cost, path } = top;
    const known = best.get(at);
    if (known === undefined || isBetter({ cost, path }, known)) best.set(at, { cost, path });
    for (const arc of graph.arcs[at]!) {
      if (arc.to === source || arc.to === avoided || path.includes(arc.to)) continue;
      const further = { at: arc.to, cost: cost + arc.costOut, path: [...path, arc.to] };
      const there = best.get(arc.to);
      // A prefix that is worse in cost cannot become part of a best path.
      if (there === undefined || further.cost <= there.cost) stack.push(further);
    }
  }
  return new Map([...best].map(([n, { path }]) => [n, path.map((i) => graph.nodes[i]!)]));
}

test('paths are those that trying all paths finds, ties included', () => {
  fc.assert(
    fc.property(drawn, (d) => {
      const graph = graphOf(d);
      for (let source = 0; source < graph.nodes.length; source++) {
        const tree = pathsFrom(graph, source);
        const expected = bestByTrying(graph, source);
        for (let node = 0; node < graph.nodes.length; node++)
          assert.deepEqual(pathTo(tree, node), expected.get(node));
      }
    }),
    { numRuns: 150 },
  );
});

test('each node on a path continues it: hop by hop is what the source computed', () => {
  fc.assert(
    fc.property(drawn, (d) => {
      const graph = graphOf(d);
      const trees = graph.nodes.map((_, n) => pathsFrom(graph, n));
      for (let source = 0; source < graph.nodes.length; source++) {
        for (let node = 0; node < graph.nodes.length; node++) {
          const path = pathTo(trees[source]!, node);
          if (path === undefined || path.length === 0) continue;
          const next = graph.numberOf.get(path[0]!)!;
          assert.deepEqual(pathTo(trees[next]!, node), path.slice(1));
        }
      }
    }),
  );
});

test('paths towards a destination that avoid a node are the best without it', () => {
  fc.assert(
    fc.property(drawn, fc.nat(), fc.nat(), (d, x, y) => {
      const graph = graphOf(d);
      const destination = x % graph.nodes.length;
      const avoided = y % graph.nodes.length;
      if (destination === avoided) return;
      const tree = pathsTowards(graph, destination, avoided);
      for (let node = 0; node < graph.nodes.length; node++) {
        if (node === avoided) continue;
        const best = bestByTrying(graph, node, avoided).get(destination);
        const expected = best === undefined ? undefined : [graph.nodes[node]!, ...best];
        assert.deepEqual(pathOnwards(tree, node), expected);
      }
    }),
    { numRuns: 150 },
  );
});

test('a link that only one end reports is not in the graph', () => {
  const report = { latency: 1 as Duration, jitter: 0 as Duration, lossOutPpm: 0, lossInPpm: 0 };
  const one = { ...report, neighbour: address(2), mtu: 1400 };
  const reports = new Map([[address(1), new Map([[address(2), one]])]]);
  assert.deepEqual(mutualEdges(reports), []);
  reports.set(address(2), new Map());
  assert.deepEqual(mutualEdges(reports), []);
  const back = {
    ...report,
    neighbour: address(1),
    latency: 9 as Duration,
    lossInPpm: 5,
    mtu: 1232,
  };
  reports.set(address(2), new Map([[address(1), back]]));
  const [edge] = mutualEdges(reports);
  assert.equal(edge!.latency, 9, 'the worse report counts');
  assert.equal(edge!.lossAB, 5);
  assert.equal(edge!.mtu, 1232);
});

test('the difference of two sets of links is what came, went and changed', () => {
  const before = graphOf({
    nodes: 4,
    links: [
      { a: 1, b: 2, latency: 1000, lossAB: 0, lossBA: 0 },
      { a: 2, b: 3, latency: 1000, lossAB: 0, lossBA: 0 },
      { a: 1, b: 4, latency: 1000, lossAB: 0, lossBA: 0 },
    ],
  }).edges;
  const after = graphOf({
    nodes: 4,
    links: [
      { a: 1, b: 2, latency: 2000, lossAB: 0, lossBA: 0 },
      { a: 3, b: 4, latency: 1000, lossAB: 0, lossBA: 0 },
      { a: 1, b: 4, latency: 1000, lossAB: 0, lossBA: 0 },
    ],
  }).edges;
  const name = (e: Edge | undefined): string => (e === undefined ? '-' : `${e.a}${e.b}`);
  assert.deepEqual(
    diffEdges(before, after).map((c) => `${name(c.before)} ${name(c.after)}`),
    ['12 12', '23 -', '- 34'],
  );
});
