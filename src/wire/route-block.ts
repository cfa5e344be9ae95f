/**
 * The route that a source stamps on its packets, behind the data header, in whole words of 4 bytes.
 *
 * A path names every node after the source, destination last; the header's route index counts those
 * already reached.
 *
 * A dissemination graph names the directed links on which the packet travels. Each node sends it on
 * those that leave itself; nothing else need be known, so a node that has just restarted forwards.
 *
 *   +---------------+---------------+-------------------------------+
 *   | listed nodes  | edges - 1     | their addresses, 4 bytes each |  0
 *   +---------------+---------------+                               |
 *   |   edges, as pairs of places: from, to                         |  2 + 4 * listed nodes
 *   |   0, to a whole word                                          |
 *
 * Place 0 is the packet's source, place 1 its destination, the listed nodes follow from 2: the header
 * names the two ends already. With up to 16 places a pair is one byte, from in the high half;
 * otherwise two. Twelve edges over eight nodes are 40 bytes, four over four nodes 16.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { assert, readU32, writeU32 } from '../kernel/index.ts';

/** The form of a packet's route; four bits. Append-only. */
export const ROUTE_NONE = 0;
export const ROUTE_PATH = 1;
export const ROUTE_GRAPH = 2;
/** To every neighbour, at every node. */
export const ROUTE_FLOOD = 3;

export const ROUTE_WORDS_MAX = 255;
export const PATH_HOPS_MAX = 16;
export const GRAPH_EDGES_MAX = 256;
/** Nodes of a graph besides source and destination. */
export const GRAPH_LISTED_MAX = 254;
const GRAPH_HEAD_BYTES = 2;
/** Source and destination, which are not listed. */
const END_PLACES = 2;
/** Up to this many places, an edge is one byte. */
const NARROW_PLACES_MAX = 16;

export interface RouteBlock {
  readonly form: number;
  /** A whole number of words. */
  readonly bytes: Uint8Array;
}

export interface GraphEdge {
  readonly from: NodeAddress;
  readonly to: NodeAddress;
}

/** The two ends of a packet's way, as its header has them. */
export interface RouteEnds {
  readonly source: NodeAddress;
  readonly destination: NodeAddress;
}

/** Where the packets of a flow go: all of these links, in these directions. */
export interface GraphRoute extends RouteEnds {
  /** Each once. */
  readonly edges: readonly GraphEdge[];
}

/** Each node decides. */
export const NO_ROUTE: RouteBlock = { form: ROUTE_NONE, bytes: new Uint8Array(0) };
export const FLOOD_ROUTE: RouteBlock = { form: ROUTE_FLOOD, bytes: new Uint8Array(0) };

/** `hops`: every node after the source, 1 .. `PATH_HOPS_MAX`. */
export function pathBlock(hops: readonly NodeAddress[]): RouteBlock {
  assert(hops.length > 0 && hops.length <= PATH_HOPS_MAX, 'a path of 1 to 16 hops');
  const bytes = new Uint8Array(4 * hops.length);
  hops.forEach((hop, i) => {
    writeU32(bytes, 4 * i, hop);
  });
  return { form: ROUTE_PATH, bytes };
}

/** Whether a packet can carry it: `GRAPH_EDGES_MAX` edges, `ROUTE_WORDS_MAX` words. */
export function fitsGraphBlock(route: GraphRoute): boolean {
  const { length } = route.edges;
  const listed = placesOf(route).size - END_PLACES;
  return (
    length > 0 &&
    length <= GRAPH_EDGES_MAX &&
    listed >= 0 &&
    listed <= GRAPH_LISTED_MAX &&
    graphBytes(listed, length) <= 4 * ROUTE_WORDS_MAX
  );
}

/** Of a graph that fits. */
export function graphBlock(route: GraphRoute): RouteBlock {
  assert(fitsGraphBlock(route), 'a graph that a packet can carry');
  const { edges } = route;
  const places = placesOf(route);
  const listed = places.size - END_PLACES;
  const bytes = new Uint8Array(graphBytes(listed, edges.length));
  bytes[0] = listed;
  bytes[1] = edges.length - 1;
  for (const [node, place] of places)
    if (place >= END_PLACES) writeU32(bytes, GRAPH_HEAD_BYTES + 4 * (place - END_PLACES), node);
  const pairsAt = GRAPH_HEAD_BYTES + 4 * listed;
  edges.forEach(({ from, to }, i) => {
    const [tail, head] = [places.get(from)!, places.get(to)!];
    if (isNarrow(listed)) bytes[pairsAt + i] = (tail << 4) | head;
    else bytes.set([tail, head], pairsAt + 2 * i);
  });
  return { form: ROUTE_GRAPH, bytes };
}

