import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../dist/kernel/index.js';
import { undelivered } from './evidence/targeted/delivery.mjs';
import { drawWorkload, END_SITES, FOUR_WEEKS } from './evidence/targeted/workload.mjs';

const ENDS = { source: 'a', destination: 'c', deadline: 65 };
const link = (from, to, loss, latency = 10) => ({ from, to, loss, back: loss, latency });
/** A link that repairs in time loses what neither its first nor its second packet brings. */
const left = (p) => 2 * p ** 2 - p ** 3;

test('links in series deliver when all do, links side by side when one does', () => {
  const series = undelivered([link('a', 'b', 0.1), link('b', 'c', 0.2)], ENDS);
  assert.ok(Math.abs(series - (1 - (1 - left(0.1)) * (1 - left(0.2)))) < 1e-12);
  const side = undelivered(
    [link('a', 'b', 0.3), link('b', 'c', 0), link('a', 'd', 0.4), link('d', 'c', 0)],
    ENDS,
  );
  assert.ok(Math.abs(side - left(0.3) * left(0.4)) < 1e-12);
});

test('a repair that comes too late is a loss', () => {
  assert.ok(Math.abs(undelivered([link('a', 'c', 0.1, 30)], ENDS) - 0.1) < 1e-12);
  assert.equal(undelivered([link('a', 'c', 0, 66)], ENDS), 1);
  assert.equal(undelivered([], ENDS), 1);
});

test('the share is that of packets tried one by one', () => {
  const random = new Random(5);
  const links = [
    link('a', 'b', 0.4, 8),
    link('a', 'd', 0.3, 12),
    link('b', 'd', 0.5, 5),
    link('b', 'c', 0.2, 20),
    link('d', 'c', 0.6, 9),
  ];
  let missed = 0;
  const packets = 40_000;
  for (let n = 0; n < packets; n++) {
    const fates = links.map(({ loss, latency }) => {
      if (random.fraction() >= loss) return latency;
      const isRepaired = random.fraction() >= loss && random.fraction() >= loss;
      return isRepaired ? 3 * latency + 2 : Number.POSITIVE_INFINITY;
    });
    const ways = [fates[0] + fates[3], fates[1] + fates[4], fates[0] + fates[2] + fates[4]];
    if (Math.min(...ways) > 65) missed++;
  }
  assert.ok(Math.abs(missed / packets - undelivered(links, ENDS)) < 0.006);
});

test('four drawn weeks are the same for a seed, and nearly all of their faults are at ends', () => {
  const episodes = drawWorkload(new Random(3));
  assert.deepEqual(drawWorkload(new Random(3)), episodes);
  const atEnds = episodes.filter(({ site }) => END_SITES.includes(site)).length;
  assert.ok(atEnds / episodes.length > 0.94);
  for (const { start, end, segments } of episodes) {
    assert.ok(start >= 0 && end <= FOUR_WEEKS && segments.length > 0);
    for (const { effects } of segments)
      for (const { loss, latency } of effects)
        assert.ok(loss >= 0 && loss <= 0.9 && latency >= 0 && loss + latency > 0);
  }
});
