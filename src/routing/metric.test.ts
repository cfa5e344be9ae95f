import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Duration } from '../kernel/index.ts';
import { milliseconds } from '../kernel/index.ts';
import { linkCost, lossInSeries, lossPenalty } from './metric.ts';

test('loss weighs what the documents say: 1 % 5 ms, 5 % 26 ms, 30 % 214 ms', () => {
  assert.equal(lossPenalty(0), 0);
  assert.equal(lossPenalty(10_000), 5_050);
  assert.equal(lossPenalty(50_000), 26_315);
  assert.equal(lossPenalty(300_000), 214_285);
  assert.equal(lossPenalty(1_000_000), 49_500_000);
  assert.equal(linkCost(milliseconds(10), 0), 10_200);
});

test('cost is a positive integer that grows with latency and with loss', () => {
  const latency = fc.nat(10_000_000).map((n) => n as Duration);
  const loss = fc.nat(1_000_000);
  fc.assert(
    fc.property(latency, loss, fc.nat(100_000), fc.nat(100_000), (l, p, moreL, moreP) => {
      const cost = linkCost(l, p);
      assert.ok(Number.isInteger(cost) && cost > 0);
      assert.ok(linkCost((l + moreL) as Duration, Math.min(1_000_000, p + moreP)) >= cost);
    }),
  );
});

test('loss in series is that of independent links', () => {
  assert.equal(lossInSeries(10_000, 0), 10_000);
  assert.equal(lossInSeries(100_000, 100_000), 190_000);
  assert.equal(lossInSeries(1_000_000, 500_000), 1_000_000);
});
