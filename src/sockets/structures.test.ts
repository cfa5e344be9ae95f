import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Instant, microseconds, Random, WindowedMax } from '../kernel/index.ts';
import { ByteBudget, ByteRing } from './byte-ring.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import { FlowLabels } from './flow-labels.ts';
import { LossDetection } from './loss-detection.ts';
import { PortTable } from './port-table.ts';
import { RangeSet } from './range-set.ts';
import { ReplayFlows } from './session.ts';

const at = (n: number): Instant => n as Instant;

describe('a range set', () => {
  const operation = fc.record({
    kind: fc.constantFrom('add', 'remove', 'gaps'),
    start: fc.nat(60),
    size: fc.nat(12),
  });

  test('agrees with a plain set of numbers after any operations', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const ranges = new RangeSet();
        const model = new Set<number>();
        for (const { kind, start, size } of operations) {
          const members = Array.from({ length: size }, (_, i) => start + i);
          if (kind === 'add') {
            ranges.add(start, start + size);
            for (const n of members) model.add(n);
          } else if (kind === 'remove') {
            ranges.remove(start, start + size);
            for (const n of members) model.delete(n);
          } else {
            const pairs: number[] = [];
            ranges.gaps(start, start + size, pairs);
            const missing: number[] = [];
            for (let i = 0; i < pairs.length; i += 2)
              for (let n = pairs[i]!; n < pairs[i + 1]!; n++) missing.push(n);
            assert.deepEqual(
              missing,
              members.filter((n) => !model.has(n)),
            );
          }
          for (let n = 0; n < 80; n++) assert.equal(ranges.contains(n), model.has(n), `${n}`);
          for (let i = 1; i < ranges.count; i++)
            assert.ok(ranges.end(i - 1) < ranges.start(i), 'ranges neither touch nor overlap');
          assert.equal(ranges.top, model.size === 0 ? 0 : Math.max(...model) + 1);
        }
      }),
    );
  });
});

describe('a byte ring', () => {
  test('gives back what was written, through growth and past its seam', () => {
    const budget = new ByteBudget(1 << 20);
    const ring = new ByteRing({ budget, bytesMax: 1 << 17 });
    const random = new Random(3);
    let low = 0;
    let high = 0;
    for (let i = 0; i < 2_000; i++) {
      const piece = Uint8Array.from({ length: random.below(3_000) }, (_, j) => (high + j) % 251);
      if (ring.fit(low, high + piece.length, high)) {
        ring.write(high, piece, 0, piece.length);
        high += piece.length;
      }
      const length = random.below(high - low + 1);
      const back = new Uint8Array(length);
      if (length > 0) ring.copy(low, length, back, 0);
      for (let j = 0; j < length; j++) assert.equal(back[j], (low + j) % 251);
      low += length > 50_000 ? length : length >> 3;
    }
    assert.equal(ring.fit(low, low + (1 << 17) + 1, low), false, 'bound');
    ring.release();
    assert.equal(budget.used, 0);
  });

  test('does not grow past the budget that it shares', () => {
    const budget = new ByteBudget(40_000);
    const [one, two] = [1, 2].map(() => new ByteRing({ budget, bytesMax: 1 << 17 }));
    assert.ok(one!.fit(0, 20_000, 0));
    assert.equal(two!.fit(0, 20_000, 0), false);
    assert.equal(budget.refusals, 1);
  });
});

describe('a deadline heap', () => {
  test('always has the soonest in front, however deadlines move', () => {
    const random = new Random(9);
    const heap = new DeadlineHeap<{ heapIndex: number; heapDeadline: number }>();
    const items = Array.from({ length: 50 }, () => ({ heapIndex: -1, heapDeadline: 0 }));
    for (let i = 0; i < 5_000; i++) {
      const item = random.pick(items);
      if (random.chance(0.2)) heap.remove(item);
      else heap.schedule(item, at(random.below(1_000)));
      const inHeap = items.filter((x) => x.heapIndex >= 0);
      assert.equal(heap.length, inHeap.length);
      const soonest =
        inHeap.length === 0 ? undefined : Math.min(...inHeap.map((x) => x.heapDeadline));
      assert.equal(heap.nextDeadline(), soonest);
    }
  });
});

