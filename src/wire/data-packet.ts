/**
 * The data frame: one overlay packet on its way from a source node to a destination node. What
 * forwarding nodes need is in the clear to them (each link seals it whole); the payload is sealed
 * end to end unless `kind` says otherwise.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | frame 0x10    | hop limit     | lane          | form  | kind  |  0
 *   +---------------+---------------+---------------+---------------+
 *   |                        source address                         |  4
 *   +---------------------------------------------------------------+
 *   |                     destination address                       |  8
 *   +---------------------------------------------------------------+
 *   |                         source epoch                          | 12
 *   +-------------------------------+---------------+---------------+
 *   |          flow label           | route words   | route index   | 16
 *   +-------------------------------+---------------+---------------+
 *   |                       sequence number                         | 20
 *   +-------+-------+-------+-------+-------------------------------+
 *   | recov.| prio. | req.  | retr. |     deadline, 100 us          | 24
 *   +-------+-------+-------+-------+-------------------------------+
 *   |          age, 100 us          | lap           | proof words   | 28
 *   +---------------------------------------------------------------+
 *   |   route: `route words` of 4 bytes, see route-block.ts         | 32
 *   +---------------------------------------------------------------+
 *   |   payload                                                     |
 *   +---------------------------------------------------------------+
 *   |   proof: `proof words` of 4 bytes, see packet-proof.ts        |
 *
 * (source, epoch, flow, sequence) names a packet for the life of the network: de-duplication and the
 * end-to-end nonce rest on it. `form` is the route's, see route-block.ts. The 4-bit fields of byte 24
 * are the packet's service, see service.ts. `age` is how long the packet has been on its way, as the
 * nodes on it have added up: half a round trip for each link, and what it waited. `lap` counts how often a
 * node took the packet back from a link that died: a node forwards a packet once in each lap. A packet
 * without a proof is not signed: anybody could have made its header.
 */
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';
import { FRAME_DATA } from './packet-types.ts';
import type { RouteBlock, RouteFault } from './route-block.ts';
import { routeFault } from './route-block.ts';
import type { PacketService } from './service.ts';

export const DATA_HEADER_BYTES = 32;
/** Where the byte stands whose upper half is the recovery, and whose lower the priority. */
export const DATA_RECOVERY_AT = 24;
/** What nodes change on the way, besides the hop limit: the route index, the age, the lap. */
export const DATA_ROUTE_INDEX_AT = 19;
export const DATA_AGE_AT = 28;
export const DATA_LAP_AT = 30;
const PROOF_WORDS_AT = 31;
export const HOP_LIMIT_DEFAULT = 64;
/** Step of `deadline` and `age`, in microseconds. */
export const DATA_TIME_STEP = 100;
const DATA_TIME_MAX = 0xffff * DATA_TIME_STEP;

/** Payload kinds; four bits. */
export const KIND_SEALED = 0;
/** End-to-end session set-up (`sockets/`). */
export const KIND_SESSION = 1;
/** Echo request, echo reply, hop limit exceeded, unreachable: sealed hop by hop only. */
export const KIND_NODE_CONTROL = 2;

export interface DataHeader extends PacketService {
  hopLimit: number;
  lane: number;
  kind: number;
  source: NodeAddress;
  destination: NodeAddress;
  epoch: number;
  flow: number;
  sequence: number;
  routeForm: number;
  routeWords: number;
  routeIndex: number;
  /** At most 6.5 s are told. */
  age: Duration;
  /** 0 but for packets that must not be lost. */
  lap: number;
  /** Of the proof behind the payload; 0: the packet is not signed. */
  proofWords: number;
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
    routeForm: 0,
    routeWords: 0,
    routeIndex: 0,
    recovery: 0,
    priority: 0,
    requests: 0,
    retransmissions: 0,
    deadline: 0 as Duration,
    age: 0 as Duration,
    lap: 0,
    proofWords: 0,
  };
}

/** Field by field: `Object.assign` costs several times as much. */
export function copyDataHeader(from: Readonly<DataHeader>, into: DataHeader): void {
  into.hopLimit = from.hopLimit;
  into.lane = from.lane;
  into.kind = from.kind;
  into.source = from.source;
  into.destination = from.destination;
  into.epoch = from.epoch;
  into.flow = from.flow;
  into.sequence = from.sequence;
  into.routeForm = from.routeForm;
  into.routeWords = from.routeWords;
  into.routeIndex = from.routeIndex;
  into.age = from.age;
  into.lap = from.lap;
  into.proofWords = from.proofWords;
  copyService(from, into);
}

