import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../kernel/index.ts';
import { instant, microseconds, milliseconds, Random } from '../kernel/index.ts';
import { type Impairments, impairmentsProblem, PathModel } from './path-model.ts';

const model = (impairments: Partial<Impairments>, seed = 7): PathModel =>
  new PathModel({ random: new Random(seed), impairments });

/** Offers `count` datagrams `spacing` microseconds apart; -1 stands for a drop. */
function arrivals(path: PathModel, count: number, spacing: number, bytes = 100): number[] {
  const out: number[] = [];
  for (let i = 0; i < count; i++)
    out.push(path.offer(bytes, (i * spacing) as Instant) === 0 ? -1 : path.arrivals[0]);
  return out;
}

test('losses drawn in time do not depend on how many packets pass', () => {
  const weather = { loss: 0.1, burst: 0.66, burstTime: milliseconds(1) };
  /** The share lost, and that of the packet `later` microseconds after a lost one. */
  const shares = (spacing: number, later: number): [number, number] => {
    const seen = arrivals(model(weather), 200_000, spacing);
    const step = later / spacing;
    const after = seen.filter((_, i) => i >= step && seen[i - step] === -1);
    return [seen.filter((a) => a === -1).length / seen.length, lost(after)];
  };
  const lost = (list: number[]): number => list.filter((a) => a === -1).length / list.length;
  for (const spacing of [100, 1_000]) {
    const [mean, again] = shares(spacing, 1_000);
    assert.ok(Math.abs(mean - 0.1) < 0.01, `${mean} lost at ${spacing} us`);
    assert.ok(Math.abs(again - 0.66) < 0.03, `${again} lost 1 ms after a loss at ${spacing} us`);
  }
  const [mean, again] = shares(20_000, 20_000);
  assert.ok(Math.abs(mean - 0.1) < 0.01 && Math.abs(again - 0.1) < 0.02, 'and forgotten in 20 ms');
});

test('a path without impairments delivers at once', () => {
  const path = model({});
  assert.equal(path.offer(1400, instant(5)), 1);
  assert.equal(path.arrivals[0], 5);
});

test('delay moves every arrival by the same time', () => {
  const seen = arrivals(model({ delay: milliseconds(30) }), 10, 1000);
  assert.deepEqual(
    seen,
    seen.map((_, i) => i * 1000 + 30_000),
  );
});

test('jitter stays within its bound, spreads evenly and keeps order', () => {
  const path = model({ delay: milliseconds(50), jitter: milliseconds(10) });
  // Far enough apart that nothing waits for the one in front.
  const seen = arrivals(path, 5000, 100_000).map((at, i) => at - i * 100_000);
  assert.ok(seen.every((d) => d >= 40_000 && d <= 60_000));
  const mean = seen.reduce((a, b) => a + b, 0) / seen.length;
  assert.ok(Math.abs(mean - 50_000) < 400, `mean ${mean}`);

  const dense = arrivals(model({ delay: milliseconds(50), jitter: milliseconds(10) }), 2000, 100);
  for (let i = 1; i < dense.length; i++) assert.ok(dense[i]! >= dense[i - 1]!);
});

test('mean loss and burst length are what was asked for', () => {
  for (const [loss, burst] of [
    [0.01, 0],
    [0.1, 0.5],
    [0.3, 0.9],
    [0.3, 0.1],
    [0.6, 0.7],
  ] as const) {
    const seen = arrivals(model({ loss, burst }), 200_000, 10);
    let lost = 0;
    let bursts = 0;
    for (let i = 0; i < seen.length; i++) {
      if (seen[i] !== -1) continue;
      lost++;
      if (i === 0 || seen[i - 1] !== -1) bursts++;
    }
    const p11 = burst === 0 ? loss : burst;
    assert.ok(Math.abs(lost / seen.length - loss) < 0.02 * (1 + loss), `loss ${lost}`);
    const length = lost / bursts;
    assert.ok(Math.abs(length * (1 - p11) - 1) < 0.1, `burst ${length} for p11 ${p11}`);
  }
});

test('a mean loss that short bursts cannot give is kept and the bursts lengthen', () => {
  const seen = arrivals(model({ loss: 0.9, burst: 0.1 }), 100_000, 10);
  const lost = seen.filter((at) => at === -1).length / seen.length;
  assert.ok(Math.abs(lost - 0.9) < 0.01, `loss ${lost}`);
});

test('loss 1 and a cut drop everything, each under its own reason', () => {
  const path = model({ loss: 1 });
  assert.equal(path.offer(100, instant(0)), 0);
  assert.equal(path.dropReason, 'loss');
  path.change({ cut: true });
  assert.equal(path.offer(100, instant(1)), 0);
  assert.equal(path.dropReason, 'cut');
  path.change({ cut: false, loss: 0 });
  assert.equal(path.offer(100, instant(2)), 1);
  assert.deepEqual(path.drops, { cut: 1, mtu: 0, queue: 0, loss: 1 });
});

