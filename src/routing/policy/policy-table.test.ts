import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../../kernel/index.ts';
import { Counters } from '../../kernel/index.ts';
import type { Policy, PolicyRule } from '../../wire/index.ts';
import { SERVICE_DEFAULT } from '../../wire/index.ts';
import { candidates } from '../choice/candidates.ts';
import { scoreOf } from '../choice/metrics.ts';
import { address, allPaths, drawnGraph, graphOf } from '../drawn-graph.test.ts';
import { pathsFrom, pathTo } from '../shortest-paths.ts';
import { PolicyTable, permittedBetween, permittedGraph } from './policy-table.ts';

const NAMES = ['', 'A', 'B', 'C', 'D', 'E', 'F', 'G'];
const factsOf = (node: NodeAddress) => ({
  name: NAMES[node]!,
  labels: { region: node % 2 === 0 ? 'eu' : 'us', net: node <= 3 ? 'internet2' : 'other' },
});

const RULE: PolicyRule = {
  name: 'rule',
  from: [],
  to: [],
  lanes: [],
  denyLinks: [],
  denyNodes: [],
  onlyLinks: [],
  onlyNodes: [],
};

function tableOf(policy: Policy, local: readonly PolicyRule[] = []): PolicyTable {
  const table = new PolicyTable({ factsOf, counters: new Counters(), flowsMax: 8 });
  table.setNetwork(policy);
  table.setLocal(local);
  return table;
}

const term = fc.constantFrom(
  '*',
  'A',
  'B',
  'C',
  'D',
  'E',
  'region=eu',
  'region=us',
  'net=internet2',
);
const selector = fc.array(term, { maxLength: 2 });
const stated = fc.array(term, { minLength: 1, maxLength: 2 });
const links = fc.array(fc.tuple(stated, stated), { maxLength: 2 });
const rule: fc.Arbitrary<PolicyRule> = fc.record({
  name: fc.constant('r'),
  from: selector,
  to: selector,
  lanes: fc.constantFrom([], [0], [4]),
  denyLinks: links,
  denyNodes: selector,
  onlyLinks: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, links),
  onlyNodes: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, selector),
});
const policy: fc.Arbitrary<Policy> = fc.record({
  cliques: fc.array(
    fc.record({ name: fc.constant('c'), members: stated, isConfined: fc.boolean() }),
    { maxLength: 2 },
  ),
  rules: fc.array(rule, { maxLength: 3 }),
});

/** Written from the description, not from the code: whether one hop of a flow is permitted. */
function isPermitted(
  { cliques, rules }: Policy,
  flow: { source: NodeAddress; destination: NodeAddress; lane: number },
  from: NodeAddress,
  to: NodeAddress,
): boolean {
  const is = (terms: readonly string[], node: NodeAddress): boolean =>
    terms.some((t) => {
      const { name, labels } = factsOf(node);
      return (
        t === '*' || t === name || t === `region=${labels.region}` || t === `net=${labels.net}`
      );
    });
  const joins = (pairs: PolicyRule['denyLinks']): boolean =>
    pairs.some(([x, y]) => (is(x, from) && is(y, to)) || (is(x, to) && is(y, from)));
  const passed = [from, to].filter((n) => n !== flow.source && n !== flow.destination);
  // An end of the flow that stands at the wrong end of the hop is passed through as well.
  if (from === flow.destination) passed.push(from);
  if (to === flow.source) passed.push(to);
  for (const r of rules) {
    if (r.from.length > 0 && !is(r.from, flow.source)) continue;
    if (r.to.length > 0 && !is(r.to, flow.destination)) continue;
    if (r.lanes.length > 0 && !r.lanes.includes(flow.lane)) continue;
    if (joins(r.denyLinks)) return false;
    if (r.onlyLinks.length > 0 && !joins(r.onlyLinks)) return false;
    for (const node of passed) {
      if (is(r.denyNodes, node)) return false;
      if (r.onlyNodes.length > 0 && !is(r.onlyNodes, node)) return false;
    }
  }
  const of = cliques.filter((c) => is(c.members, from) && is(c.members, to));
  const own = cliques.filter((c) => is(c.members, flow.source) && is(c.members, flow.destination));
  if (own.some((c) => c.isConfined && !of.includes(c))) return false;
  return of.length === 0 || of.some((c) => own.includes(c));
}

