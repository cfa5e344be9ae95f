/**
 * The route that a source stamps on its packets, behind the data header, in whole words of 4 bytes.
 *
 * A path names every node after the source, destination last; the header's route index counts those
 * already reached.
 *
 * A dissemination graph names the directed links on which the packet travels. Each node sends it on
 * those that leave itself; nothing else need be known, so a node that has just restarted forwards.
 *
 *   +---------------+---------------+---------------+---------------+
 *   | nodes         | edges         | 0             | 0             |  0
 *   +---------------+---------------+---------------+---------------+
 *   |   `nodes` node addresses of 4 bytes                           |  4
 *   |   `edges` pairs of places in that list: from (u8), to (u8)    |
 *   |   0, to a whole word                                          |
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
export const GRAPH_EDGES_MAX = 255;
const GRAPH_HEAD_BYTES = 4;

export interface RouteBlock {
  readonly form: number;
  /** A whole number of words. */
  readonly bytes: Uint8Array;
}

export interface GraphEdge {
  readonly from: NodeAddress;
  readonly to: NodeAddress;
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

/** `edges`: 1 .. `GRAPH_EDGES_MAX`, each once. */
export function graphBlock(edges: readonly GraphEdge[]): RouteBlock {
  assert(edges.length > 0 && edges.length <= GRAPH_EDGES_MAX, 'a graph of 1 to 255 edges');
  const nodes = [...new Set(edges.flatMap(({ from, to }) => [from, to]))];
  const pairsAt = GRAPH_HEAD_BYTES + 4 * nodes.length;
  const words = Math.ceil((pairsAt + 2 * edges.length) / 4);
  assert(nodes.length <= 255 && words <= ROUTE_WORDS_MAX, 'a graph of at most 255 words');
  const bytes = new Uint8Array(4 * words);
  bytes[0] = nodes.length;
  bytes[1] = edges.length;
  nodes.forEach((node, i) => {
    writeU32(bytes, GRAPH_HEAD_BYTES + 4 * i, node);
  });
  edges.forEach(({ from, to }, i) => {
    bytes[pairsAt + 2 * i] = nodes.indexOf(from);
    bytes[pairsAt + 2 * i + 1] = nodes.indexOf(to);
  });
  return { form: ROUTE_GRAPH, bytes };
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
): void {
  const nodes = bytes[at]!;
  const edges = bytes[at + 1]!;
  const nodesAt = at + GRAPH_HEAD_BYTES;
  const pairsAt = nodesAt + 4 * nodes;
  let own = 0;
  while (own < nodes && readU32(bytes, nodesAt + 4 * own) !== self) own++;
  if (own === nodes) return;
  for (let i = 0; i < edges; i++)
    if (bytes[pairsAt + 2 * i] === own)
      into.push(readU32(bytes, nodesAt + 4 * bytes[pairsAt + 2 * i + 1]!) as NodeAddress);
}

function graphFault(bytes: Uint8Array, at: number, size: number): RouteFault | undefined {
  if (size < GRAPH_HEAD_BYTES) return 'bad-route';
  const nodes = bytes[at]!;
  const edges = bytes[at + 1]!;
  const pairsAt = at + GRAPH_HEAD_BYTES + 4 * nodes;
  if (edges === 0 || size !== 4 * Math.ceil((GRAPH_HEAD_BYTES + 4 * nodes + 2 * edges) / 4))
    return 'bad-route';
  for (let i = 0; i < 2 * edges; i++) if (bytes[pairsAt + i]! >= nodes) return 'bad-route';
  return undefined;
}
