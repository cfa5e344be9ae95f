import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { Counters, readU16 } from '../kernel/index.ts';
import type { HaveRun } from '../wire/index.ts';
import {
  blankDataHeader,
  decodeDataHeader,
  decodeHave,
  encodeDataHeader,
  encodeHave,
  FLOOD_ROUTE,
  NO_ROUTE,
  ROUTE_FLOOD,
} from '../wire/index.ts';
import { FairOutlet } from './fair-outlet.ts';

const NEIGHBOUR = 2 as NodeAddress;
/** One megabyte a second: a packet of 972 bytes with its headers takes a millisecond. */
const CAPACITY = 8_000_000;
const FRAME_BYTES = 940;
const OVERHEAD = 60;

function bench(capacity = CAPACITY) {
  const sent: { source: number; at: number; age: number }[] = [];
  const told: { to: NodeAddress; runs: HaveRun[] }[] = [];
  let wire = 0;
  let now = 0;
  const links = {
    outgoingSlab: new Uint8Array(4_096),
    lastRefusal: 'link-down' as const,
    neighbours: () => [NEIGHBOUR],
    sendControl: (to: NodeAddress, _: number, body: Uint8Array) => {
      told.push({ to, runs: decodeHave(body, 0, body.length)! });
      return true;
    },
    facts: { latency: () => 5_000 as Duration, frameBytesMax: () => 1_200, wireBytes: () => wire },
    reliable: {
      hasReliableRoom: () => true,
      reliableRoomAt: () => 0,
      sendReliable: () => true,
      reliableIdle: () => undefined,
      holdFlows: () => undefined,
    },
    reserveData(_: NodeAddress, bytes: number): number {
      wire += bytes + OVERHEAD;
      pending = { at: now };
      return 0;
    },
  };
  let pending: { at: number } | undefined;
  const counters = new Counters();
  const outlet = new FairOutlet({ links, counters });
  outlet.linkUp(NEIGHBOUR, capacity, 0 as Instant);
  const written = (): void => {
    if (pending === undefined) return;
    const header = blankDataHeader();
    assert.equal(decodeDataHeader(header, links.outgoingSlab, 0, FRAME_BYTES), undefined);
    const age = readU16(links.outgoingSlab, 28) * 100;
    sent.push({ source: header.source, at: pending.at, age });
    pending = undefined;
  };
  // What the outlet writes after a reservation is looked at with the next one.
  const reserve = links.reserveData;
  links.reserveData = (to, bytes) => {
    written();
    return reserve(to, bytes);
  };
  const offer = (source: number, deadline = 0, lane = 0): number => {
    const header = blankDataHeader();
    header.lane = lane;
    header.source = source as NodeAddress;
    header.destination = 9 as NodeAddress;
    header.deadline = deadline as Duration;
    const at = outlet.reserveData(NEIGHBOUR, FRAME_BYTES, header, now as Instant);
    if (at >= 0) {
      encodeDataHeader(outlet.outgoingSlab, at, header, NO_ROUTE);
      if (outlet.outgoingSlab === links.outgoingSlab) written();
    }
    return at;
  };
  /** A copy of a flood's packet of source 1, brought by neighbour 3. */
  const copy = (sequence: number, source = 1): number => {
    const header = blankDataHeader();
    header.source = source as NodeAddress;
    header.destination = 9 as NodeAddress;
    header.sequence = sequence;
    header.routeForm = ROUTE_FLOOD;
    outlet.floodHeard(3 as NodeAddress, header, now as Instant);
    outlet.floodSpreads(3 as NodeAddress, header, now as Instant);
    if (outlet.hasCopy(NEIGHBOUR, header)) return -1;
    const at = outlet.reserveData(NEIGHBOUR, FRAME_BYTES, header, now as Instant);
    if (at < 0) return at;
    encodeDataHeader(outlet.outgoingSlab, at, header, FLOOD_ROUTE);
    if (outlet.outgoingSlab === links.outgoingSlab) written();
    return at;
  };
  const name = (from: NodeAddress, run: Partial<HaveRun>): void => {
    const origin = { source: 1 as NodeAddress, epoch: 0, isSigned: false };
    const whole = { ...origin, flow: 0, first: 0, count: 1, ...run };
    const body = encodeHave([whole]);
    outlet.receiveHave(from, body, 0, body.length, now as Instant);
  };
  const run = (until: number): void => {
    for (let next = outlet.nextTimeout(); next !== undefined && next <= until; ) {
      assert.ok(next >= now, 'a due timeout makes progress');
      now = next;
      outlet.timeout(now as Instant);
      written();
      const again = outlet.nextTimeout();
      assert.ok(again === undefined || again > now);
      next = again;
    }
    now = until;
  };
  return {
    outlet,
    offer,
    copy,
    name,
    told,
    run,
    sent,
    counters,
    control: (bytes: number) => (wire += bytes),
  };
}

