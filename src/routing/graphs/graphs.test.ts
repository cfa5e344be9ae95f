import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../../kernel/index.ts';
import { milliseconds, Random } from '../../kernel/index.ts';
import { CITIES, CITY_LINKS, TRANSCONTINENTAL_FLOWS } from '../../sim/continent.ts';
import type { Graph } from '../graph.ts';
import { buildGraph, edgeFromReports } from '../graph.ts';
import { disjointPaths, disjointPathsInTime } from './disjoint-paths.ts';
import type { Hop } from './distances.ts';
import { COST, distances, LATENCY, leastOver, lengthOf, unionOf } from './distances.ts';
import { destinationProblemGraph, sourceProblemGraph } from './problem-graphs.ts';
import { timeConstrainedGraph } from './time-constrained.ts';

const DEADLINE = milliseconds(65);
const NAMES = CITIES.map(({ name }) => name);
const addressAt = (index: number): NodeAddress => (index + 1) as NodeAddress;

function graphOf(
  nodes: number,
  links: readonly { a: number; b: number; latency: Duration; lossPpm?: number }[],
): Graph {
  const edges = links.map(({ a, b, latency, lossPpm = 0 }) => {
    const [low, high] = [addressAt(Math.min(a, b)), addressAt(Math.max(a, b))];
    const losses = { lossOutPpm: lossPpm, lossInPpm: lossPpm };
    const report = { neighbour: high, latency, jitter: 0 as Duration, mtu: 1400, ...losses };
    return edgeFromReports({ a: low, b: high }, report, report);
  });
  return buildGraph(
    Array.from({ length: nodes }, (_, i) => addressAt(i)),
    edges,
  );
}

const CITY_GRAPH = graphOf(
  NAMES.length,
  CITY_LINKS.map(({ a, b, latencyMilliseconds }) => ({
    a: NAMES.indexOf(a),
    b: NAMES.indexOf(b),
    latency: milliseconds(latencyMilliseconds),
  })),
);
const endsOf = ([source, destination]: readonly [string, string]) => ({
  source: NAMES.indexOf(source),
  destination: NAMES.indexOf(destination),
});
const ATL_LAX = endsOf(['ATL', 'LAX']);
const words = (hops: readonly Hop[]): string =>
  hops
    .map(({ from, to }) => `${NAMES[from]}-${NAMES[to]}`)
    .sort()
    .join(' ');

test('ATL to LAX in 65 ms: two paths, source, destination and robust graph have 4, 10, 8 and 12 links', () => {
  const paths = disjointPathsInTime(CITY_GRAPH, ATL_LAX, { count: 2, deadline: DEADLINE }).flat();
  const source = sourceProblemGraph(CITY_GRAPH, ATL_LAX, DEADLINE);
  const destination = destinationProblemGraph(CITY_GRAPH, ATL_LAX, DEADLINE);
  assert.equal(words(paths), 'ATL-DEN ATL-DFW DEN-LAX DFW-LAX');
  assert.equal(
    words(source),
    'ATL-CHI ATL-DEN ATL-DFW ATL-JHU ATL-WAS CHI-DEN DEN-LAX DFW-LAX JHU-WAS WAS-LAX',
  );
  assert.equal(
    words(destination),
    'ATL-DEN ATL-DFW ATL-WAS DEN-LAX DEN-SJC DFW-LAX SJC-LAX WAS-LAX',
  );
  assert.equal(unionOf(paths, source, destination).length, 12);
});

test('three disjoint paths join every two of the twelve cities, as published', () => {
  for (let source = 0; source < NAMES.length; source++)
    for (let destination = 0; destination < NAMES.length; destination++) {
      if (source === destination) continue;
      assert.equal(disjointPaths(CITY_GRAPH, { source, destination }, 3, LATENCY).length, 3);
    }
});

