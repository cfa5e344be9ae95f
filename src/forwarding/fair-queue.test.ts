import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import {
  RECOVERY_NONE,
  RECOVERY_PRIORITY,
  RECOVERY_RELIABLE,
  ROUTE_FLOOD,
  ROUTE_NONE,
} from '../wire/index.ts';
import { FairQueue } from './fair-queue.ts';
import { flowKey } from './flow-line.ts';
import type { QueuedPacket } from './packet-line.ts';

const QUANTUM = 1_500;
const address = (n: number): NodeAddress => n as NodeAddress;

function packet(fields: Partial<Omit<QueuedPacket, 'source'>> & { source?: number }): QueuedPacket {
  return {
    frame: new Uint8Array(0),
    length: 1_000,
    destination: address(99),
    flow: 1,
    epoch: 1,
    sequence: 0,
    routeForm: 0,
    isSigned: false,
    lap: 0,
    lane: 0,
    recovery: RECOVERY_NONE,
    priority: 0,
    dueAt: Number.POSITIVE_INFINITY,
    queuedAt: 0 as Instant,
    age: 0 as Duration,
    turn: 0,
    from: address(0),
    isReserved: false,
    to: address(0),
    ...fields,
    source: address(fields.source ?? 1),
  };
}

const queue = (bytesMax = 10_000_000, weightOf?: (source: NodeAddress) => number): FairQueue =>
  new FairQueue({ bytesMax, quantum: QUANTUM, ...(weightOf === undefined ? {} : { weightOf }) });

function drain(from: FairQueue): QueuedPacket[] {
  const all: QueuedPacket[] = [];
  for (let p = from.next(true); p !== undefined; p = from.next(true)) all.push(p);
  return all;
}

test('every backlogged source gets its share within one largest packet, whatever the sizes', () => {
  const size = fc.integer({ min: 40, max: QUANTUM });
  const backlog = fc.array(size, { minLength: 1, maxLength: 60 });
  const source = fc.record({ weight: fc.integer({ min: 1, max: 4 }), backlog });
  fc.assert(
    fc.property(fc.array(source, { minLength: 2, maxLength: 8 }), (sources) => {
      const fair = queue(1e9, (s) => sources[s - 1]!.weight);
      sources.forEach((s, i) => {
        for (const length of s.backlog) fair.push(packet({ source: i + 1, length }));
      });
      const left = sources.map((s) => s.backlog.reduce((a, b) => a + b, 0));
      const sent = sources.map(() => 0);
      for (let p = fair.next(true); p !== undefined; p = fair.next(true)) {
        sent[p.source - 1]! += p.length;
        left[p.source - 1]! -= p.length;
        for (let a = 0; a < sources.length; a++)
          for (let b = 0; b < sources.length; b++) {
            if (left[a] === 0 || left[b] === 0) continue;
            const share = (i: number): number => sent[i]! / sources[i]!.weight;
            // One may be a round ahead in the middle of a round; each side then owes less than a packet.
            assert.ok(
              share(a) - share(b) < QUANTUM + 2 * QUANTUM,
              `${share(a)} against ${share(b)}`,
            );
          }
      }
      assert.equal(fair.length, 0);
      assert.deepEqual(
        left,
        sources.map(() => 0),
      );
    }),
    { numRuns: 200 },
  );
});

test('after each full round the shares of backlogged sources differ by less than one packet, whatever waits', () => {
  const waiting = fc.record({
    length: fc.integer({ min: 40, max: QUANTUM }),
    recovery: fc.constantFrom(RECOVERY_NONE, RECOVERY_RELIABLE, RECOVERY_PRIORITY),
    priority: fc.integer({ min: 0, max: 2 }),
    destination: fc.integer({ min: 97, max: 99 }).map(address),
    routeForm: fc.constantFrom(ROUTE_NONE, ROUTE_FLOOD),
    flow: fc.integer({ min: 1, max: 4 }),
  });
  const source = fc.record({
    weight: fc.integer({ min: 1, max: 3 }),
    backlog: fc.array(waiting, { minLength: 50, maxLength: 50 }),
  });
  fc.assert(
    fc.property(fc.array(source, { minLength: 2, maxLength: 6 }), (sources) => {
      const fair = queue(1e9, (s) => sources[s - 1]!.weight);
      sources.forEach(({ backlog }, i) => {
        backlog.forEach((fields, sequence) => {
          fair.push(packet({ ...fields, source: i + 1, sequence, to: address(99) }));
        });
      });
      const sent = sources.map(() => 0);
      const counts = sources.map(() => 0);
      let last = -1;
      for (let p = fair.next(true); p !== undefined; p = fair.next(true)) {
        const i = p.source - 1;
        // The first source is served again: a round is over.
        if (i === 0 && last !== 0 && last !== -1)
          assert.ok(Math.max(...sent) - Math.min(...sent) < QUANTUM, sent.join());
        sent[i]! += p.length / sources[i]!.weight;
        counts[i]!++;
        last = i;
        if (counts[i] === sources[i]!.backlog.length) return;
      }
    }),
    { numRuns: 200 },
  );
});

