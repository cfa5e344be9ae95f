import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { readU16 } from '../kernel/index.ts';
import {
  blankDataHeader,
  DATA_HEADER_BYTES,
  decodeDataHeader,
  encodeDataHeader,
  FLOOD_ROUTE,
  graphBlock,
  NO_ROUTE,
  pathBlock,
  type RouteBlock,
  SERVICE_DEFAULT,
} from '../wire/index.ts';
import { Forwarder } from './forwarder.ts';
import type { OutgoingPacket } from './outgoing-packet.ts';

const address = (n: number): NodeAddress => n as NodeAddress;
const NOW = 1_000 as Instant;

function bench(options: { up?: readonly number[]; routes?: Record<number, number> } = {}) {
  const sent: { to: number; bytes: Uint8Array }[] = [];
  const delivered: string[] = [];
  const notices: string[] = [];
  const up = options.up ?? [2, 3];
  const links = {
    outgoingSlab: new Uint8Array(4096),
    lastRefusal: 'link-down' as 'link-down' | 'too-big',
    neighbours: () => up.map(address),
    latency: () => 5_000 as Duration,
    reserveData(neighbour: NodeAddress, bytes: number): number {
      if (!up.includes(neighbour)) {
        links.lastRefusal = 'link-down';
        return -1;
      }
      if (bytes > 1200) {
        links.lastRefusal = 'too-big';
        return -1;
      }
      sent.push({ to: neighbour, bytes: links.outgoingSlab.subarray(0, bytes) });
      return 0;
    },
  };
  const forwarder = new Forwarder({
    self: address(1),
    epoch: 5,
    links,
    routes: { nextHop: (d) => ((options.routes ?? { 9: 3 })[d] ?? 0) as NodeAddress | 0 },
    sink: {
      deliver: (h, _b, _f, payload, end) =>
        delivered.push(`${h.source}/${h.sequence}:${end - payload}`),
      notice: (kind, h) => notices.push(`${kind} ${h.source}`),
    },
  });
  return { forwarder, sent, delivered, notices };
}

function frame(fields: {
  source?: number;
  destination?: number;
  hopLimit?: number;
  sequence?: number;
  epoch?: number;
  route?: RouteBlock;
  deadline?: number;
  routeIndex?: number;
  payload?: number;
}): Uint8Array {
  const route = fields.route ?? NO_ROUTE;
  const bytes = new Uint8Array(DATA_HEADER_BYTES + route.bytes.length + (fields.payload ?? 10));
  const header = blankDataHeader();
  header.source = address(fields.source ?? 7);
  header.destination = address(fields.destination ?? 9);
  header.hopLimit = fields.hopLimit ?? 8;
  header.sequence = fields.sequence ?? 0;
  header.epoch = fields.epoch ?? 1;
  header.deadline = (fields.deadline ?? 0) as Duration;
  header.routeIndex = fields.routeIndex ?? 0;
  encodeDataHeader(bytes, 0, header, route);
  return bytes;
}

test('a passing packet goes to the next hop with one hop less and its payload unchanged', () => {
  const { forwarder, sent } = bench();
  const bytes = frame({ payload: 20 });
  bytes.fill(0xab, DATA_HEADER_BYTES);
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  assert.equal(sent.length, 1);
  assert.equal(sent[0]!.to, 3);
  assert.equal(sent[0]!.bytes[1], 7);
  assert.deepEqual(sent[0]!.bytes.subarray(24), bytes.subarray(24));
});

test('the same packet is forwarded once, whichever neighbours bring it', () => {
  const { forwarder, sent } = bench();
  const bytes = frame({});
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  forwarder.receive(address(4), bytes, 0, bytes.length, NOW);
  assert.equal(sent.length, 1);
  assert.equal(forwarder.counters.value('dropped.duplicate'), 1);
});

test('a packet whose hops are used up is dropped and its source told', () => {
  const { forwarder, sent, notices } = bench();
  const bytes = frame({ hopLimit: 1 });
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  assert.equal(sent.length, 0);
  assert.deepEqual(notices, ['hop-limit-exceeded 7']);
});