const isNarrow = (listed: number): boolean => listed + END_PLACES <= NARROW_PLACES_MAX;

/** In whole words. */
const graphBytes = (listed: number, edges: number): number =>
  4 * Math.ceil((GRAPH_HEAD_BYTES + 4 * listed + (isNarrow(listed) ? edges : 2 * edges)) / 4);

function placesOf({ source, destination, edges }: GraphRoute): Map<NodeAddress, number> {
  const places = new Map([
    [source, 0],
    [destination, 1],
  ]);
  for (const { from, to } of edges)
    for (const node of [from, to]) if (!places.has(node)) places.set(node, places.size);
  return places;
}

export type RouteFault = 'bad-route';

/** What is wrong with the block of a form at [at, end); undefined: nothing. */
export function routeFault(
  form: number,
  bytes: Uint8Array,
  at: number,
  end: number,
): RouteFault | undefined {
  const size = end - at;
  if (form === ROUTE_PATH) return size > 0 && size <= 4 * PATH_HOPS_MAX ? undefined : 'bad-route';
  if (form === ROUTE_GRAPH) return graphFault(bytes, at, size);
  return form <= ROUTE_FLOOD && size === 0 ? undefined : 'bad-route';
}

/** Hop number `i` of the path at `at`. */
export const pathHop = (bytes: Uint8Array, at: number, i: number): NodeAddress =>
  readU32(bytes, at + 4 * i) as NodeAddress;

/** Appends to `into` where the graph at `at`, known to be sound, goes on from a node. */
export function graphNextHops(
  into: NodeAddress[],
  bytes: Uint8Array,
  at: number,
  self: NodeAddress,
  ends: RouteEnds,
): void {
  const listed = bytes[at]!;
  const edges = bytes[at + 1]! + 1;
  const nodesAt = at + GRAPH_HEAD_BYTES;
  const pairsAt = nodesAt + 4 * listed;
  const own = placeIn(bytes, nodesAt, listed, self, ends);
  if (own < 0) return;
  const narrow = isNarrow(listed);
  for (let i = 0; i < edges; i++) {
    const pair = narrow ? bytes[pairsAt + i]! : bytes[pairsAt + 2 * i]!;
    if ((narrow ? pair >>> 4 : pair) !== own) continue;
    const head = narrow ? pair & 15 : bytes[pairsAt + 2 * i + 1]!;
    into.push(
      head >= END_PLACES
        ? (readU32(bytes, nodesAt + 4 * (head - END_PLACES)) as NodeAddress)
        : head === 0
          ? ends.source
          : ends.destination,
    );
  }
}

/** -1: the node is not in the graph. */
function placeIn(
  bytes: Uint8Array,
  nodesAt: number,
  listed: number,
  node: NodeAddress,
  ends: RouteEnds,
): number {
  if (node === ends.source) return 0;
  if (node === ends.destination) return 1;
  for (let i = 0; i < listed; i++)
    if (readU32(bytes, nodesAt + 4 * i) === node) return i + END_PLACES;
  return -1;
}

function graphFault(bytes: Uint8Array, at: number, size: number): RouteFault | undefined {
  if (size < GRAPH_HEAD_BYTES) return 'bad-route';
  const listed = bytes[at]!;
  const edges = bytes[at + 1]! + 1;
  const places = listed + END_PLACES;
  if (listed > GRAPH_LISTED_MAX || size !== graphBytes(listed, edges)) return 'bad-route';
  const pairsAt = at + GRAPH_HEAD_BYTES + 4 * listed;
  if (isNarrow(listed)) {
    for (let i = pairsAt; i < pairsAt + edges; i++)
      if (bytes[i]! >>> 4 >= places || (bytes[i]! & 15) >= places) return 'bad-route';
    return undefined;
  }
  for (let i = pairsAt; i < pairsAt + 2 * edges; i++) if (bytes[i]! >= places) return 'bad-route';
  return undefined;
}