test('over sixteen flows two paths cost about 2.06 and time-constrained flooding about 15 times one path', (t) => {
  let [single, two, flood] = [0, 0, 0];
  for (const ends of TRANSCONTINENTAL_FLOWS.map(endsOf)) {
    single += disjointPaths(CITY_GRAPH, ends, 1, COST).flat().length;
    two += disjointPathsInTime(CITY_GRAPH, ends, { count: 2, deadline: DEADLINE }).flat().length;
    flood += timeConstrainedGraph(CITY_GRAPH, ends, DEADLINE).length;
  }
  t.diagnostic(`two paths ${two / single}, flooding ${flood / single}`);
  assert.ok(Math.abs(two / single - 2.06) < 0.02);
  assert.ok(flood / single > 13 && flood / single < 16.5);
});

test('time-constrained flooding has every link of a way in time and no link of none', () => {
  for (const ends of TRANSCONTINENTAL_FLOWS.map(endsOf)) {
    const found = new Set(timeConstrainedGraph(CITY_GRAPH, ends, DEADLINE).map(keyOf));
    for (const key of linksOfSimplePaths(CITY_GRAPH, ends, DEADLINE)) assert.ok(found.has(key));
  }
});

// -- Drawn networks ------------------------------------------------------------------------------

const networks = fc.record({
  seed: fc.nat(0xffff),
  nodes: fc.integer({ min: 3, max: 9 }),
  extra: fc.integer({ min: 0, max: 14 }),
  deadline: fc.integer({ min: 5, max: 120 }).map((n) => milliseconds(n)),
});

function drawn({ seed, nodes, extra }: { seed: number; nodes: number; extra: number }): Graph {
  const random = new Random(seed);
  const links = new Map<string, { a: number; b: number; latency: Duration; lossPpm: number }>();
  const add = (a: number, b: number): void => {
    if (a === b) return;
    const latency = milliseconds(random.between(1, 40));
    const lossPpm = random.chance(0.3) ? random.between(0, 300_000) : 0;
    links.set(`${Math.min(a, b)}-${Math.max(a, b)}`, { a, b, latency, lossPpm });
  };
  for (let i = 1; i < nodes; i++) add(i, random.below(i));
  for (let i = 0; i < extra; i++) add(random.below(nodes), random.below(nodes));
  return graphOf(nodes, [...links.values()]);
}

test('disjoint paths share no node, and there are as many as a cut allows', () => {
  fc.assert(
    fc.property(networks, (network) => {
      const graph = drawn(network);
      const ends = { source: 0, destination: network.nodes - 1 };
      const paths = disjointPaths(graph, ends, 8, LATENCY);
      const inner = paths.flatMap((path) => path.slice(1).map(({ from }) => from));
      assert.equal(new Set(inner).size, inner.length);
      for (const path of paths) {
        assert.equal(path[0]!.from, ends.source);
        assert.equal(path.at(-1)!.to, ends.destination);
        assert.ok(Number.isFinite(lengthOf(graph, path, LATENCY)));
      }
      assert.equal(paths.length, leastCut(graph, ends));
    }),
  );
});

test('a clean path is no reason to take fewer disjoint paths than there are', () => {
  const ten = milliseconds(10);
  const lossy = { latency: ten, lossPpm: 30_000 };
  // 0-2-3-1 is clean and bars both others; 0-2-1 and 0-3-1 lose.
  const graph = graphOf(4, [
    { a: 0, b: 2, latency: ten },
    { a: 2, b: 3, latency: ten },
    { a: 3, b: 1, latency: ten },
    { a: 0, b: 3, ...lossy },
    { a: 2, b: 1, ...lossy },
  ]);
  const options = { count: 2, deadline: Number.POSITIVE_INFINITY };
  assert.equal(disjointPathsInTime(graph, { source: 0, destination: 1 }, options).length, 2);
});

test('two disjoint paths are of the least total latency there is', () => {
  fc.assert(
    fc.property(networks, (network) => {
      const graph = drawn(network);
      const ends = { source: 0, destination: network.nodes - 1 };
      const paths = disjointPaths(graph, ends, 2, LATENCY);
      const all = simplePaths(graph, ends);
      let least = Number.POSITIVE_INFINITY;
      for (const x of all)
        for (const y of all) {
          const innerOfX = new Set(x.slice(1).map(({ from }) => from));
          if (x === y || y.slice(1).some(({ from }) => innerOfX.has(from))) continue;
          least = Math.min(least, lengthOf(graph, [...x, ...y], LATENCY));
        }
      if (paths.length === 2) assert.equal(lengthOf(graph, paths.flat(), LATENCY), least);
      else assert.equal(least, Number.POSITIVE_INFINITY);
    }),
    { numRuns: 60 },
  );
});

