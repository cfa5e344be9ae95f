import assert from 'node:assert/strict';
import test from 'node:test';
import { Counters, type Instant, instant, seconds } from '../../kernel/index.ts';
import { PerformanceDatabase } from './performance-database.ts';

const at = (s: number): Instant => instant(seconds(s));

function database(limits = {}): { db: PerformanceDatabase; counters: Counters } {
  const counters = new Counters();
  return { db: new PerformanceDatabase({ limits, counters }), counters };
}

test('samples of a path are summarised', () => {
  const { db } = database();
  for (const [i, value] of [4, 1, 3, 2].entries())
    db.report({ from: 'A', to: 'B', metric: 'fetch', value }, at(i));
  const [row, ...others] = db.query({ from: 'A' }, at(10));
  assert.equal(others.length, 0);
  const { count, mean, min, max, median, last, age } = row!;
  assert.deepEqual(
    { count, mean, min, max, median, last, age },
    { count: 4, mean: 2.5, min: 1, max: 4, median: 2.5, last: 2, age: seconds(7) },
  );
  assert.ok(Math.abs(row!.stdev - Math.sqrt(1.25)) < 1e-9);
});

test('the best of many is the one with the least median, or the greatest', () => {
  const { db } = database();
  const report = (to: string, value: number): boolean =>
    db.report({ from: 'A', to, metric: 'fetch', value }, at(1));
  for (const value of [5, 5, 100]) report('near', value);
  for (const value of [9, 1, 9]) report('far', value);
  assert.equal(db.best({ metric: 'fetch' }, at(2))!.to, 'near');
  assert.equal(db.best({ metric: 'fetch', most: true }, at(2))!.to, 'far');
  assert.equal(db.best({ metric: 'other' }, at(2)), undefined);
});

test('what is old is forgotten, and nothing fails for it', () => {
  const { db } = database({ sampleLife: seconds(60) });
  db.report({ from: 'A', to: 'B', metric: 'm', value: 1 }, at(0));
  db.report({ from: 'A', to: 'C', metric: 'm', value: 1 }, at(50));
  assert.equal(db.query({}, at(59)).length, 2);
  assert.equal(db.query({}, at(60)).length, 1);
  assert.equal(db.value({ from: 'A', to: 'B', metric: 'm' }, at(60)), undefined);
  db.sweep(at(60));
  assert.equal(db.size, 1);
  assert.equal(db.report({ from: 'A', to: 'B', metric: 'm', value: 1 }, at(200), at(100)), false);
});

test('it is bounded: the path that was silent longest goes, and the oldest sample', () => {
  const { db, counters } = database({ pathsMax: 2, samplesMax: 3 });
  const report = (to: string, value: number, s: number): boolean =>
    db.report({ from: 'A', to, metric: 'm', value }, at(s));
  report('x', 1, 0);
  report('y', 1, 1);
  report('x', 2, 2);
  report('z', 1, 3);
  assert.deepEqual(
    db.query({}, at(4)).map(({ to }) => to),
    ['x', 'z'],
  );
  assert.equal(counters.value('performance-paths-full'), 1);
  for (let i = 0; i < 5; i++) report('x', 10 + i, 5 + i);
  assert.equal(db.query({ to: 'x' }, at(20))[0]!.min, 12);
});

test('names and values that mean nothing are refused', () => {
  const { db, counters } = database();
  const refused = [
    { from: '', to: 'B', metric: 'm', value: 1 },
    { from: 'A', to: 'B'.repeat(129), metric: 'm', value: 1 },
    { from: 'A', to: 'B', metric: 'm\0', value: 1 },
    { from: 'A', to: 'B', metric: 'm', value: Number.NaN },
  ];
  for (const sample of refused) assert.equal(db.report(sample, at(0)), false);
  assert.equal(counters.value('performance-sample-refused'), 4);
  assert.equal(db.size, 0);
});
