import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Duration } from '../kernel/index.ts';
import { milliseconds } from '../kernel/index.ts';
import { RECOVERY_DEADLINE } from '../wire/index.ts';
import type { LaneChoice } from './lane.ts';
import {
  bundleFault,
  laneFit,
  laneService,
  PLAYOUT_WORDS,
  RECOVERY_WORDS,
  ROUTING_WORDS,
  resolveLane,
} from './lane.ts';
import { LaneTable, resolveOwnLanes } from './lane-table.ts';
import { NAMED_LANES } from './named-lanes.ts';

const named = (name: string) => NAMED_LANES.find((l) => l.name === name)!;

test('the named lanes are sound, and their numbers are those on the wire', () => {
  assert.deepEqual(
    NAMED_LANES.map((l) => l.name),
    ['default', 'voice', 'video', 'remote', 'bulk', 'monitoring', 'control'],
  );
  for (const [i, lane] of NAMED_LANES.entries()) {
    assert.equal(lane.number, i);
    assert.equal(bundleFault(lane), undefined, lane.name);
  }
  assert.equal(named('remote').deadline, milliseconds(65));
});

test('a name, parts over a name, and parts alone resolve to one bundle', () => {
  const video = resolveLane(NAMED_LANES, { lane: 'video', deadline: milliseconds(130) });
  assert.ok(video.ok);
  assert.deepEqual(video.value, { ...named('video'), deadline: milliseconds(130) });
  const spelled = resolveLane(NAMED_LANES, {
    routing: 'targeted',
    recovery: 'deadline',
    deadline: milliseconds(130),
  });
  assert.ok(spelled.ok);
  assert.equal(spelled.value.number, 0);
  assert.deepEqual(laneService(spelled.value), {
    recovery: RECOVERY_DEADLINE,
    priority: named('default').priority,
    requests: 0,
    retransmissions: 0,
    deadline: 130_000,
  });
});

test('an unknown name is refused with the nearest, a contradiction in words', () => {
  const unknown = resolveLane(NAMED_LANES, { lane: 'vidoe' });
  assert.ok(!unknown.ok);
  assert.equal(unknown.reason.reason, 'unknown-lane');
  assert.equal(unknown.reason.nearest, 'video');
  const loose = resolveLane(NAMED_LANES, { recovery: 'deadline' });
  assert.ok(!loose.ok);
  assert.match(loose.reason.message, /recovery "deadline" needs a deadline/);
  const none = resolveLane(NAMED_LANES, { lane: 'voice', deadline: 0 as Duration });
  assert.ok(none.ok, 'without a deadline the playout by deadline goes too');
  assert.equal(none.value.playout, 'none');
});

test('a deadline below the propagation is refused, with the nearest lane that can hold', () => {
  assert.equal(laneFit(named('default'), milliseconds(500), NAMED_LANES), undefined);
  assert.equal(laneFit(named('remote'), milliseconds(64), NAMED_LANES), undefined);
  const far = laneFit(named('remote'), milliseconds(80), NAMED_LANES);
  assert.equal(far?.nearest, 'voice');
  assert.match(
    far!.message,
    /65ms cannot hold.*80ms.*lane "voice" \(100ms\) can, or a deadline of 81ms/,
  );
  assert.equal(laneFit(named('remote'), milliseconds(5_000), NAMED_LANES)?.nearest, undefined);
});

test('own lanes extend named ones and earlier own ones; what clashes is blamed on its key', () => {
  const table = new LaneTable([
    { name: 'telemetry', number: 20, extends: 'monitoring', deadline: milliseconds(500) },
    { name: 'alarms', number: 16, extends: 'telemetry', priority: 9 },
  ]);
  const alarms = table.lanes.find((l) => l.name === 'alarms')!;
  assert.deepEqual([alarms.deadline, alarms.priority, alarms.routing], [500_000, 9, 'disjoint']);
  assert.deepEqual(
    [table.nameOf(16), table.nameOf(2), table.nameOf(77)],
    ['alarms', 'video', 'lane-77'],
  );
  const { problems } = resolveOwnLanes([
    { name: 'video', number: 20 },
    { name: 'a', number: 3 },
    { name: 'b', number: 21, extends: 'moniotring' },
    { name: 'c', number: 22, recovery: 'deadline' },
    { name: 'd', number: 23 },
    { name: 'e', number: 23 },
  ]);
  assert.deepEqual(
    problems.map((p) => [p.index, p.key, p.nearest]),
    [
      [0, 'name', undefined],
      [1, 'number', undefined],
      [2, 'extends', 'monitoring'],
      [3, '', undefined],
      [5, 'number', undefined],
    ],
  );
});

test('whatever is chosen resolves to a sound bundle or to a refusal, never to a throw', () => {
  const choice = fc.record(
    {
      lane: fc.oneof(fc.constantFrom(...NAMED_LANES.map((l) => l.name)), fc.string()),
      routing: fc.constantFrom(...ROUTING_WORDS),
      recovery: fc.constantFrom(...RECOVERY_WORDS),
      playout: fc.constantFrom(...PLAYOUT_WORDS),
      deadline: fc.integer({ min: 0, max: 7_000_000 }) as fc.Arbitrary<Duration>,
      priority: fc.integer({ min: 0, max: 15 }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<LaneChoice>;
  fc.assert(
    fc.property(choice, (given) => {
      const resolved = resolveLane(NAMED_LANES, given);
      if (!resolved.ok) return resolved.reason.message !== '';
      const { lane: _name, ...parts } = given;
      for (const [key, value] of Object.entries(parts))
        assert.equal(resolved.value[key as keyof typeof parts], value);
      return bundleFault(resolved.value) === undefined;
    }),
  );
});