test('a packet is never sent back to the neighbour it came from', () => {
  const { forwarder, sent } = bench();
  const bytes = frame({});
  forwarder.receive(address(3), bytes, 0, bytes.length, NOW);
  assert.equal(sent.length, 0);
  assert.equal(forwarder.counters.value('dropped.would-return'), 1);
});

test('a stamped route is followed even where the routing table says otherwise', () => {
  const { forwarder, sent } = bench({ routes: { 9: 3 } });
  const bytes = frame({ route: pathBlock([1, 2, 9].map(address)), routeIndex: 1 });
  forwarder.receive(address(4), bytes, 0, bytes.length, NOW);
  assert.equal(sent[0]!.to, 2);
  assert.equal(sent[0]!.bytes[19], 2);
});

test('a graph is followed along its edges from here, but not back', () => {
  const { forwarder, sent } = bench({ up: [2, 3, 4] });
  const edge = (from: number, to: number) => ({ from: address(from), to: address(to) });
  const edges = [edge(7, 2), edge(2, 1), edge(1, 2), edge(1, 3), edge(1, 4), edge(3, 9)];
  const route = graphBlock({ source: address(7), destination: address(9), edges });
  const bytes = frame({ route });
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  assert.deepEqual(
    sent.map(({ to }) => to),
    [3, 4],
  );
});

test('a node that is not in the graph sends the packet nowhere', () => {
  const { forwarder, sent } = bench();
  const ends = { source: address(7), destination: address(9) };
  const edges = [{ from: address(7), to: address(9) }];
  const bytes = frame({ route: graphBlock({ ...ends, edges }) });
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  assert.equal(sent.length, 0);
  assert.equal(forwarder.counters.value('dropped.graph-ends'), 1);
});

test('a flood goes to every neighbour but the one that brought it and the source', () => {
  const { forwarder, sent } = bench({ up: [2, 3, 4, 7] });
  const bytes = frame({ route: FLOOD_ROUTE });
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  assert.deepEqual(
    sent.map(({ to }) => to),
    [3, 4],
  );
});

test('the age of a packet with a deadline grows by each link it came over', () => {
  const { forwarder, sent } = bench();
  const bytes = frame({ deadline: 65_000 });
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  assert.equal(readU16(sent[0]!.bytes, 28), 50);
});

test('a restarted source begins again at sequence 0 and its old packets are refused', () => {
  const { forwarder, sent } = bench();
  for (const [epoch, sequence] of [
    [1, 0],
    [2, 0],
    [1, 1],
  ] as const) {
    const bytes = frame({ epoch, sequence });
    forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  }
  assert.equal(sent.length, 2);
  assert.equal(forwarder.counters.value('dropped.stale-epoch'), 1);
});

test('a packet for this node is delivered and goes no further', () => {
  const { forwarder, sent, delivered } = bench();
  const bytes = frame({ destination: 1, payload: 33 });
  forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
  assert.equal(sent.length, 0);
  assert.deepEqual(delivered, ['7/0:33']);
});

test('a local packet says why it cannot go', () => {
  const { forwarder } = bench({ up: [3], routes: { 9: 3, 8: 2 } });
  const packet: OutgoingPacket = {
    destination: address(9),
    kind: 0,
    lane: 0,
    flow: 1,
    sequence: 0,
    service: SERVICE_DEFAULT,
    route: NO_ROUTE,
  };
  assert.equal(forwarder.send(packet, new Uint8Array(10), NOW), 'sent');
  assert.equal(forwarder.send(packet, new Uint8Array(5000), NOW), 'too-big');
  assert.equal(
    forwarder.send({ ...packet, destination: address(8) }, new Uint8Array(1), NOW),
    'unreachable',
  );
  assert.equal(
    forwarder.send({ ...packet, destination: address(6) }, new Uint8Array(1), NOW),
    'unreachable',
  );
});

test('whatever bytes a neighbour sends, nothing throws and nothing unsound leaves', () => {
  const { forwarder, sent } = bench();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      if (bytes.length > 0) bytes[0] = 0x10;
      const before = sent.length;
      forwarder.receive(address(2), bytes, 0, bytes.length, NOW);
      if (sent.length > before) {
        const header = blankDataHeader();
        const out = sent.at(-1)!.bytes;
        assert.equal(decodeDataHeader(header, out, 0, out.length), undefined);
      }
    }),
    { numRuns: 2000 },
  );
});
