import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowMeter } from './flow-meter.ts';

/** Sends `count` packets 10 ms apart; those for which `arrives` is true come 20 ms later. */
function run(count: number, arrives: (sequence: number) => boolean) {
  const meter = new FlowMeter({ intervalMs: 10 });
  const gaps = [];
  for (let tick = 0; tick < count + 2; tick++) {
    const now = tick * 10;
    const due = tick - 2;
    if (due >= 0 && due < count && arrives(due)) {
      const gap = meter.arrived(due, now);
      if (gap !== undefined) gaps.push(gap);
    }
    if (tick < count) meter.sending(now);
  }
  return { meter, gaps };
}

test('a steady flow shows its latency, no loss and no gap', () => {
  const { meter, gaps } = run(300, () => true);
  const shown = meter.snapshot(3_020);
  assert.equal(shown.latencyMs, 20);
  assert.equal(shown.recentLoss, 0);
  assert.equal(shown.lost, 0);
  assert.deepEqual(gaps, []);
});

test('an outage of 40 packets is one gap of 400 ms with 40 missing', () => {
  const { gaps } = run(300, (s) => s < 100 || s >= 140);
  assert.deepEqual(gaps, [{ fromMs: 1_010, lengthMs: 400, missing: 40 }]);
});

test('scattered loss is counted and is no gap', () => {
  const { meter, gaps } = run(400, (s) => s % 10 !== 0);
  const shown = meter.snapshot(6_000);
  assert.equal(shown.lost, 40);
  assert.deepEqual(gaps, []);
});

test('a pause of the sender is not a gap of the network', () => {
  const meter = new FlowMeter({ intervalMs: 10 });
  meter.arrived(meter.sending(0), 20);
  assert.equal(meter.arrived(meter.sending(500), 520), undefined);
});

test('a packet counts once however often it arrives', () => {
  const meter = new FlowMeter({ intervalMs: 10 });
  meter.sending(0);
  meter.arrived(0, 5);
  meter.arrived(0, 6);
  assert.equal(meter.snapshot(10).received, 1);
});

test('a packet that has just left is not lost, though nothing else is on its way', () => {
  const meter = new FlowMeter({ intervalMs: 10 });
  for (let i = 0; i < 5_000; i++) meter.arrived(meter.sending(10 * i), 10 * i + 3);
  assert.equal(meter.snapshot(60_000).lost, 0);
});
