/**
 * The data frame: one overlay packet on its way from a source node to a destination node. What
 * forwarding nodes need is in the clear to them (each link seals it whole); the payload is sealed
 * end to end unless `kind` says otherwise.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | frame 0x10    | hop limit     | lane          | kind          |  0
 *   +---------------+---------------+---------------+---------------+
 *   |                        source address                         |  4
 *   +---------------------------------------------------------------+
 *   |                     destination address                       |  8
 *   +---------------------------------------------------------------+
 *   |                         source epoch                          | 12
 *   +-------------------------------+---------------+---------------+
 *   |          flow label           | route length  | route index   | 16
 *   +-------------------------------+---------------+---------------+
 *   |                       sequence number                         | 20
 *   +---------------------------------------------------------------+
 *   |   route: `route length` node addresses of 4 bytes, in order   | 24
 *   +---------------------------------------------------------------+
 *   |   payload, to the end of the packet                           |
 *
 * (source, epoch, flow, sequence) names a packet for the life of the network: de-duplication and the
 * end-to-end nonce rest on it. A route, where present, is every node after the source up to and
 * including the destination; `route index` counts those already reached. Route length 0 means: each
 * node decides.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';
import { FRAME_DATA } from './packet-types.ts';

export const DATA_HEADER_BYTES = 24;
export const HOP_LIMIT_DEFAULT = 64;
export const EXPLICIT_ROUTE_HOPS_MAX = 16;

/** Payload kinds. */
export const KIND_SEALED = 0;
/** End-to-end session set-up (`sockets/`). */
export const KIND_SESSION = 1;
/** Echo request, echo reply, hop limit exceeded, unreachable: sealed hop by hop only. */
export const KIND_NODE_CONTROL = 2;

export interface DataHeader {
  hopLimit: number;
  lane: number;
  kind: number;
  source: NodeAddress;
  destination: NodeAddress;
  epoch: number;
  flow: number;
  sequence: number;
  routeLength: number;
  routeIndex: number;
}

/** A header to decode into, so that the packet path allocates none. */
export function blankDataHeader(): DataHeader {
  return {
    hopLimit: 0,
    lane: 0,
    kind: 0,
    source: 0 as NodeAddress,
    destination: 0 as NodeAddress,
    epoch: 0,
    flow: 0,
    sequence: 0,
    routeLength: 0,
    routeIndex: 0,
  };
}

export type DataHeaderFault = 'truncated' | 'not-data' | 'bad-address' | 'bad-route';

/** Decodes the header at `at`; undefined when it is sound, otherwise what is wrong with it. */
export function decodeDataHeader(
  into: DataHeader,
  bytes: Uint8Array,
  at: number,
  end: number,
): DataHeaderFault | undefined {
  if (end - at < DATA_HEADER_BYTES) return 'truncated';
  if (bytes[at] !== FRAME_DATA) return 'not-data';
  into.hopLimit = bytes[at + 1]!;
  into.lane = bytes[at + 2]!;
  into.kind = bytes[at + 3]!;
  into.source = readU32(bytes, at + 4) as NodeAddress;
  into.destination = readU32(bytes, at + 8) as NodeAddress;
  into.epoch = readU32(bytes, at + 12);
  into.flow = readU16(bytes, at + 16);
  into.routeLength = bytes[at + 18]!;
  into.routeIndex = bytes[at + 19]!;
  into.sequence = readU32(bytes, at + 20);
  if (into.source === 0 || into.destination === 0) return 'bad-address';
  if (into.routeLength > EXPLICIT_ROUTE_HOPS_MAX || into.routeIndex > into.routeLength)
    return 'bad-route';
  if (end - at < DATA_HEADER_BYTES + 4 * into.routeLength) return 'truncated';
  return undefined;
}

/** Bytes before the payload. */
export const dataHeaderBytes = (header: DataHeader): number =>
  DATA_HEADER_BYTES + 4 * header.routeLength;

/** The route's node number `i`. */
export const routeHop = (bytes: Uint8Array, at: number, i: number): NodeAddress =>
  readU32(bytes, at + DATA_HEADER_BYTES + 4 * i) as NodeAddress;

/** Writes header and route at `at`; the caller has made room for `dataHeaderBytes`. */
export function encodeDataHeader(
  bytes: Uint8Array,
  at: number,
  header: DataHeader,
  route: readonly NodeAddress[],
): void {
  bytes[at] = FRAME_DATA;
  bytes[at + 1] = header.hopLimit;
  bytes[at + 2] = header.lane;
  bytes[at + 3] = header.kind;
  writeU32(bytes, at + 4, header.source);
  writeU32(bytes, at + 8, header.destination);
  writeU32(bytes, at + 12, header.epoch);
  writeU16(bytes, at + 16, header.flow);
  bytes[at + 18] = route.length;
  bytes[at + 19] = header.routeIndex;
  writeU32(bytes, at + 20, header.sequence);
  for (let i = 0; i < route.length; i++) writeU32(bytes, at + DATA_HEADER_BYTES + 4 * i, route[i]!);
}
