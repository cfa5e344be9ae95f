import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, Instant } from '../../kernel/index.ts';
import { RepairBudget } from './budget.ts';
import { History } from './history.ts';
import { planRepairs, planRequests, STEP_MIN } from './schedule.ts';

const steps = fc.array(
  fc.record({
    length: fc.integer({ min: 1, max: 1400 }),
    skip: fc.nat(5),
    wait: fc.nat(20_000),
    /** Keys change now and then, and now and then back. */
    session: fc.oneof({ weight: 20, arbitrary: fc.constant(-1) }, fc.integer({ min: 1, max: 3 })),
  }),
  { maxLength: 600 },
);

test('the history gives back what was kept, or nothing, within its bounds', () => {
  fc.assert(
    fc.property(steps, fc.nat(500_000), (packets, wanted) => {
      const bounds = { packetsMax: 512, bytesMax: 131_072 };
      const history = new History(bounds);
      const counters = [0, 0, 0, 0];
      const kept: { session: number; counter: number; length: number; fill: number }[] = [];
      let session = 1;
      let now = 1_000;
      packets.forEach((packet, i) => {
        if (packet.session > 0) session = packet.session;
        now += packet.wait;
        const counter = counters[session]! + packet.skip;
        counters[session] = counter + 1;
        const fill = i & 255;
        const { length } = packet;
        history.keep(
          {
            session,
            counter,
            bytes: new Uint8Array(length).fill(fill),
            at: 0,
            length,
            until: (now + wanted) as Instant,
            protocol: 3,
          },
          now as Instant,
        );
        kept.push({ session, counter, length, fill });
        assert.ok(history.packets <= bounds.packetsMax);
        assert.ok(history.bytesHeld <= bounds.bytesMax + 43 * bounds.packetsMax);
      });
      let found = 0;
      for (const packet of kept) {
        const record = history.find(packet.session, packet.counter);
        if (record < 0) continue;
        found++;
        const frame = history.frame(record);
        assert.equal(frame.length, packet.length);
        assert.ok(frame.every((byte) => byte === packet.fill));
      }
      assert.ok(found <= history.packets);
      const last = kept.at(-1);
      if (last !== undefined) assert.ok(history.find(last.session, last.counter) >= 0);
      assert.equal(history.find(9, 0), -1);
    }),
    { numRuns: 200 },
  );
});

test('a change of keys loses nothing that was kept under the old ones', () => {
  const history = new History({ packetsMax: 1024, bytesMax: 65_536 });
  const keep = (session: number, counter: number): void =>
    history.keep(
      {
        session,
        counter,
        bytes: Uint8Array.of(session, counter),
        at: 0,
        length: 2,
        until: 9e9 as Instant,
        protocol: 2,
      },
      0 as Instant,
    );
  for (let counter = 1_000; counter < 1_050; counter++) keep(1, counter);
  for (let counter = 0; counter < 50; counter++) keep(2, counter);
  for (let counter = 0; counter < 50; counter++) {
    assert.deepEqual([...history.frame(history.find(2, counter))], [2, counter]);
    assert.ok(history.find(1, 1_000 + counter) >= 0);
  }
});

const microseconds = (max: number): fc.Arbitrary<Duration> => fc.nat(max) as never;
const share = fc.nat(100).map((n) => n / 100);
const loss = fc.record({ in: share, out: share, burst: microseconds(100_000) });

test('the last answer to the last request is in time, and no two tries are closer than 5 ms', () => {
  fc.assert(
    fc.property(
      fc.record({
        slack: microseconds(2_000_000),
        rtt: microseconds(400_000),
        loss,
        requests: fc.nat(15),
        retransmissions: fc.nat(15),
      }),
      (times) => {
        const asking = planRequests(times);
        if (asking.count === 0) return assert.ok(times.slack < times.rtt);
        const asked = (asking.count - 1) * asking.step;
        const left = (times.slack - times.rtt - asked) as Duration;
        assert.ok(left >= 0, 'the first answer to the last request is in time');
        const answers = planRepairs({ ...times, left });
        assert.ok(answers.count >= 1);
        assert.ok((answers.count - 1) * answers.step <= left);
        if (asking.count > 1) assert.ok(asking.step >= STEP_MIN);
        if (answers.count > 1) assert.ok(answers.step >= STEP_MIN);
        assert.ok(asking.count <= (times.requests || 4));
        assert.ok(answers.count <= (times.retransmissions || 3));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('three and three over a continent: 200 ms, a link of 10 ms with 30 ms behind it', () => {
  const bursts = { in: 0.05, out: 0.05, burst: 3_000 as Duration };
  const asks = { loss: bursts, requests: 3, retransmissions: 3 };
  const asking = planRequests({ ...asks, slack: 160_000 as Duration, rtt: 20_000 as Duration });
  assert.deepEqual(asking, { count: 3, step: 35_000 });
  assert.deepEqual(planRepairs({ ...asks, left: 140_000 as Duration }), { count: 3, step: 50_000 });
});

test('little time is used for more tries while losses are short, and for fewer when they last', () => {
  const count = (burst: number): number =>
    planRequests({
      slack: 50_000 as Duration,
      rtt: 20_000 as Duration,
      loss: { in: 0.1, out: 0.1, burst: burst as Duration },
      requests: 0,
      retransmissions: 0,
    }).count;
  assert.equal(count(3_000), 3);
  assert.equal(count(200_000), 1);
});

test('a budget never gives more than its burst and its share', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(1_500))), (moves) => {
      const budget = new RepairBudget({ share: 0.5, burstBytes: 2_000 });
      let earned = 0;
      let spent = 0;
      for (const [isSpend, bytes] of moves) {
        if (!isSpend) {
          budget.earn(bytes);
          earned += bytes;
        } else if (budget.spend(bytes)) spent += bytes;
        assert.ok(spent <= 2_000 + earned / 2);
      }
    }),
  );
});
