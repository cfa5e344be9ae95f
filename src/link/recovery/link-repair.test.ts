/** Recovery between two link layers: what is lost, delayed or forged is chosen packet by packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../../kernel/index.ts';
import { milliseconds, readU16, readU32, seconds } from '../../kernel/index.ts';
import {
  blankDataHeader,
  encodeDataHeader,
  FRAME_REPAIR,
  FRAME_REPAIR_DECLINE,
  FRAME_REPAIR_REQUEST,
  NO_ROUTE,
  RECOVERY_DEADLINE,
  RECOVERY_NONE,
  RECOVERY_REALTIME,
  SEALED_OVERHEAD_BYTES,
} from '../../wire/index.ts';
import type { TestNode, World } from '../harness.test.ts';
import { linkedPair } from '../harness.test.ts';
import type { RecoveryStatus } from './recovery-status.ts';

const FRAME_BYTES = 300;
const FIRST_COPY = FRAME_BYTES + SEALED_OVERHEAD_BYTES;
const HELLO = 19;

class Flow {
  readonly world: World;
  readonly a: TestNode;
  readonly b: TestNode;
  /** Times each sequence number came. */
  readonly came = new Map<number, number>();
  readonly ages: number[] = [];
  private sequence = 0;

  constructor(seed = 1) {
    const { world, a, b } = linkedPair(seed);
    this.world = world;
    this.a = a;
    this.b = b;
    b.onData = (slab, at) => {
      const sequence = readU32(slab, at + 20);
      this.came.set(sequence, (this.came.get(sequence) ?? 0) + 1);
      this.ages[sequence] = readU16(slab, at + 28) * 100;
    };
  }

  send(recovery: number, deadline = 0): number {
    const { world, a, b } = this;
    const header = blankDataHeader();
    header.recovery = recovery;
    header.deadline = deadline as Duration;
    header.source = a.address;
    header.destination = b.address as NodeAddress;
    header.sequence = this.sequence;
    const at = a.layer.reserveData(b.address, FRAME_BYTES, header, world.now);
    assert.ok(at >= 0);
    const slab = a.layer.outgoingSlab;
    slab.fill(0, at, at + FRAME_BYTES);
    encodeDataHeader(slab, at, header, NO_ROUTE);
    a.layer.flush(world.now);
    return this.sequence++;
  }

  status(node: TestNode): RecoveryStatus | undefined {
    return node.layer.status(this.world.now)[0]!.recovery;
  }

  /** Loses the data packets for which `loses` says so, and no other. */
  loseFirstCopies(loses: (n: number) => boolean): void {
    let n = 0;
    this.world.channel(this.a, this.b).tap = (bytes) => {
      const isFirst = bytes.length === FIRST_COPY || bytes.length === FIRST_COPY + HELLO;
      return !isFirst || !loses(n++);
    };
  }

  missing(count: number): number[] {
    return Array.from({ length: count }, (_, n) => n).filter((n) => !this.came.has(n));
  }
}

/** At most eight in a row are lost: what nothing follows for longer is noticed too late. */
const losses = fc
  .array(fc.boolean(), { minLength: 20, maxLength: 120 })
  .map((lost) => lost.map((isLost, n) => isLost && n % 9 !== 0));

test('whatever first copies are lost, everything arrives once, and in time', () => {
  fc.assert(
    fc.property(
      losses,
      fc.constantFrom(RECOVERY_REALTIME, RECOVERY_DEADLINE),
      fc.integer({ min: 1, max: 12 }),
      (lost, recovery, interval) => {
        const flow = new Flow();
        flow.send(recovery, 200_000);
        flow.world.run(milliseconds(interval));
        flow.loseFirstCopies((n) => lost[n] === true);
        for (let n = 0; n < lost.length; n++) {
          flow.send(recovery, 200_000);
          flow.world.run(milliseconds(interval));
        }
        flow.world.run(milliseconds(300));
        assert.deepEqual(flow.missing(lost.length + 1), []);
        assert.ok([...flow.came.values()].every((times) => times === 1));
        assert.ok(flow.ages.every((age) => age < 200_000));
      },
    ),
    { numRuns: 60 },
  );
});

test('a repaired packet tells how long it was held', () => {
  const flow = new Flow();
  for (let n = 0; n < 4; n++) flow.send(RECOVERY_DEADLINE, 200_000);
  flow.world.run(milliseconds(5));
  flow.loseFirstCopies((n) => n === 0);
  const lost = flow.send(RECOVERY_DEADLINE, 200_000);
  flow.world.run(milliseconds(7));
  flow.send(RECOVERY_DEADLINE, 200_000);
  flow.world.run(milliseconds(100));
  // Noticed 7 ms later, asked for at once: 10 ms each way.
  assert.ok(Math.abs(flow.ages[lost]! - 27_000) < 1_000, `${flow.ages[lost]}`);
});