test('a source with more flows and destinations gets no more', () => {
  const fair = queue();
  for (let i = 0; i < 100; i++) {
    fair.push(packet({ source: 1, flow: i, destination: address(100 + i) }));
    fair.push(packet({ source: 2 }));
  }
  const first = Array.from({ length: 60 }, () => fair.next(true)!.source);
  assert.ok(Math.abs(first.filter((s) => s === 1).length - 30) <= 2);
});

test('within a source: priority, then the nearer deadline, then destinations in turn', () => {
  const fair = queue();
  const lengths = [
    packet({ length: 1, priority: 0 }),
    packet({ length: 2, priority: 0, dueAt: 90 }),
    packet({ length: 3, priority: 0, dueAt: 50 }),
    packet({ length: 4, priority: 9 }),
    packet({ length: 5, priority: 0 }),
    packet({ length: 6, priority: 0, destination: address(98) }),
  ];
  for (const p of lengths) fair.push(p);
  assert.deepEqual(
    drain(fair).map((p) => p.length),
    [4, 3, 2, 1, 6, 5],
  );
});

test('overload costs the most backlogged source its lowest priority, newest first', () => {
  const fair = queue(10_000);
  for (let i = 0; i < 2; i++) fair.push(packet({ source: 2 }));
  for (let i = 0; i < 7; i++) fair.push(packet({ source: 1, priority: i % 2, flow: i }));
  assert.equal(fair.push(packet({ source: 2, flow: 50 })), undefined);
  const lost = fair.push(packet({ source: 2, flow: 51 }));
  assert.deepEqual([lost?.source, lost?.priority, lost?.flow], [1, 0, 6]);
  const own = packet({ source: 1, priority: 0, flow: 9 });
  assert.equal(fair.push(own), own);
});

test('in the priority lane the oldest of the lowest priority gives way', () => {
  const fair = queue(3_000);
  const recovery = RECOVERY_PRIORITY;
  for (const [flow, priority] of [
    [1, 5],
    [2, 1],
    [3, 1],
  ] as const)
    fair.push(packet({ recovery, flow, priority }));
  assert.equal(fair.push(packet({ recovery, flow: 4, priority: 7 }))?.flow, 2);
  assert.deepEqual(
    drain(fair).map((p) => p.flow),
    [4, 1, 3],
  );
});

test('copies for the neighbour itself take turns with those that pass it, and neither starves', () => {
  const fair = queue(20_000);
  const recovery = RECOVERY_PRIORITY;
  const copy = { recovery, routeForm: ROUTE_FLOOD };
  for (let i = 0; i < 100; i++) {
    fair.push(packet({ ...copy, to: address(99), destination: address(99) }));
    fair.push(packet({ ...copy, to: address(99), destination: address(i % 9) }));
    fair.push(packet({ ...copy, to: address(99), destination: address(i % 9) }));
  }
  const left = drain(fair).map((p) => p.destination === 99);
  assert.equal(left.filter((isLast) => isLast).length, 10);
  assert.ok(left.every((isLast, i) => i === 0 || isLast !== left[i - 1]));
});

test('a flood that must not be lost leaves each link in another order, and no packet waits for ever', () => {
  const order = (salt: number): number[] => {
    const fair = new FairQueue({ bytesMax: 1e9, quantum: QUANTUM, salt });
    const push = (sequence: number): unknown =>
      fair.push(packet({ recovery: RECOVERY_RELIABLE, routeForm: ROUTE_FLOOD, sequence }));
    for (let n = 0; n < 40; n++) push(n);
    const left: number[] = [];
    for (let n = 40; n < 400; n++) {
      left.push(fair.next(true)!.sequence);
      push(n);
    }
    return left;
  };
  const [here, there] = [order(7), order(8)];
  const late = here.map((sequence, at) => at - sequence);
  assert.ok(Math.max(...late) <= 4 * 40, `${Math.max(...late)} packets late`);
  assert.equal(new Set(here).size, here.length);
  const meet = here.filter((sequence, at) => Math.abs(there.indexOf(sequence) - at) < 3).length;
  assert.ok(meet < here.length / 2, `${meet} of ${here.length} at the same time`);
});

test('a paused flow waits and holds up no other; nothing of it is pushed out', () => {
  const fair = queue(2_000);
  const recovery = RECOVERY_RELIABLE;
  for (let i = 0; i < 10; i++) fair.push(packet({ recovery, flow: 7, length: 1_000 + i }));
  for (let i = 0; i < 3; i++) fair.push(packet({ recovery, flow: 8 }));
  fair.setPaused(new Map([[address(1), new Set([flowKey(address(99), 7, recovery)])]]));
  assert.deepEqual(
    drain(fair).map((p) => p.flow),
    [8, 8, 8],
  );
  fair.setPaused(new Map());
  assert.deepEqual(
    drain(fair).map((p) => p.length),
    Array.from({ length: 10 }, (_, i) => 1_000 + i),
  );
  assert.equal(fair.reliableBytes, 0);
});