test('a rate spaces datagrams and a full queue drops the newcomer', () => {
  // 8 Mbit/s is one byte a microsecond: 972 + 28 bytes take 1 ms each.
  const path = model({ rate: 8_000_000, queueBytes: 10_000 });
  const seen = arrivals(path, 20, 0, 972);
  assert.deepEqual(
    seen.slice(0, 10),
    [...Array(10).keys()].map((i) => (i + 1) * 1000),
  );
  assert.ok(seen.slice(10).every((at) => at === -1));
  assert.equal(path.drops.queue, 10);
  assert.equal(path.queuedBytes(instant(5000)), 5000);
  assert.equal(path.offer(972, instant(5000)), 1);
  assert.equal(path.arrivals[0], 11_000);
});

test('an overloaded path delivers its rate', () => {
  const path = model({ rate: 20_000_000, queueBytes: 250_000 });
  let delivered = 0;
  for (let now = 0; now < 10_000_000; now += 250)
    if (path.offer(1372, now as Instant) === 1) delivered += 1400;
  const rate = (delivered * 8) / 10;
  assert.ok(Math.abs(rate / 20_000_000 - 1) < 0.02, `rate ${rate}`);
});

test('the share to reorder arrives late and the rest in order', () => {
  const path = model({ delay: milliseconds(10), reorder: 0.2, reorderDelay: milliseconds(5) });
  const seen = arrivals(path, 10_000, 100);
  let late = 0;
  let floor = 0;
  for (const [i, at] of seen.entries()) {
    if (at === i * 100 + 15_000) late++;
    else {
      assert.ok(at >= floor);
      floor = at;
    }
  }
  assert.ok(Math.abs(late / seen.length - 0.2) < 0.02);
  assert.equal(path.reordered, late);
});

test('the share to duplicate arrives twice, the second never first', () => {
  const path = model({ duplicate: 0.3, delay: milliseconds(1) });
  let twice = 0;
  for (let i = 0; i < 10_000; i++) {
    if (path.offer(100, (i * 1000) as Instant) !== 2) continue;
    twice++;
    assert.ok(path.arrivals[1] >= path.arrivals[0]);
  }
  assert.ok(Math.abs(twice / 10_000 - 0.3) < 0.02);
});

test('an MTU hole drops what is longer and passes what fits', () => {
  const path = model({ mtu: 1232 });
  assert.equal(path.offer(1232, instant(0)), 1);
  assert.equal(path.offer(1233, instant(0)), 0);
  assert.equal(path.dropReason, 'mtu');
});

test('switching duplication on does not change which datagrams are lost', () => {
  const plain = arrivals(model({ loss: 0.2, burst: 0.4 }), 1000, 10).map((at) => at === -1);
  const doubled = arrivals(model({ loss: 0.2, burst: 0.4, duplicate: 0.5 }), 1000, 10);
  assert.deepEqual(
    doubled.map((at) => at === -1),
    plain,
  );
});

test('a shorter delay takes effect with the next datagram', () => {
  const path = model({ delay: milliseconds(100) });
  path.offer(100, instant(0));
  path.change({ delay: milliseconds(10) });
  path.offer(100, instant(1));
  assert.equal(path.arrivals[0], 10_001);
});

test('nothing ever arrives before it was sent, and the same seed gives the same arrivals', () => {
  fc.assert(
    fc.property(
      fc.record({
        delay: fc.nat(200_000).map(microseconds),
        jitter: fc.nat(200_000).map(microseconds),
        loss: fc.double({ min: 0, max: 1, noNaN: true }),
        burst: fc.double({ min: 0, max: 1, noNaN: true }),
        rate: fc.constantFrom(0, 64_000, 20_000_000),
        reorder: fc.double({ min: 0, max: 1, noNaN: true }),
        duplicate: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.array(fc.tuple(fc.nat(5000), fc.nat(1400)), { maxLength: 50 }),
      (impairments, sends) => {
        assert.equal(impairmentsProblem(impairments), undefined);
        const run = (): number[] => {
          const path = model(impairments, 99);
          const out: number[] = [];
          let now = 0;
          for (const [gap, bytes] of sends) {
            now += gap;
            const times = path.offer(bytes, now as Instant);
            for (let i = 0; i < times; i++) {
              assert.ok(path.arrivals[i]! >= now && Number.isInteger(path.arrivals[i]));
              out.push(path.arrivals[i]!);
            }
          }
          return out;
        };
        assert.deepEqual(run(), run());
      },
    ),
    { numRuns: 60 },
  );
});

test('impossible impairments are named', () => {
  assert.match(impairmentsProblem({ loss: 1.2 })!, /loss/);
  assert.match(impairmentsProblem({ rate: -1 })!, /rate/);
  assert.match(impairmentsProblem({ burst: Number.NaN })!, /burst/);
});