test('no graph leaves a pair unconnected that has a way in time', () => {
  fc.assert(
    fc.property(networks, (network) => {
      const graph = drawn(network);
      const { deadline } = network;
      const ends = { source: 0, destination: network.nodes - 1 };
      const best = distances(graph, 0, { weight: LATENCY, direction: 'away' }).to[
        ends.destination
      ]!;
      const paths = [1, 2, 3, 8].map((count) =>
        disjointPathsInTime(graph, ends, { count, deadline }).flat(),
      );
      const source = sourceProblemGraph(graph, ends, deadline);
      const destination = destinationProblemGraph(graph, ends, deadline);
      const robust = unionOf(paths[1]!, source, destination);
      const flood = timeConstrainedGraph(graph, ends, deadline);
      const graphs = [...paths, source, destination, robust, flood];
      for (const hops of graphs) {
        if (best <= deadline) assert.ok(leastOver(graph, hops, ends) <= deadline);
        else assert.equal(hops.length, 0);
        for (const { from, to } of hops) {
          assert.notEqual(to, ends.source);
          assert.notEqual(from, ends.destination);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('flooding in time on drawn networks: every link of a simple way in time', () => {
  fc.assert(
    fc.property(networks, (network) => {
      const graph = drawn(network);
      const ends = { source: 0, destination: network.nodes - 1 };
      const found = new Set(timeConstrainedGraph(graph, ends, network.deadline).map(keyOf));
      for (const key of linksOfSimplePaths(graph, ends, network.deadline))
        assert.ok(found.has(key));
    }),
    { numRuns: 60 },
  );
});

const keyOf = ({ from, to }: Hop): string => `${from}-${to}`;

function linksOfSimplePaths(
  graph: Graph,
  ends: { source: number; destination: number },
  deadline: number,
): Set<string> {
  const within = simplePaths(graph, ends, deadline);
  return new Set(within.flat().map(keyOf));
}

/** By exhaustive search: shares nothing with what is tested. */
function simplePaths(
  graph: Graph,
  { source, destination }: { source: number; destination: number },
  deadline: number = Number.POSITIVE_INFINITY,
): Hop[][] {
  const found: Hop[][] = [];
  const walk = (node: number, hops: Hop[], length: number, seen: Set<number>): void => {
    if (node === destination) {
      found.push(hops);
      return;
    }
    for (const { to, edge } of graph.arcs[node]!) {
      const next = length + edge.latency + 1;
      if (!seen.has(to) && next <= deadline)
        walk(to, [...hops, { from: node, to }], next, new Set([...seen, to]));
    }
  };
  walk(source, [], 0, new Set([source]));
  return found;
}

/** Menger: the most disjoint paths are as many as the fewest nodes, or the direct link, that part the ends. */
function leastCut(graph: Graph, ends: { source: number; destination: number }): number {
  const { source, destination } = ends;
  const direct = graph.arcs[source]!.some(({ to }) => to === destination) ? 1 : 0;
  const inner = graph.nodes.map((_, i) => i).filter((i) => i !== source && i !== destination);
  let least = inner.length;
  for (let mask = 0; mask < 1 << inner.length; mask++) {
    const removed = new Set(inner.filter((_, i) => ((mask >> i) & 1) === 1));
    if (removed.size < least && !isConnected(graph, ends, removed)) least = removed.size;
  }
  return direct + least;
}

/** Over ways of at least two links, around what was removed. */
function isConnected(
  graph: Graph,
  { source, destination }: { source: number; destination: number },
  removed: ReadonlySet<number>,
): boolean {
  const seen = new Set([source]);
  const queue = [source];
  for (const node of queue)
    for (const { to } of graph.arcs[node]!) {
      if (node === source && to === destination) continue;
      if (seen.has(to) || removed.has(to)) continue;
      if (to === destination) return true;
      seen.add(to);
      queue.push(to);
    }
  return false;
}