test('a link without a capacity gets every packet at once, in its own slab', () => {
  const { offer, sent, counters } = bench(0);
  for (let i = 0; i < 100; i++) assert.equal(offer(1), 0);
  assert.equal(sent.length, 100);
  assert.equal(counters.value('queued'), 0);
});

test('a throttled link sends at its capacity and is never idle while packets wait', () => {
  const { offer, run, sent } = bench();
  for (let i = 0; i < 80; i++) offer(1);
  run(50_000);
  assert.ok(sent.length >= 50 && sent.length <= 54, `${sent.length} packets in 50 ms`);
  run(200_000);
  assert.equal(sent.length, 80);
});

test('what waits stays when the capacity changes, also to none and back', () => {
  const { outlet, offer, run, sent } = bench();
  for (let i = 0; i < 30; i++) offer(1);
  run(5_000);
  const before = sent.length;
  outlet.linkUp(NEIGHBOUR, CAPACITY / 4, 5_000 as Instant);
  outlet.flush(5_000 as Instant);
  run(25_000);
  const slow = sent.length - before;
  assert.ok(slow <= 9, `${slow} packets in 20 ms at a quarter`);
  outlet.linkUp(NEIGHBOUR, 0, 25_000 as Instant);
  outlet.flush(25_000 as Instant);
  for (let i = 0; i < 20; i++) offer(1);
  assert.equal(sent.length, 50, 'nothing was dropped');
  outlet.linkUp(NEIGHBOUR, CAPACITY, 25_000 as Instant);
  for (let i = 0; i < 20; i++) offer(1);
  run(70_000);
  assert.equal(sent.length, 70, 'what went unhindered is not owed');
});

test('control traffic takes its share of the wire from data', () => {
  const { offer, run, sent, control } = bench();
  for (let i = 0; i < 80; i++) offer(1);
  control(20_000);
  run(50_000);
  assert.ok(sent.length >= 30 && sent.length <= 34, `${sent.length} packets in 50 ms`);
});

test('a flood from one source leaves the other its share', () => {
  const { offer, run, sent, counters } = bench();
  let refused = 0;
  for (let ms = 0; ms < 1_000; ms++) {
    for (let i = 0; i < 10; i++) if (offer(7) < 0) refused++;
    if (ms % 4 === 0) offer(1);
    run(ms * 1_000);
  }
  const own = sent.filter((p) => p.source === 1).length;
  assert.ok(own >= 248, `${own} of 250`);
  const dropped = refused + counters.value('dropped.overload');
  assert.ok(dropped > 8_000, `${dropped} dropped`);
});

test('what cannot arrive in time any more is dropped and counted, and what waited says how long', () => {
  const { offer, run, sent, counters } = bench();
  for (let i = 0; i < 40; i++) offer(1, 25_000);
  run(100_000);
  assert.ok(sent.length >= 20 && sent.length <= 25, `${sent.length} packets`);
  assert.equal(counters.value('dropped.late'), 40 - sent.length);
  assert.ok(sent.every((p) => Math.abs(p.age - p.at) <= 100));
});

