/**
 * The maximal topology with minimal weights, as the manifest carries it in its field 9: which links may
 * exist and the least latency each may claim. Deterministic CBOR (`cbor.ts`); absent: any link, any
 * latency.
 *
 *   topology, map of 3, in this order:
 *     0 format (1)
 *     1 nodes: array of names, ascending, each in at least one link
 *     2 links: array of [place of one end, place of the other, least latency in microseconds]
 *
 * Places count from 0 in the list of nodes; of a link the smaller stands first, and links ascend by
 * their places. What nodes do with it is `security/permitted-links.ts`.
 */
import type { Duration } from '../kernel/index.ts';
import { CborReader, CborWriter } from './cbor.ts';
import { isNodeName, NODE_NAME_BYTES_MAX } from './certificate.ts';

export const TOPOLOGY_NODES_MAX = 256;
export const TOPOLOGY_LINKS_MAX = 1_024;
export const TOPOLOGY_BYTES_MAX = 8_192;
/** The longest a least latency may be. */
export const LATENCY_MIN_MAX: Duration = 10_000_000 as Duration;

const FORMAT = 1;
const FIELDS = 3;
const LINK_FIELDS = 3;

/** One link that may exist, in both directions. */
export interface MaximalLink {
  readonly ends: readonly [string, string];
  /** One way. 0: whatever is measured. */
  readonly latencyMin: Duration;
}

/** At least one link. */
export type MaximalTopology = readonly MaximalLink[];

/** Links in any order, no two with the same ends. */
export function encodeMaximalTopology(topology: MaximalTopology): Uint8Array {
  const nodes = [...new Set(topology.flatMap(({ ends }) => ends))].sort(byText);
  const placeOf = new Map(nodes.map((name, place) => [name, place]));
  const links = topology
    .map(({ ends, latencyMin }) => {
      const [a, b] = ends.map((name) => placeOf.get(name)!).sort((x, y) => x - y);
      return [a!, b!, latencyMin] as const;
    })
    .sort((x, y) => x[0] - y[0] || x[1] - y[1]);
  const out = new CborWriter().map(FIELDS);
  out.unsigned(0).unsigned(FORMAT);
  out.unsigned(1).array(nodes.length);
  for (const name of nodes) out.text(name);
  out.unsigned(2).array(links.length);
  for (const [a, b, latency] of links)
    out.array(LINK_FIELDS).unsigned(a).unsigned(b).unsigned(latency);
  return out.finish();
}

/** Undefined unless the bytes are the one encoding of a topology within all bounds. */
export function decodeMaximalTopology(bytes: Uint8Array): MaximalTopology | undefined {
  if (bytes.length > TOPOLOGY_BYTES_MAX) return undefined;
  const input = new CborReader(bytes);
  if (input.map(FIELDS) !== FIELDS) return undefined;
  input.key(0);
  if (input.unsigned() !== FORMAT) return undefined;
  input.key(1);
  const nodes = readNodes(input);
  input.key(2);
  const links: MaximalLink[] = [];
  const used = new Set<number>();
  let last = -1;
  const count = input.array(TOPOLOGY_LINKS_MAX);
  for (let i = 0; i < count && input.ok; i++) {
    if (input.array(LINK_FIELDS) !== LINK_FIELDS) input.reject();
    const [a, b] = [input.unsigned(nodes.length - 1), input.unsigned(nodes.length - 1)];
    const latencyMin = input.unsigned(LATENCY_MIN_MAX) as Duration;
    const place = a * TOPOLOGY_NODES_MAX + b;
    if (a >= b || place <= last) input.reject();
    last = place;
    used.add(a).add(b);
    links.push({ ends: [nodes[a]!, nodes[b]!], latencyMin });
  }
  if (!input.finish() || links.length === 0 || used.size !== nodes.length) return undefined;
  return links;
}

function readNodes(input: CborReader): string[] {
  const nodes: string[] = [];
  const count = input.array(TOPOLOGY_NODES_MAX);
  for (let i = 0; i < count && input.ok; i++) {
    const name = input.text(NODE_NAME_BYTES_MAX);
    if (!isNodeName(name) || (i > 0 && byText(nodes[i - 1]!, name) >= 0)) input.reject();
    nodes.push(name);
  }
  return nodes;
}

/** Node names are ASCII: code units are bytes. */
const byText = (x: string, y: string): number => (x < y ? -1 : Number(x > y));