test('any sequence of pushes, pulls and pauses keeps count of what waits', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('push' as const),
      source: fc.integer({ min: 1, max: 4 }),
      recovery: fc.constantFrom(RECOVERY_NONE, RECOVERY_RELIABLE, RECOVERY_PRIORITY),
      priority: fc.integer({ min: 0, max: 3 }),
      isSigned: fc.boolean(),
      flow: fc.integer({ min: 1, max: 3 }),
      length: fc.integer({ min: 40, max: QUANTUM }),
    }),
    fc.record({ kind: fc.constant('pull' as const), open: fc.boolean() }),
    fc.record({ kind: fc.constant('cancel' as const), sequence: fc.nat(120) }),
    fc.record({
      kind: fc.constant('sift' as const),
      source: fc.integer({ min: 1, max: 4 }),
      isSigned: fc.boolean(),
      flow: fc.integer({ min: 1, max: 3 }),
      below: fc.nat(120),
    }),
    fc.record({ kind: fc.constant('pause' as const), flow: fc.integer({ min: 0, max: 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const fair = queue(20_000);
      const waiting = new Set<QueuedPacket>();
      let pushed = 0;
      for (const s of steps) {
        if (s.kind === 'push') {
          const { kind: _, ...fields } = s;
          const sequence = pushed++;
          const to = address(sequence % 2 === 0 ? 99 : 98);
          const p = packet({ ...fields, sequence, to, routeForm: ROUTE_FLOOD });
          waiting.add(p);
          const out = fair.push(p);
          if (out !== undefined) {
            assert.notEqual(out.recovery, RECOVERY_RELIABLE);
            assert.ok(waiting.delete(out));
          }
        } else if (s.kind === 'pull') {
          const p = fair.next(s.open);
          if (p !== undefined) assert.ok(waiting.delete(p));
        } else if (s.kind === 'sift') {
          const key = flowKey(address(99), s.flow, RECOVERY_RELIABLE);
          const isWanted = (p: QueuedPacket): boolean => p.sequence >= s.below;
          const expected = [...waiting].filter(
            (p) =>
              p.recovery === RECOVERY_RELIABLE &&
              p.source === s.source &&
              p.isSigned === s.isSigned &&
              p.flow === s.flow &&
              !isWanted(p),
          );
          const from = { source: address(s.source), isSigned: s.isSigned };
          const out = fair.sift(from, key, isWanted);
          assert.deepEqual(new Set(out), new Set(expected));
          for (const p of out) waiting.delete(p);
        } else if (s.kind === 'cancel') {
          // Signed copies are not named between neighbours.
          const named = [...waiting].find((p) => p.sequence === s.sequence && !p.isSigned);
          const name = named ?? packet({ sequence: s.sequence });
          assert.equal(fair.cancel({ ...name, epoch: name.epoch + 1 }), undefined);
          assert.equal(fair.cancel(name), named);
          if (named !== undefined) waiting.delete(named);
        } else {
          const keys = new Set(
            s.flow === 0 ? [] : [flowKey(address(99), s.flow, RECOVERY_RELIABLE)],
          );
          fair.setPaused(new Map([[address(1), keys]]));
        }
        assert.equal(fair.length, waiting.size);
        assert.ok(fair.bytes <= 20_000);
      }
      assert.equal(fair.clear().length, waiting.size);
      assert.equal(fair.bytes + fair.reliableBytes, 0);
    }),
    { numRuns: 300 },
  );
});

test('what is sent in the name of a source takes nothing from what the source has signed', () => {
  const q = queue();
  for (let i = 0; i < 100; i++) q.push(packet({ source: 1, sequence: i }));
  for (let i = 0; i < 20; i++) q.push(packet({ source: 1, sequence: i, isSigned: true }));
  const first = Array.from({ length: 36 }, () => q.next(true)!);
  const { length } = first.filter(({ isSigned }) => isSigned);
  assert.ok(Math.abs(length - 18) <= 1, `${length} of 36`);
  const name = { source: address(1), epoch: 1, flow: 1, sequence: 0, isSigned: false };
  q.push(packet({ routeForm: ROUTE_FLOOD, isSigned: true }));
  assert.equal(q.cancel(name), undefined, 'a name that anybody can tell');
  assert.equal(q.cancel({ ...name, isSigned: true })?.isSigned, true);
  q.push(packet({ routeForm: ROUTE_FLOOD }));
  assert.equal(q.cancel(name)?.isSigned, false);
});