test('what a queue drops is counted for its link and lane, also where the link is down by now', () => {
  const { outlet, offer, run, counters } = bench();
  const refused = (lane: number, deadline = 0): number => {
    let count = 0;
    for (let i = 0; i < 200; i++) if (offer(1, deadline, lane) < 0) count++;
    return count;
  };
  const full =
    [refused(4), refused(2)].reduce((a, b) => a + b) + counters.value('dropped.overload');
  run(500_000);
  assert.equal(counters.value('dropped.late'), 0);
  for (let i = 0; i < 40; i++) offer(1, 25_000, 2);
  run(1_000_000);
  outlet.linkDown(NEIGHBOUR, 1_000_000 as Instant);
  const rows = outlet.drops.all();
  assert.deepEqual(
    rows.map(({ neighbour, lane }) => [neighbour, lane]),
    [
      [NEIGHBOUR, 2],
      [NEIGHBOUR, 4],
    ],
  );
  const sum = (of: 'overload' | 'late' | 'bytes') => rows.reduce((all, row) => all + row[of], 0);
  assert.ok(full > 200, `${full}`);
  assert.equal(sum('overload'), full);
  assert.equal(rows[0]!.late, counters.value('dropped.late'));
  assert.ok(rows[0]!.late > 10 && rows[1]!.late === 0);
  assert.equal(sum('bytes'), FRAME_BYTES * (full + rows[0]!.late));
});

test('what waits for a link that goes down is dropped and counted', () => {
  const { outlet, offer, counters } = bench();
  for (let i = 0; i < 10; i++) offer(1);
  outlet.linkDown(NEIGHBOUR, 0 as Instant);
  assert.ok(counters.value('dropped.link-down') >= 6);
  assert.equal(outlet.nextTimeout(), undefined);
});

test('a copy is not sent to a neighbour that names it, waiting or still to come', () => {
  const { outlet, copy, name, run, sent, counters } = bench();
  for (let sequence = 0; sequence < 40; sequence++) copy(sequence);
  const [queued] = outlet.status();
  name(NEIGHBOUR, { first: 20, count: 30 });
  assert.equal(outlet.status()[0]!.packets, queued!.packets - 20);
  assert.equal(counters.value('copies-spared'), 20);
  assert.equal(copy(45), -1, 'it has that one too');
  assert.equal(copy(50), 0, 'and has not named this one');
  run(1_000_000);
  assert.equal(sent.length, 21);
});

test('who names packets that it has not goes without them itself, and costs nobody else one', () => {
  const { copy, name, run, sent } = bench();
  for (let sequence = 0; sequence < 40; sequence++) copy(sequence);
  name(3 as NodeAddress, { count: 255 });
  name(NEIGHBOUR, { count: 255, source: 2 as NodeAddress });
  name(NEIGHBOUR, { count: 255, epoch: 7, flow: 1 });
  name(NEIGHBOUR, { count: 255, isSigned: true });
  run(1_000_000);
  assert.equal(sent.length, 40);
});

test('what a neighbour had is forgotten with its link', () => {
  const { outlet, copy, name } = bench();
  name(NEIGHBOUR, { count: 9 });
  assert.equal(copy(3), -1);
  outlet.linkDown(NEIGHBOUR, 0 as Instant);
  outlet.linkUp(NEIGHBOUR, CAPACITY, 0 as Instant);
  assert.equal(copy(3), 0);
});

test('packets are named where copies wait, a few together, and to who names packets', () => {
  const { copy, name, run, told } = bench();
  copy(0);
  run(50_000);
  assert.equal(told.length, 0, 'nothing waited');
  for (let sequence = 1; sequence < 40; sequence++) copy(sequence);
  run(100_000);
  assert.equal(told.length, 1);
  assert.ok(told[0]!.runs.length <= 2, 'numbers in a row are one run');
  run(500_000);
  name(NEIGHBOUR, { first: 90, source: 5 as NodeAddress });
  copy(40);
  run(600_000);
  assert.deepEqual(
    told[1]?.runs.map((r) => r.first),
    [40],
  );
});
