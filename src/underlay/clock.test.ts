import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';

test('the monotonic clock counts whole microseconds and never goes back', () => {
  const readings = [10.0004, 10.5, 10.2, 11];
  let at = 0;
  const clock = systemClock({ monotonic: () => readings[at]!, wall: () => 0 });
  const seen = readings.map((_, i) => {
    at = i;
    return clock.now();
  });
  assert.deepEqual(seen, [10_000, 10_500, 10_500, 11_000]);
});

test('a set wall clock is told once, slewing is not', () => {
  let monotonic = 0;
  let wall = 1_700_000_000_000;
  const clock = systemClock({ monotonic: () => monotonic, wall: () => wall });
  monotonic += 60_000;
  wall += 60_030;
  assert.equal(clock.stepped(), false);
  wall -= 3_600_000;
  assert.equal(clock.stepped(), true);
  assert.equal(clock.stepped(), false);
  assert.equal(clock.wall(), wall * 1_000);
});
