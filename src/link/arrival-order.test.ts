import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../kernel/index.ts';
import { milliseconds, Random, seconds } from '../kernel/index.ts';
import { ReplayWindow } from '../security/index.ts';
import { ArrivalOrder } from './arrival-order.ts';
import type { TestNode, World } from './harness.test.ts';
import { both, linkedPair } from './harness.test.ts';

/** Counters as they arrive, each once, as `incoming.ts` and `frame-reader.ts` hand them on. */
function arrive(order: ArrivalOrder, counters: readonly number[]): void {
  const window = new ReplayWindow();
  for (const counter of counters) {
    const before = window.greatest;
    if (!window.accept(counter)) continue;
    if (counter < before) order.overtaken(counter, window);
    else if (counter > before + 1) order.skipped(counter - before - 1);
  }
  order.roll(counters.length, 0 as Instant);
}

/** What is missing below the greatest counter: how many, in how many runs. */
function missingOf(counters: readonly number[]): { missing: number; runs: number } {
  const arrived = new Set(counters);
  let missing = 0;
  let runs = 0;
  for (let counter = 0; counter < Math.max(...counters); counter++) {
    if (arrived.has(counter)) continue;
    missing++;
    if (counter === 0 || arrived.has(counter - 1)) runs++;
  }
  return { missing, runs };
}

test('however packets are lost and reordered, the runs are those that are left in the end', () => {
  const arrivals = fc
    .uniqueArray(fc.nat(60), { minLength: 1, maxLength: 60 })
    .chain((counters) => fc.shuffledSubarray(counters, { minLength: 1 }));
  fc.assert(
    fc.property(arrivals, (counters) => {
      const order = new ArrivalOrder();
      arrive(order, counters);
      const { missing, runs } = missingOf(counters);
      assert.equal(order.burst, runs === 0 ? 0 : missing / runs);
    }),
    { numRuns: 2_000 },
  );
});

test('what came behind a later packet is reordered, by as many counters as it was behind', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200), { minLength: 2, maxLength: 100 }), (counters) => {
      const order = new ArrivalOrder();
      arrive(order, counters);
      let greatest = -1;
      const behind: number[] = [];
      for (const counter of counters) {
        if (counter < greatest) behind.push(greatest - counter);
        greatest = Math.max(greatest, counter);
      }
      const sum = behind.reduce((total, by) => total + by, 0);
      assert.equal(order.reorderedPpm, Math.round((behind.length / counters.length) * 1e6));
      assert.equal(order.reorderExtent, behind.length === 0 ? 0 : sum / behind.length);
    }),
  );
});

test('figures fade within minutes and then are none', () => {
  const order = new ArrivalOrder();
  arrive(order, [0, 3, 1, 9, 10]);
  const { burst } = order;
  assert.equal(burst, 3);
  const packets = 5;
  for (let s = 1; s <= 90; s++) order.roll(packets + 10 * s, (s * 1_000_000) as Instant);
  assert.ok(order.burst > 0 && order.reorderedPpm > 0);
  for (let s = 91; s <= 900; s++) order.roll(packets + 10 * s, (s * 1_000_000) as Instant);
  assert.equal(order.burst, 0);
  assert.equal(order.reorderedPpm, 0);
  assert.equal(order.reorderExtent, 0);
});

/** Sends steadily from `a` to `b` for so long. */
function stream(world: World, a: TestNode, b: TestNode, options: { every: number; for: number }) {
  for (let at = 0; at < options.for; at += options.every) {
    a.send(b, 'x');
    world.run(milliseconds(options.every));
  }
}

const statusOf = (node: TestNode, world: World) => node.layer.status(world.now)[0]!;

for (const meanRun of [1, 3, 8]) {
  test(`losses of ${meanRun} packets at a time are measured so at both ends, to within a fifth`, () => {
    const { world, a, b } = linkedPair(meanRun);
    const random = new Random(meanRun);
    let isLosing = false;
    // Two states, of which one loses all: about 2 % of packets in runs of the mean length.
    world.channel(a, b).tap = () => {
      isLosing = random.chance(isLosing ? 1 - 1 / meanRun : 0.02 / meanRun);
      return !isLosing;
    };
    stream(world, a, b, { every: 2, for: 60_000 });
    const { incoming } = statusOf(b, world);
    const { outgoing } = statusOf(a, world);
    assert.ok(Math.abs(incoming.burst - meanRun) < 0.2 * meanRun, `${incoming.burst}`);
    assert.ok(Math.abs(outgoing!.burst - meanRun) < 0.25 * meanRun, `${outgoing?.burst}`);
    assert.equal(incoming.reorderedPpm, 0);
    assert.equal(statusOf(b, world).outgoing!.burst, 0);
  });
}

test('packets held back are reordered and not lost: their share to within a fifth, and how far', () => {
  const { world, a, b } = linkedPair();
  const channel = world.channel(a, b);
  const random = new Random(5);
  // One in fifty comes 9 ms late, behind four of those sent every 2 ms.
  channel.tap = () => {
    channel.delay = random.chance(0.02) ? milliseconds(19) : milliseconds(10);
    return true;
  };
  stream(world, a, b, { every: 2, for: 60_000 });
  const { incoming } = statusOf(b, world);
  assert.ok(Math.abs(incoming.reorderedPpm - 20_000) < 4_000, `${incoming.reorderedPpm}`);
  assert.ok(incoming.reorderExtent > 3 && incoming.reorderExtent < 5, `${incoming.reorderExtent}`);
  assert.ok(incoming.burst === 0, `${incoming.burst}`);
  const { outgoing } = statusOf(a, world);
  assert.ok(Math.abs(outgoing!.reorderedPpm - 20_000) < 5_000, `${outgoing?.reorderedPpm}`);
});

test('variation of the way there is told apart from variation of the way back', () => {
  const { world, a, b } = linkedPair();
  both(world, a, b, { delay: milliseconds(40) });
  world.channel(a, b).noise = 0.25;
  const readings: number[] = [];
  for (let i = 0; i < 60; i++) {
    world.run(seconds(1));
    readings.push(statusOf(b, world).incoming.jitter);
  }
  // Two draws from +-10 ms differ by 6.7 ms in the mean.
  const mean = readings.reduce((sum, reading) => sum + reading / readings.length, 0);
  assert.ok(Math.abs(mean - 6_667) < 1_000, `${mean}`);
  const ours = statusOf(a, world);
  assert.ok(ours.outgoing!.jitter > 3_500 && ours.outgoing!.jitter < 10_000);
  assert.ok(ours.incoming.jitter < 200, `${ours.incoming.jitter}`);
});
