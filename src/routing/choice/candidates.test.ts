import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Duration } from '../../kernel/index.ts';
import { RECOVERY_DEADLINE, RECOVERY_REALTIME, SERVICE_DEFAULT } from '../../wire/index.ts';
import { address, allPaths, drawnGraph, graphOf } from '../drawn-graph.test.ts';
import { candidates, scoreOfPath } from './candidates.ts';
import type { FlowMetric } from './metrics.ts';
import { expectedLatency, metricText, parseMetric, scoreOf } from './metrics.ts';

const METRICS = [
  'default',
  'latency',
  'loss',
  'expected-latency',
  'throughput',
  'hops',
  'app:fetch',
  'latency*1+loss*20',
  'throughput*2+latency*1+hops*3',
];

/** As an application would report some links and not others. */
const reported = (_name: string, from: number, to: number): number | undefined =>
  (from + to) % 3 === 0 ? undefined : from * 10 + to;

describe('the paths a flow can choose from', () => {
  for (const text of METRICS)
    for (const hops of ['any', 'one'] as const)
      it(`the best by ${text}, ${hops} hop, is what trying every path finds`, () => {
        const property = fc.property(drawnGraph, (drawn) => {
          const graph = graphOf(drawn);
          const score = scoreOf(parseMetric(text)!, SERVICE_DEFAULT, reported);
          const ends = { source: address(1), destination: address(2) };
          const found = candidates(graph, ends, score, hops);
          const paths = allPaths(graph, ends.source, ends.destination).filter(
            (path) => hops === 'any' || path.length <= 2,
          );
          assert.equal(found.length > 0, paths.length > 0);
          for (const { path, score: value } of found) {
            assert.ok(close(scoreOfPath(graph, ends.source, path, score)!, value));
            const through = paths.filter((other) => other[0] === path[0]);
            const best = Math.min(
              ...through.map((other) => scoreOfPath(graph, ends.source, other, score)!),
            );
            assert.ok(close(value, best), `${value} and not ${best} over ${path.join()}`);
          }
        });
        fc.assert(property, { numRuns: 150 });
      });

  it('writes a metric as it reads it, and reads nothing else', () => {
    for (const text of METRICS) assert.equal(metricText(parseMetric(text)!), text);
    assert.deepEqual(parseMetric('latency+loss*2'), {
      kind: 'mix',
      parts: [
        { metric: { kind: 'latency' }, weight: 1 },
        { metric: { kind: 'loss' }, weight: 2 },
      ],
    } satisfies FlowMetric);
    for (const bad of ['', 'speed', 'app:', 'app:A', 'loss*0', 'loss*x', 'a+b', 'loss*1*2'])
      assert.equal(parseMetric(bad), undefined, bad);
  });

  it('expected latency follows the published formula, and recovery is worth its cost', () => {
    const link = { latency: 30_000, lossPpm: 50_000 };
    const late = { ...SERVICE_DEFAULT, deadline: 100_000 as Duration };
    const p = 0.05;
    const realtime = { ...late, recovery: RECOVERY_REALTIME };
    const published =
      (1 - p) * 30 + (p - 2 * p * p + p ** 3) * (3 * 30 + 2) + (2 * p * p - p ** 3) * 100;
    assert.ok(Math.abs(expectedLatency(link, realtime) - 1_000 * published) < 1);
    const strikes = { ...late, recovery: RECOVERY_DEADLINE, requests: 3, retransmissions: 3 };
    assert.ok(expectedLatency(link, strikes) < expectedLatency(link, realtime));
    assert.ok(expectedLatency(link, realtime) < expectedLatency(link, late));
  });
});

const close = (x: number, y: number): boolean => Math.abs(x - y) <= 1e-9 * Math.max(1, x, y);
