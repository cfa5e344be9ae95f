import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocatedDuring } from '../kernel/allocations.test.ts';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type { RouteBlock } from '../wire/index.ts';
import {
  blankDataHeader,
  encodeDataHeader,
  FLOOD_ROUTE,
  graphBlock,
  NO_ROUTE,
} from '../wire/index.ts';
import type { LinkOutlet } from './forwarder.ts';
import { Forwarder } from './forwarder.ts';

const [SOURCE, SELF, TO] = [0xd000_0001, 0xd000_0002, 0xd000_0003] as NodeAddress[];
const HOPS = Array.from({ length: 16 }, (_, i) => (0xd000_0010 + i) as NodeAddress);
/** Less than the smallest object takes; a number above 2^31 may be boxed on its way out of a function. */
const BYTES_PER_COPY = 20;
const PACKETS = 64;
const PORTION = 20_000;
const PORTIONS = 12;

/** A forwarder whose links write to one slab, and a slab of packets that come to it. */
function bench(route: RouteBlock) {
  const slab = new Uint8Array(2_000);
  let copies = 0;
  const links: LinkOutlet = {
    outgoingSlab: slab,
    lastRefusal: 'link-down',
    reserveData: () => {
      copies++;
      return 100;
    },
    neighbours: () => HOPS,
    latency: () => 1_000 as Duration,
  };
  const forwarder = new Forwarder({
    self: SELF!,
    epoch: 1,
    links,
    routes: { nextHop: () => HOPS[0]! },
    sink: { deliver: () => undefined, notice: () => undefined },
  });
  const stride = 160;
  const came = new Uint8Array(PACKETS * stride);
  const header = { ...blankDataHeader(), source: SOURCE!, destination: TO!, epoch: 1 };
  header.hopLimit = 9;
  for (let i = 0; i < PACKETS; i++) encodeDataHeader(came, i * stride, header, route);
  let sequence = 0;
  const run = (packets: number): void => {
    for (let n = 0; n < packets; n++) {
      const at = (n % PACKETS) * stride;
      came[at + 20] = sequence >>> 24;
      came[at + 21] = sequence >>> 16;
      came[at + 22] = sequence >>> 8;
      came[at + 23] = sequence++;
      forwarder.receive(SOURCE!, came, at, at + stride, 1_000_000 as Instant);
    }
  };
  return { run, copies: () => copies };
}

const edges = HOPS.map((to) => ({ from: SELF!, to }));
const ROUTES: Record<string, RouteBlock> = {
  'to one neighbour': NO_ROUTE,
  'of a graph to sixteen': graphBlock({ source: SOURCE!, destination: TO!, edges }),
  'of a flood to sixteen': FLOOD_ROUTE,
};

for (const [what, route] of Object.entries(ROUTES))
  test(`forwarding a packet ${what} allocates nothing`, () => {
    const { run, copies } = bench(route);
    run(60_000);
    let bytes = Number.POSITIVE_INFINITY;
    for (let i = 0; i < PORTIONS && bytes >= BYTES_PER_COPY; i++) {
      const before = copies();
      const all = allocatedDuring(() => run(PORTION), /dist\/(forwarding|wire|kernel)\/(?!.*test)/);
      assert.ok(copies() - before >= PORTION);
      bytes = all / (copies() - before);
    }
    assert.ok(bytes < BYTES_PER_COPY, `${bytes} bytes a copy`);
  });
