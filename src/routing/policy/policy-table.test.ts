import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Counters } from '../../kernel/index.ts';
import type { Policy, PolicyRule } from '../../wire/index.ts';
import { SERVICE_DEFAULT } from '../../wire/index.ts';
import { candidates } from '../choice/candidates.ts';
import { scoreOf } from '../choice/metrics.ts';
import { address, allPaths, drawnGraph, graphOf } from '../drawn-graph.test.ts';
import { pathsFrom, pathTo } from '../shortest-paths.ts';
import { drawnPolicy, factsOf, isPermitted, RULE } from './drawn-policy.test.ts';
import { PolicyTable, permittedBetween, permittedGraph } from './policy-table.ts';

function tableOf(policy: Policy, local: readonly PolicyRule[] = []): PolicyTable {
  const table = new PolicyTable({ factsOf, counters: new Counters(), flowsMax: 8 });
  table.setNetwork(policy);
  table.setLocal(local);
  return table;
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
    const property = fc.property(drawnPolicy, fc.array(hop, { maxLength: 20 }), (given, hops) => {
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
      drawnPolicy,
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
    const property = fc.property(drawnGraph, drawnPolicy, (drawn, given) => {
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