describe('flow labels', () => {
  test('never give a label and sequence twice, and retire a label that is used up', () => {
    const labels = new FlowLabels({ labelsMax: 3, sequenceMax: 9 });
    const seen = new Set<string>();
    const take = (label: number): void => {
      const name = `${label}/${labels.nextSequence(label)}`;
      assert.equal(seen.has(name), false, name);
      seen.add(name);
    };
    for (;;) {
      const label = labels.allocate();
      if (label === undefined) break;
      for (let i = 0; i < 4 && !labels.isExhausted(label); i++) take(label);
      labels.release(label);
    }
    assert.equal(labels.retired, 3);
    assert.equal(seen.size, 30);
  });
});

describe('loss detection', () => {
  test('lets reordering stretch its thresholds and forgets it in quiet time', () => {
    const loss = new LossDetection(microseconds(100_000));
    loss.rttSample(60_000, 0);
    const window = loss.reorderWindow;
    assert.equal(loss.isLostByCount(7, 10), true);
    loss.spuriousLoss(40, 30_000, at(0));
    assert.equal(loss.isLostByCount(0, 40), false);
    assert.ok(loss.reorderWindow > window);
    for (let i = 1; i < 20; i++) loss.relax(at(i * 10_000_000));
    assert.equal(loss.isLostByCount(7, 10), true);
    assert.equal(loss.reorderWindow, window);
  });

  test('backs its probe timeout off, to a second at most', () => {
    const loss = new LossDetection(microseconds(100_000));
    for (let i = 0; i < 20; i++) loss.rttSample(60_000, 0);
    const first = loss.probeTimeout;
    assert.ok(first > 60_000 && first < 150_000, `${first}`);
    loss.probes = 1;
    assert.equal(loss.probeTimeout, 2 * first);
    loss.probes = 30;
    assert.equal(loss.probeTimeout, 1_000_000);
  });
});

test('a windowed maximum is the maximum of the window, or that of a part of it that is newer', () => {
  const random = new Random(5);
  const max = new WindowedMax(10);
  const history: [number, number][] = [];
  for (let time = 0; time < 3_000; time++) {
    const value = random.below(1_000);
    max.update(time, value);
    history.push([time, value]);
    const whole = Math.max(...history.slice(-11).map(([, v]) => v));
    const newest = Math.max(...history.slice(-3).map(([, v]) => v));
    assert.ok(max.value <= whole && max.value >= newest, `${time}`);
  }
});

test('ports are handed out in turn and are free again when released', () => {
  const ports = new PortTable<number>({ capacity: 3, random: new Random(1) });
  const first = ports.choose(undefined);
  assert.ok(typeof first === 'number' && first >= 49_152);
  ports.bind(first, 1);
  assert.equal(ports.choose(first), 'port-in-use');
  assert.equal(ports.choose(0), 'bad-argument');
  ports.release(first);
  assert.notEqual(ports.choose(undefined), first);
  for (const port of [1, 2, 3]) ports.bind(port, port);
  assert.equal(ports.choose(undefined), 'limit-reached');
});

test('a flow that lost its replay window still refuses everything up to its newest number', () => {
  const replay = new ReplayFlows(2);
  replay.accept(1, 100);
  replay.accept(2, 5);
  replay.accept(3, 5);
  assert.equal(replay.evictions, 1);
  assert.equal(replay.check(1, 99), false);
  assert.equal(replay.check(1, 100), false);
  assert.equal(replay.check(1, 101), true);
  replay.accept(1, 101);
  assert.equal(replay.check(1, 50), false);
});
