import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { fromHex, toHex } from '../kernel/index.ts';
import type { DataHeader } from './data-packet.ts';
import {
  blankDataHeader,
  copyDataHeader,
  DATA_HEADER_BYTES,
  decodeDataHeader,
  encodeDataHeader,
} from './data-packet.ts';
import type { GraphEdge, GraphRoute, RouteBlock } from './route-block.ts';
import {
  FLOOD_ROUTE,
  fitsGraphBlock,
  GRAPH_EDGES_MAX,
  graphBlock,
  graphNextHops,
  NO_ROUTE,
  pathBlock,
  pathHop,
  ROUTE_GRAPH,
  ROUTE_PATH,
} from './route-block.ts';

interface Vector {
  readonly name: string;
  readonly note: string;
  readonly hex: string;
  readonly value: { header: DataHeader; path?: NodeAddress[]; graph?: GraphEdge[]; flood?: true };
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/data-packet.json', import.meta.url), 'utf8'),
);

function packetOf(header: DataHeader, route: RouteBlock): Uint8Array {
  const bytes = new Uint8Array(DATA_HEADER_BYTES + route.bytes.length);
  encodeDataHeader(bytes, 0, header, route);
  return bytes;
}

const routeOf = ({ header, path, graph, flood }: Vector['value']): RouteBlock =>
  path !== undefined
    ? pathBlock(path)
    : graph !== undefined
      ? graphBlock({ ...header, edges: graph })
      : flood === true
        ? FLOOD_ROUTE
        : NO_ROUTE;

for (const { name, hex, value } of vectors) {
  test(`golden vector: ${name}`, () => {
    assert.equal(toHex(packetOf(value.header, routeOf(value))), hex);
    const header = blankDataHeader();
    const bytes = fromHex(hex)!;
    assert.equal(decodeDataHeader(header, bytes, 0, bytes.length), undefined);
    const since = { lap: undefined, proofWords: undefined };
    assert.deepEqual({ ...header, ...since }, { ...value.header, ...since });
  });
}

const addresses = fc.integer({ min: 1, max: 0xffff_ffff }).map((n) => n as NodeAddress);
const times = fc.nat(0xffff).map((n) => (100 * n) as Duration);

test('a header survives the wire with a path of any length', () => {
  const headers = fc.record({
    hopLimit: fc.nat(255),
    lane: fc.nat(255),
    kind: fc.nat(15),
    source: addresses,
    destination: addresses,
    epoch: fc.nat(0xffff_ffff),
    flow: fc.nat(0xffff),
    sequence: fc.nat(0xffff_ffff),
    recovery: fc.nat(15),
    priority: fc.nat(15),
    requests: fc.nat(15),
    retransmissions: fc.nat(15),
    deadline: times,
    age: times,
    lap: fc.nat(255),
    routeIndex: fc.constant(1),
    proofWords: fc.constant(0),
  });
  const paths = fc.array(addresses, { minLength: 1, maxLength: 16 });
  fc.assert(
    fc.property(headers, paths, (fields, path) => {
      const header = { ...fields, routeForm: ROUTE_PATH, routeWords: path.length };
      const bytes = packetOf(header, pathBlock(path));
      const decoded = blankDataHeader();
      assert.equal(decodeDataHeader(decoded, bytes, 0, bytes.length), undefined);
      assert.deepEqual(decoded, header);
      const hops = path.map((_, i) => pathHop(bytes, DATA_HEADER_BYTES, i));
      assert.deepEqual(hops, path);
    }),
  );
});

test('a graph survives the wire, narrow or wide: each node finds its own edges and no others', () => {
  const graphs = fc.integer({ min: 2, max: 40 }).chain((nodes) => {
    const places = fc.integer({ min: 1, max: nodes }).map((n) => n as NodeAddress);
    return fc.uniqueArray(fc.record({ from: places, to: places }), {
      minLength: 1,
      maxLength: GRAPH_EDGES_MAX,
      selector: ({ from, to }) => from * 100 + to,
    });
  });
  fc.assert(
    fc.property(graphs, (edges) => {
      const header = { ...blankDataHeader(), source: 1, destination: 2 } as DataHeader;
      const bytes = packetOf(header, graphBlock({ ...header, edges }));
      assert.equal(decodeDataHeader(header, bytes, 0, bytes.length), undefined);
      assert.equal(header.routeForm, ROUTE_GRAPH);
      for (let self = 1; self <= 42; self++) {
        const hops: NodeAddress[] = [];
        graphNextHops(hops, bytes, DATA_HEADER_BYTES, self as NodeAddress, header);
        const own = edges.filter(({ from }) => from === self).map(({ to }) => to);
        assert.deepEqual(hops, own);
      }
    }),
  );
});

test('a graph of up to 256 links fits a packet, one of 257 does not', () => {
  const address = (n: number): NodeAddress => (n + 1) as NodeAddress;
  const chain = (length: number): GraphRoute => ({
    source: address(0),
    destination: address(1),
    edges: Array.from({ length }, (_, i) => ({
      from: address(i % 16),
      to: address(Math.floor(i / 16)),
    })),
  });
  assert.ok(fitsGraphBlock(chain(256)));
  assert.equal(graphBlock(chain(256)).bytes.length, 316);
  assert.equal(fitsGraphBlock(chain(257)), false);
});

test('whatever the bytes, decoding neither throws nor reads past its end', () => {
  const header = blankDataHeader();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      if (bytes.length > 3) {
        bytes[0] = 0x10;
        bytes[3]! &= 0x3f;
      }
      if (decodeDataHeader(header, bytes, 0, bytes.length) !== undefined) return;
      assert.ok(DATA_HEADER_BYTES + 4 * header.routeWords <= bytes.length);
      const hops: NodeAddress[] = [];
      if (header.routeForm === ROUTE_GRAPH)
        graphNextHops(hops, bytes, DATA_HEADER_BYTES, header.source, header);
    }),
    { numRuns: 2000 },
  );
});

test('a copy of a header leaves no field out', () => {
  const names = Object.keys(blankDataHeader());
  const header = Object.fromEntries(names.map((name, i) => [name, i + 1]));
  const copy = blankDataHeader();
  copyDataHeader(header as unknown as DataHeader, copy);
  assert.deepEqual(copy, header);
});