describe('policy', () => {
  it('says of every hop what its description says', () => {
    const hop = fc.record({
      source: fc.integer({ min: 1, max: 5 }),
      destination: fc.integer({ min: 1, max: 5 }),
      lane: fc.constantFrom(0, 4),
      from: fc.integer({ min: 1, max: 5 }),
      to: fc.integer({ min: 1, max: 5 }),
    });
    const property = fc.property(policy, fc.array(hop, { maxLength: 20 }), (given, hops) => {
      const table = tableOf(given);
      for (const h of hops) {
        if (h.source === h.destination || h.from === h.to) continue;
        const flow = {
          source: address(h.source),
          destination: address(h.destination),
          lane: h.lane,
        };
        const [from, to] = [address(h.from), address(h.to)];
        assert.equal(table.permits(flow, from, to), isPermitted(given, flow, from, to));
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  it('a denied path is never chosen, and a permitted one is whenever there is one', () => {
    const property = fc.property(
      drawnGraph,
      policy,
      fc.constantFrom(0, 4),
      (drawn, given, lane) => {
        const graph = graphOf(drawn);
        const table = tableOf(given);
        const flow = { source: address(1), destination: address(2), lane };
        const open = permittedBetween(
          graph,
          table.classOf(flow.source, flow.destination, lane),
          flow,
        );
        const score = scoreOf({ kind: 'default' }, SERVICE_DEFAULT, () => undefined);
        const found = candidates(open, flow, score, 'any');
        const permitted = allPaths(graph, flow.source, flow.destination).filter((path) =>
          path.every((to, i) => isPermitted(given, flow, i === 0 ? flow.source : path[i - 1]!, to)),
        );
        assert.equal(found.length > 0, permitted.length > 0);
        for (const { path } of found)
          assert.ok(
            permitted.some((other) => other.join() === path.join()),
            path.join(),
          );
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it('hop-by-hop routes of the default class use nothing that is denied to it', () => {
    const property = fc.property(drawnGraph, policy, (drawn, given) => {
      const graph = graphOf(drawn);
      const table = tableOf(given);
      const open = permittedGraph(graph, table.defaultClass);
      for (const source of graph.nodes) {
        const tree = pathsFrom(open, open.numberOf.get(source)!);
        for (const destination of graph.nodes) {
          const flow = { source, destination, lane: 0 };
          if (source === destination || !table.classOf(source, destination, 0).isDefault) continue;
          const path = pathTo(tree, open.numberOf.get(destination)!);
          let at = source;
          for (const node of path ?? []) {
            assert.ok(isPermitted(given, flow, at, node));
            at = node;
          }
        }
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  it('keeps links of a clique to flows of its members: the Internet2 example', () => {
    const table = tableOf({
      cliques: [{ name: 'internet2', members: ['net=internet2'], isConfined: false }],
      rules: [],
    });
    const flow = (source: number, destination: number) => ({
      source: address(source),
      destination: address(destination),
      lane: 0,
    });
    assert.ok(table.permits(flow(1, 3), address(1), address(2)));
    assert.equal(table.denial(flow(5, 3), address(1), address(2)), 'clique internet2');
    assert.equal(table.denial(flow(1, 5), address(1), address(2)), 'clique internet2');
    assert.ok(table.permits(flow(5, 3), address(5), address(3)));
    assert.ok(table.classOf(address(5), address(3), 0).isDefault);
    assert.ok(!table.classOf(address(1), address(3), 0).isDefault);
  });

  it('own rules bind what this node sends and forwards, and change no hop-by-hop route', () => {
    const local = { ...RULE, denyLinks: [[['A'], ['B']]] as const };
    const table = tableOf({ cliques: [], rules: [] }, [local]);
    const flow = { source: address(4), destination: address(2), lane: 0 };
    assert.equal(table.denial(flow, address(1), address(2)), 'policy rule');
    assert.ok(!table.classOf(address(1), address(2), 0).isDefault);
    assert.ok(table.defaultClass.isOpen);
  });

  it('forgets classes when it holds too many, and answers the same', () => {
    const table = tableOf({ cliques: [], rules: [{ ...RULE, from: ['A'], denyNodes: ['C'] }] });
    for (let lane = 0; lane < 40; lane++) {
      const flow = { source: address(1), destination: address(2), lane };
      assert.equal(table.permits(flow, address(1), address(3)), false);
    }
  });
});
