import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Random } from '../dist/kernel/index.js';
import { LabFlow } from './evidence/flow.mjs';
import { digits, median, quantile } from './evidence/measure.mjs';
import { page } from './evidence/page.mjs';
import { DelayLine } from './kernel-path/delay-line.mjs';

const RESULTS = new URL('../docs/evidence.json', import.meta.url);
const PAGE = new URL('../docs/evidence.md', import.meta.url);

test('docs/evidence.md is what its results make', { skip: !existsSync(RESULTS) }, () => {
  const rows = Object.values(JSON.parse(readFileSync(RESULTS, 'utf8')));
  assert.equal(readFileSync(PAGE, 'utf8'), page(rows));
});

test('quantiles are values of the list, by nearest rank', () => {
  const list = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(quantile(list, 0.99), 99);
  assert.equal(median(list), 50);
  assert.equal(quantile([7], 0.99), 7);
  assert.equal(digits(0.123456), '0.123');
});

test('a flow knows its gaps, its losses and the last of them', async () => {
  const flow = flowOf({ arrived: [0, 10, 20, undefined, undefined, undefined, 60, 70] });
  assert.equal(Math.round(flow.longestGap(0, 70)), 30);
  assert.equal(flow.longestGap(65, 70), 0);
  assert.equal(flow.loss(0, 70), 3 / 8);
  assert.equal(flow.lastLoss(0, 70), 50);
  assert.equal(flow.lastLoss(55, 70), undefined);
  assert.equal(flow.latencies(0, 70).length, 5);
  await flow.close();
});

test('three hops in series delay, limit and lose what one after the other would', () => {
  let now = 0;
  const arrived = [];
  const line = new DelayLine({
    hops: Array(3).fill({ delay: 10_000, rate: 8_000_000, queueBytes: 3_000 }),
    random: new Random(1),
    deliver: (packet) => arrived.push(packet[0]),
    clock: () => now,
  });
  for (let i = 0; i < 5; i++) line.enter(Uint8Array.of(i, ...new Uint8Array(999)));
  now = 32_999;
  line.release();
  assert.deepEqual(arrived, [], 'three delays and three transmissions of a millisecond');
  now = 33_000;
  line.release();
  assert.deepEqual(arrived, [0]);
  now = 40_000;
  line.release();
  assert.deepEqual(arrived, [0, 1, 2], 'the queue holds three packets and drops the tail');
  assert.equal(line.drops().queue, 2);
  line.close();
});

/** A flow of one packet each 10 ms whose packets arrived at these times. */
function flowOf({ arrived }) {
  const close = async () => {};
  const receiver = Object.assign(new EventEmitter(), { close });
  const flow = new LabFlow({
    receiver,
    sender: { send: () => true, close },
    to: 'B',
    port: 1,
    intervalMs: 10,
  });
  flow.sentAt = arrived.map((_, i) => 10 * i);
  flow.arrivedAt = arrived.map((at) => at ?? Number.NaN);
  flow.arrivals = arrived.filter((at) => at !== undefined);
  flow.now = () => 70;
  return flow;
}