export type DataHeaderFault = 'truncated' | 'not-data' | 'bad-address' | 'bad-proof' | RouteFault;

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
  into.kind = bytes[at + 3]! & 15;
  into.routeForm = bytes[at + 3]! >>> 4;
  into.source = readU32(bytes, at + 4) as NodeAddress;
  into.destination = readU32(bytes, at + 8) as NodeAddress;
  into.epoch = readU32(bytes, at + 12);
  into.flow = readU16(bytes, at + 16);
  into.routeWords = bytes[at + 18]!;
  into.routeIndex = bytes[at + 19]!;
  into.sequence = readU32(bytes, at + 20);
  into.recovery = bytes[at + 24]! >>> 4;
  into.priority = bytes[at + 24]! & 15;
  into.requests = bytes[at + 25]! >>> 4;
  into.retransmissions = bytes[at + 25]! & 15;
  into.deadline = (readU16(bytes, at + 26) * DATA_TIME_STEP) as Duration;
  into.age = (readU16(bytes, at + 28) * DATA_TIME_STEP) as Duration;
  into.lap = bytes[at + DATA_LAP_AT]!;
  into.proofWords = bytes[at + PROOF_WORDS_AT]!;
  if (into.source === 0 || into.destination === 0) return 'bad-address';
  if (into.proofWords > 0 && dataHeaderBytes(into) + 4 * into.proofWords > end - at)
    return 'bad-proof';
  if (into.routeForm === 0 && into.routeWords === 0)
    return into.routeIndex === 0 ? undefined : 'bad-route';
  const routeEnd = at + DATA_HEADER_BYTES + 4 * into.routeWords;
  if (routeEnd > end) return 'truncated';
  if (into.routeIndex > into.routeWords) return 'bad-route';
  return routeFault(into.routeForm, bytes, at + DATA_HEADER_BYTES, routeEnd);
}

/** Bytes before the payload. */
export const dataHeaderBytes = (header: Pick<DataHeader, 'routeWords'>): number =>
  DATA_HEADER_BYTES + 4 * header.routeWords;

/**
 * Writes header and route at `at`; the caller has made room for `DATA_HEADER_BYTES` and the route's
 * bytes. The route's form and length come from the route.
 */
export function encodeDataHeader(
  bytes: Uint8Array,
  at: number,
  header: DataHeader,
  route: RouteBlock,
): void {
  bytes[at] = FRAME_DATA;
  bytes[at + 1] = header.hopLimit;
  bytes[at + 2] = header.lane;
  bytes[at + 3] = (route.form << 4) | header.kind;
  writeU32(bytes, at + 4, header.source);
  writeU32(bytes, at + 8, header.destination);
  writeU32(bytes, at + 12, header.epoch);
  writeU16(bytes, at + 16, header.flow);
  bytes[at + 18] = route.bytes.length >>> 2;
  bytes[at + 19] = header.routeIndex;
  writeU32(bytes, at + 20, header.sequence);
  bytes[at + 24] = (header.recovery << 4) | header.priority;
  bytes[at + 25] = (header.requests << 4) | header.retransmissions;
  writeU16(bytes, at + 26, steps(header.deadline));
  writeU16(bytes, at + 28, steps(header.age));
  bytes[at + DATA_LAP_AT] = header.lap;
  bytes[at + PROOF_WORDS_AT] = header.proofWords;
  if (route.bytes.length > 0) bytes.set(route.bytes, at + DATA_HEADER_BYTES);
}

/** The age in an encoded frame: what changes on the way, besides hop limit and route index. */
export function writeAge(bytes: Uint8Array, at: number, age: Duration): void {
  writeU16(bytes, at + DATA_AGE_AT, steps(age));
}

/** Copies what a packet asks of links. */
export function copyService(from: Readonly<PacketService>, to: PacketService): void {
  to.recovery = from.recovery;
  to.priority = from.priority;
  to.requests = from.requests;
  to.retransmissions = from.retransmissions;
  to.deadline = from.deadline;
}

const steps = (time: Duration): number =>
  time >= DATA_TIME_MAX ? 0xffff : Math.round(time / DATA_TIME_STEP);
