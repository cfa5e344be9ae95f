import assert from 'node:assert/strict';
import test from 'node:test';
import { seconds } from '../kernel/index.ts';
import { Testbed } from './testbed.ts';
import { lineTopology } from './topology.ts';

test('nodes that name each other share what their applications report; others hear nothing', () => {
  const share: Readonly<Record<string, readonly string[]>> = { n1: ['n2'], n2: ['n1', 'n3'] };
  const topology = lineTopology(3);
  const testbed = new Testbed({ seed: 1, topology, sharePerformance: (node) => share[node] ?? [] });
  testbed.start();
  testbed.run(seconds(12));
  const report = (to: string, value: number): boolean | undefined =>
    testbed
      .node('n1')
      .call((node, now) => node.performance.report({ to, metric: 'fetch', value }, now));
  assert.equal(report('mirror 1', 30), true);
  assert.equal(report('mirror 2', 20), true);
  assert.equal(report('', 1), false);
  testbed.run(seconds(5));
  const best = (node: string): string | undefined =>
    testbed.node(node).call((core, now) => core.performance.best({ metric: 'fetch' }, now)?.to);
  assert.equal(best('n1'), 'mirror 2');
  assert.equal(best('n2'), 'mirror 2');
  assert.equal(best('n3'), undefined);
  // Its links are measured all the same.
  const own = testbed.node('n3').call((node, now) => node.performance.query({ from: 'n3' }, now));
  assert.deepEqual(
    own?.map(({ metric, to }) => `${metric} ${to}`),
    [
      'jitter-in-ms n2',
      'jitter-out-ms n2',
      'loss-in n2',
      'loss-out n2',
      'mtu n2',
      'reordered-in n2',
      'reordered-out n2',
      'rtt-ms n2',
    ],
  );
  testbed.assertSound();
});