test('a loss that nothing follows is found within 60 ms', () => {
  const flow = new Flow();
  for (let n = 0; n < 20; n++) {
    flow.send(RECOVERY_DEADLINE, 200_000);
    flow.world.run(milliseconds(2));
  }
  flow.loseFirstCopies((n) => n === 0);
  const last = flow.send(RECOVERY_DEADLINE, 200_000);
  const took = flow.world.runUntil(() => flow.came.has(last), milliseconds(60));
  assert.ok(took > milliseconds(30), `${took}`);
});

test('losses across a change of keys are repaired', () => {
  const flow = new Flow();
  const { world, a } = flow;
  const before = a.layer.counters.value('link.rekeys');
  let sent = 0;
  flow.loseFirstCopies((n) => n % 3 === 2);
  a.layer.certificate(a.chain, world.now);
  for (; sent < 200; sent++) {
    flow.send(RECOVERY_DEADLINE, 300_000);
    world.run(milliseconds(1));
  }
  world.run(milliseconds(400));
  assert.equal(a.layer.counters.value('link.rekeys'), before + 1);
  assert.deepEqual(flow.missing(sent), []);
});

test('best-effort packets are neither kept nor asked for', () => {
  const flow = new Flow();
  flow.loseFirstCopies((n) => n % 5 === 0);
  let requests = 0;
  flow.world.channel(flow.b, flow.a).tap = (bytes) => {
    requests += bytes.length === 51 ? 0 : 1;
    return true;
  };
  for (let n = 0; n < 500; n++) {
    flow.send(RECOVERY_NONE);
    flow.world.run(milliseconds(1));
  }
  flow.world.run(milliseconds(50));
  assert.equal(flow.missing(500).length, 100);
  assert.equal(requests, 0);
  assert.equal(flow.status(flow.a), undefined);
});

test('flows of several kinds share a link, and only those that ask are repaired', () => {
  const flow = new Flow();
  const kinds = [RECOVERY_NONE, RECOVERY_REALTIME, RECOVERY_DEADLINE];
  for (const kind of kinds) flow.send(kind, 200_000);
  flow.loseFirstCopies((n) => n % 4 === 0);
  for (let n = 3; n < 303; n++) {
    flow.send(kinds[n % 3]!, 200_000);
    flow.world.run(milliseconds(1));
  }
  flow.world.run(milliseconds(300));
  const lost = flow.missing(303);
  assert.equal(lost.length, 25);
  assert.ok(lost.every((n) => n % 3 === 0));
  assert.equal(flow.status(flow.b)!.declined, 25);
  assert.equal(flow.status(flow.b)!.realtime.recovered, 25);
  assert.equal(flow.status(flow.b)!.deadline.recovered, 25);
});

test('a link that reorders is given a moment; a link in order is asked at once', () => {
  const flow = new Flow(3);
  flow.world.channel(flow.a, flow.b).noise = 0.2;
  for (let n = 0; n < 2_000; n++) {
    flow.send(RECOVERY_DEADLINE, 200_000);
    flow.world.run(milliseconds(1));
  }
  const { requests, reordered, reorderWait } = flow.status(flow.b)!;
  assert.ok(reorderWait > 0 && reorderWait <= 30_000, `${reorderWait}`);
  assert.ok(reordered > 300 && requests < 40, `${reordered} came late, ${requests} asked for`);
  assert.ok([...flow.came.values()].every((times) => times === 1));
});

test('no frame of this protocol, whatever its bytes, brings a throw or a packet twice', () => {
  const flow = new Flow();
  for (let n = 0; n < 10; n++) flow.send(RECOVERY_DEADLINE, 200_000);
  flow.world.run(milliseconds(50));
  const types = fc.constantFrom(FRAME_REPAIR_REQUEST, FRAME_REPAIR_DECLINE, FRAME_REPAIR);
  fc.assert(
    fc.property(types, fc.uint8Array({ maxLength: 200 }), (type, body) => {
      const { a, b, world } = flow;
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        from.layer.sendControl(to.address, type, body, world.now);
        from.layer.flush(world.now);
      }
      world.run(milliseconds(12));
    }),
    { numRuns: 500 },
  );
  flow.world.run(seconds(1));
  assert.ok(flow.b.layer.counters.value('link.packet.repair-malformed') > 0);
  assert.equal(flow.a.isUp(flow.b), true);
});

test('what is kept, asked for and sent again stays within the bounds under 60 % loss', () => {
  const flow = new Flow();
  flow.world.channel(flow.a, flow.b).loss = 0.6;
  flow.world.channel(flow.b, flow.a).loss = 0.3;
  for (let n = 0; n < 4_000; n++) {
    flow.send(n % 2 === 0 ? RECOVERY_DEADLINE : RECOVERY_REALTIME, 200_000);
    flow.world.run(milliseconds(0.2));
  }
  const sender = flow.status(flow.a)!;
  assert.ok(sender.historyBytes <= 4_500_000);
  for (const [tally, share] of [
    [sender.realtime, 0.5],
    [sender.deadline, 1],
  ] as const)
    assert.ok(tally.repairBytes <= share * 1.2 * tally.bytesProtected + 80_000);
});
