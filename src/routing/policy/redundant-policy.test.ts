/** Redundant schemes on drawn networks under drawn policies, against trying every path. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../../kernel/index.ts';
import { Counters, instant, milliseconds } from '../../kernel/index.ts';
import type { Policy } from '../../wire/index.ts';
import { address, allPaths, drawnGraph, graphOf } from '../drawn-graph.test.ts';
import type { Graph } from '../graph.ts';
import type { DisseminationRequest } from '../graphs/index.ts';
import { Dissemination } from '../graphs/index.ts';
import { drawnPolicy, factsOf, isPermitted, RULE } from './drawn-policy.test.ts';
import { PermittedGraphs } from './permitted-graphs.ts';
import { PolicyTable } from './policy-table.ts';

const SELF = address(1);
const TO = address(2);
const now = instant(1_000_000);

function sourceOf(graph: Graph, given: Policy) {
  const counters = new Counters();
  const table = new PolicyTable({ factsOf, counters, flowsMax: 64 });
  table.setNetwork(given);
  const graphs = new PermittedGraphs(SELF);
  graphs.take(graph);
  const permitted = (destination: NodeAddress, lane: number): Graph =>
    graphs.to(destination, table.classOf(SELF, destination, lane));
  const dissemination = new Dissemination({
    self: SELF,
    nameOf: () => undefined,
    counters,
    plansMax: 16,
    permitted,
    permits: ({ destination, lane }, from, to) =>
      table.permits({ source: SELF, destination, lane }, from, to),
    changed: () => {},
  });
  dissemination.update(graph, [], [], now);
  return { dissemination, permitted };
}

/** The paths that a flow of SELF may take, by the description. */
const permittedPaths = (graph: Graph, given: Policy, lane: number): NodeAddress[][] =>
  allPaths(graph, SELF, TO).filter((path) =>
    path.every((to, i) =>
      isPermitted(
        given,
        { source: SELF, destination: TO, lane },
        i === 0 ? SELF : path[i - 1]!,
        to,
      ),
    ),
  );

/** The most of these paths that share no node but the ends; up to `most`. */
function disjointAmong(paths: readonly NodeAddress[][], most: number): number {
  if (most === 0) return 0;
  let found = 0;
  paths.forEach((path, i) => {
    const inner = path.slice(0, -1);
    const others = paths
      .slice(i + 1)
      .filter((other) => !other.slice(0, -1).some((node) => inner.includes(node)));
    if (found < most) found = Math.max(found, 1 + disjointAmong(others, most - 1));
  });
  return found;
}

const lanes = fc.constantFrom(0, 4);

describe('redundant schemes under policy', () => {
  it('use all disjoint paths that are permitted, up to as many as were asked for', () => {
    const property = fc.property(
      drawnGraph,
      drawnPolicy,
      lanes,
      fc.integer({ min: 1, max: 3 }),
      (drawn, given, lane, paths) => {
        const graph = graphOf(drawn);
        const request = { destination: TO, lane, scheme: 'disjoint', paths } as const;
        const { dissemination } = sourceOf(graph, given);
        const plan = dissemination.plan({ ...request, deadline: 0 as Duration }, now);
        const there = disjointAmong(permittedPaths(graph, given, lane), paths);
        assert.equal(plan?.paths ?? 0, there);
        assert.equal(plan?.isShort ?? there < paths, there < paths);
      },
    );
    fc.assert(property, { numRuns: 600 });
  });

  it('send no copy over a denied link, and some copy wherever a way is permitted', () => {
    const schemes = fc.constantFrom<Pick<DisseminationRequest, 'scheme' | 'paths'>>(
      { scheme: 'disjoint', paths: 3 },
      { scheme: 'targeted' },
      { scheme: 'time-constrained' },
    );
    const deadlines = fc.integer({ min: 1, max: 200 }).map((ms) => milliseconds(ms));
    const property = fc.property(
      drawnGraph,
      drawnPolicy,
      lanes,
      schemes,
      deadlines,
      (drawn, given, lane, scheme, deadline) => {
        const graph = graphOf(drawn);
        const { dissemination } = sourceOf(graph, given);
        const plan = dissemination.plan({ destination: TO, lane, deadline, ...scheme }, now);
        const flow = { source: SELF, destination: TO, lane };
        for (const { from, to } of plan?.edges ?? [])
          assert.ok(isPermitted(given, flow, from, to), `${from}-${to}`);
        assert.equal(plan !== undefined, permittedPaths(graph, given, lane).length > 0);
      },
    );
    fc.assert(property, { numRuns: 600 });
  });

  it('compute what is permitted once for a class, not for a packet or a flow', () => {
    const graph = graphOf({
      nodes: 4,
      links: [
        { a: 1, b: 2, latency: 10_000, lossAB: 0, lossBA: 0 },
        { a: 1, b: 3, latency: 10_000, lossAB: 0, lossBA: 0 },
        { a: 3, b: 2, latency: 10_000, lossAB: 0, lossBA: 0 },
        { a: 3, b: 4, latency: 10_000, lossAB: 0, lossBA: 0 },
      ],
    });
    const rule = { ...RULE, lanes: [4], denyNodes: ['C'] };
    const { permitted } = sourceOf(graph, { cliques: [], rules: [rule] });
    assert.equal(permitted(TO, 4), permitted(address(4), 4));
    assert.equal(permitted(TO, 0), graph);
    // C may not be passed through, and may be reached.
    assert.equal(permitted(TO, 4).edges.length, 1);
    assert.equal(permitted(address(3), 4).edges.length, 4);
  });
});
