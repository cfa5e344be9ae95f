import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Duration, Instant } from '../kernel/index.ts';
import {
  PLAYOUT_DEADLINE,
  PLAYOUT_NONE,
  PLAYOUT_ORDER,
  PLAYOUT_SMOOTH,
  Playout,
} from './playout.ts';
import { SourceClock } from './source-clock.ts';

const MS = 1_000;
const DEADLINE = 100 * MS;
const bounds = { heldMax: 16, orderPatience: 1_000 * MS };

/** Message n is sent at n * 10 ms and offered `delay` later. */
function feed(
  playout: Playout<number>,
  arrivals: readonly (readonly [number: number, delay: number])[],
  deadline = DEADLINE,
): { number: number; at: number }[] {
  const out: { number: number; at: number }[] = [];
  const take = (into: number[], at: number): void => {
    for (const number of into) out.push({ number, at });
  };
  const events = arrivals
    .map(([number, delay]) => ({ number, at: number * 10 * MS + delay }))
    .sort((a, b) => a.at - b.at);
  const advance = (until: number): void => {
    for (let due = playout.nextTimeout(); due !== undefined && due <= until; ) {
      const into: number[] = [];
      playout.timeout(due, into);
      take(into, due);
      due = playout.nextTimeout();
    }
  };
  for (const { number, at } of events) {
    advance(at);
    const into: number[] = [];
    const sentAt = (number * 10 * MS) as Instant;
    const item = { number, sentAt, deadline: deadline as Duration, message: number };
    playout.offer(item, false, at as Instant, into);
    take(into, at);
  }
  advance(Number.POSITIVE_INFINITY);
  return out;
}

describe('playout', () => {
  test('none hands on what comes as it comes', () => {
    const out = feed(new Playout(PLAYOUT_NONE, bounds), [
      [1, 5 * MS],
      [0, 500 * MS],
    ]);
    assert.deepEqual(
      out.map((o) => o.number),
      [1, 0],
    );
  });

  test('deadline drops what is late and counts it', () => {
    const playout = new Playout<number>(PLAYOUT_DEADLINE, bounds);
    const out = feed(playout, [
      [0, 100 * MS],
      [1, 101 * MS],
      [2, 5 * MS],
    ]);
    assert.deepEqual(
      out.map((o) => o.number),
      [2, 0],
    );
    assert.deepEqual([playout.counts.late, playout.counts.delivered], [1, 2]);
  });

  test('order waits for a gap until the deadline of what is behind it, not longer', () => {
    const playout = new Playout<number>(PLAYOUT_ORDER, bounds);
    const out = feed(playout, [
      [0, 5 * MS],
      [2, 5 * MS],
      [1, 60 * MS],
      [4, 5 * MS],
      [5, 5 * MS],
    ]);
    assert.deepEqual(out, [
      { number: 0, at: 5 * MS },
      { number: 1, at: 70 * MS },
      { number: 2, at: 70 * MS },
      { number: 4, at: 140 * MS },
      { number: 5, at: 140 * MS },
    ]);
    assert.deepEqual([playout.counts.missing, playout.counts.late], [1, 0]);
  });

  test('smooth brings every message out as long after it was sent', () => {
    const out = feed(new Playout(PLAYOUT_SMOOTH, bounds), [
      [0, 5 * MS],
      [1, 80 * MS],
      [2, 1 * MS],
      [3, 40 * MS],
    ]);
    for (const { number, at } of out) assert.equal(at - number * 10 * MS, DEADLINE);
    assert.equal(out.length, 4);
  });

  test('a message too many brings the first out early, and is counted', () => {
    const playout = new Playout<number>(PLAYOUT_SMOOTH, { ...bounds, heldMax: 2 });
    feed(playout, [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    assert.equal(playout.counts.hurried, 2);
    assert.equal(playout.counts.delivered, 4);
  });

  test('in order and smooth, never twice and never backwards, whatever comes when', () => {
    const arrivals = fc.uniqueArray(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 300 * MS })), {
      selector: ([number]) => number,
      maxLength: 60,
    });
    fc.assert(
      fc.property(arrivals, fc.constantFrom(PLAYOUT_ORDER, PLAYOUT_SMOOTH), (given, mode) => {
        const playout = new Playout<number>(mode, bounds);
        const out = feed(playout, given);
        for (let i = 1; i < out.length; i++) assert.ok(out[i]!.number > out[i - 1]!.number);
        for (const { number, at } of out) assert.ok(at - number * 10 * MS <= DEADLINE);
        const { delivered, late } = playout.counts;
        assert.equal(delivered, out.length);
        assert.equal(delivered + late, given.length);
      }),
    );
  });
});

describe('a source clock', () => {
  /** Sends every 10 ms from a clock that is `apart` off and drifts; answers the errors. */
  const errors = (options: { apart: number; ppm: number; seconds: number }): number[] => {
    const clock = new SourceClock();
    const out: number[] = [];
    for (let t = 0; t < options.seconds * 1_000 * MS; t += 10 * MS) {
      const queued = ((t / 10_000) % 9) - 4;
      const sourceTime = options.apart + t * (1 + options.ppm / 1e6);
      const ticks = Math.floor(sourceTime / 100) >>> 0;
      const now = (t + 30 * MS + queued * MS) as Instant;
      out.push(clock.heard(ticks, (30 * MS) as Duration, now) - t);
    }
    return out;
  };

  test('finds the distance of the clocks, through the wrap of 32 bits', () => {
    for (const apart of [0, 5e9, 2 ** 32 * 100 - 500 * MS]) {
      const late = errors({ apart, ppm: 0, seconds: 5 }).slice(100);
      for (const error of late) assert.ok(Math.abs(error) <= 500, `${apart}: off by ${error} us`);
    }
  });

  test('follows a drift of 100 ppm to within a millisecond, either way', () => {
    for (const ppm of [100, -100]) {
      const late = errors({ apart: 1e9, ppm, seconds: 120 }).slice(100);
      for (const error of late) assert.ok(Math.abs(error) <= 1_000, `${ppm}: off by ${error} us`);
    }
  });

  test('a link thought slower than it is for a moment makes nothing late', () => {
    const clock = new SourceClock();
    let sentAt = 0;
    for (let t = 0; t < 2_000 * MS; t += 10 * MS) {
      const age = t === 500 * MS ? 150 * MS : 30 * MS;
      sentAt = clock.heard(t / 100, age as Duration, (t + 30 * MS) as Instant) - t;
    }
    assert.ok(Math.abs(sentAt) < 200, `off by ${sentAt} us`);
  });

  test('a longer way that its packets tell of moves nothing', () => {
    const clock = new SourceClock();
    clock.heard(0, (10 * MS) as Duration, (10 * MS) as Instant);
    const at = clock.heard(1_000, (80 * MS) as Duration, (180 * MS) as Instant);
    assert.equal(at, 100 * MS);
  });
});
