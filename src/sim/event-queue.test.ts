import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../kernel/index.ts';
import { NodeClock } from './clock.ts';
import { EventQueue } from './event-queue.ts';

test('events run in order of time, and of asking where the time is the same', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (times) => {
      const queue = new EventQueue();
      const ran: { at: number; i: number }[] = [];
      times.forEach((at, i) => {
        queue.schedule(at, () => ran.push({ at: queue.now, i }));
      });
      while (queue.step(1_000));
      const wanted = times.map((at, i) => ({ at, i })).sort((a, b) => a.at - b.at || a.i - b.i);
      assert.deepEqual(ran, wanted);
      assert.equal(queue.now, 1_000);
    }),
  );
});

test('a cancelled event never runs, and what is asked for the past runs now', () => {
  const queue = new EventQueue();
  const ran: string[] = [];
  queue.cancel(queue.schedule(5, () => ran.push('cancelled')));
  queue.schedule(10, () => queue.schedule(3, () => ran.push(`late at ${queue.now}`)));
  while (queue.step(20));
  assert.deepEqual(ran, ['late at 10']);
});

test('a drifting clock shows what was asked for at the virtual time it names, and not before', () => {
  fc.assert(
    fc.property(
      fc.nat(1e9),
      fc.nat(1e12),
      fc.integer({ min: -50_000, max: 50_000 }),
      fc.nat(1e10),
      (startedAt, origin, driftPpm, ahead) => {
        const clock = new NodeClock({ startedAt, origin, driftPpm, wallSkew: 0 });
        const due = (origin + ahead) as Instant;
        const at = clock.virtual(due);
        assert.ok(clock.local(at) >= due);
        assert.ok(at === startedAt || clock.local(at - 1) < due);
      },
    ),
  );
});
