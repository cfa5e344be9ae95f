/**
 * Body of a link-state record: the links its origin has up, as the origin measures them.
 *
 *    0               1               2               3
 *   +---------------+---------------+-------------------------------+
 *   | flags         | link count    | extension bytes               |  0
 *   +---------------+---------------+-------------------------------+
 *   |   links, 16 bytes each, in ascending order of neighbour:      |  4
 *   |                          neighbour                            |
 *   |   one-way latency, microseconds (24)          | jitter, ms    |
 *   |   loss out, ppm (24)                          | loss in, ppm  |
 *   |   (24, continued)             |P| datagram bytes that pass    |
 *   +---------------------------------------------------------------+
 *   |   extensions: type (8), length (8), value; unknown are kept   |
 *   +---------------------------------------------------------------+
 *   |   Ed25519 signature of the origin (64)                        |
 *
 * Flag bit 0: withdrawn, the origin is leaving; there are no links then. Other flags are zero.
 * P: on probation, the link has failed lately and is a last resort until it has proven itself.
 * Values saturate: latency at 16.7 s, jitter at 255 ms. Loss out is from the origin to the
 * neighbour; both ends report both directions, and the worse report counts (`routing/topology.ts`).
 *
 * The signature is over a context string, the network id, the record's version (14 bytes, see
 * `flood.ts`) and everything in the body before it: a record of one network, key or version can
 * never stand for another's.
 */
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { ByteReader, ByteWriter, isNodeAddress, utf8Encode } from '../kernel/index.ts';
import type { RecordVersion } from './flood.ts';
import { RECORD_BODY_BYTES_MAX, writeVersion } from './flood.ts';
import type { LinkBandwidth } from './link-bandwidth.ts';

export const LINKS_PER_RECORD_MAX = 64;
export const LINK_STATE_SIGNATURE_BYTES = 64;

const HEADER_BYTES = 4;
const LINK_BYTES = 16;
const LATENCY_MAX = 0xff_ffff;
const FLAG_WITHDRAWN = 1;
const PPM = 1_000_000;
const MTU_MAX = 0x7fff;
const PROBATION = 0x8000;

export interface LinkReport {
  readonly neighbour: NodeAddress;
  /** One way: half the smoothed round-trip time. */
  readonly latency: Duration;
  /** Whole milliseconds on the wire. */
  readonly jitter: Duration;
  readonly lossOutPpm: number;
  readonly lossInPpm: number;
  readonly mtu: number;
  /** It has failed lately: a last resort. Absent where it has not. */
  readonly isOnProbation?: true;
  /** Outwards, as an extension tells it (`link-bandwidth.ts`). Absent where nobody knows. */
  readonly bandwidth?: LinkBandwidth;
}

export interface LinkState {
  readonly isWithdrawn: boolean;
  /** Ascending by neighbour, at most `LINKS_PER_RECORD_MAX`. */
  readonly links: readonly LinkReport[];
  /** Encoded type-length-value fields that this version may not know. */
  readonly extensions: Uint8Array;
}

export interface SignedLinkState extends LinkState {
  /** What the signature covers of the body: a view of everything before it. */
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
}

/** The body without its signature. */
export function encodeLinkState(state: LinkState): Uint8Array {
  const w = new ByteWriter(HEADER_BYTES + state.links.length * LINK_BYTES);
  w.u8(state.isWithdrawn ? FLAG_WITHDRAWN : 0)
    .u8(state.links.length)
    .u16(state.extensions.length);
  for (const link of state.links) {
    w.u32(link.neighbour);
    writeU24(w, Math.min(LATENCY_MAX, link.latency));
    w.u8(Math.min(255, Math.round(link.jitter / 1000)));
    writeU24(w, Math.min(PPM, link.lossOutPpm));
    writeU24(w, Math.min(PPM, link.lossInPpm));
    w.u16(Math.min(MTU_MAX, link.mtu) | (link.isOnProbation === true ? PROBATION : 0));
  }
  return w.raw(state.extensions).finish();
}

/** Undefined unless the body is sound in form; the signature is the caller's to check. */
export function decodeLinkState(body: Uint8Array): SignedLinkState | undefined {
  const contentEnd = body.length - LINK_STATE_SIGNATURE_BYTES;
  if (body.length > RECORD_BODY_BYTES_MAX || contentEnd < HEADER_BYTES) return undefined;
  const r = new ByteReader(body, 0, contentEnd);
  const flags = r.u8();
  const count = r.u8();
  const extensionBytes = r.u16();
  if (flags > FLAG_WITHDRAWN || count > LINKS_PER_RECORD_MAX) return undefined;
  const isWithdrawn = flags === FLAG_WITHDRAWN;
  if (isWithdrawn && count > 0) return undefined;
  const links = readLinks(r, count);
  const extensions = r.view(extensionBytes);
  if (links === undefined || !r.finish() || !areExtensionsSound(extensions)) return undefined;
  return {
    isWithdrawn,
    links,
    extensions,
    content: body.subarray(0, contentEnd),
    signature: body.subarray(contentEnd),
  };
}

const CONTEXT = utf8Encode('overlane/link-state/1');

/** The bytes an origin signs. */
export function linkStateSigningInput(
  networkId: Uint8Array,
  version: RecordVersion,
  content: Uint8Array,
): Uint8Array {
  const w = new ByteWriter(CONTEXT.length + networkId.length + 14 + content.length);
  w.raw(CONTEXT).raw(networkId);
  writeVersion(w, version);
  return w.raw(content).finish();
}

function readLinks(r: ByteReader, count: number): LinkReport[] | undefined {
  const links: LinkReport[] = [];
  let before = 0;
  for (let i = 0; i < count; i++) {
    const neighbour = r.u32();
    const latency = readU24(r) as Duration;
    const jitter = (r.u8() * 1000) as Duration;
    const lossOutPpm = readU24(r);
    const lossInPpm = readU24(r);
    const word = r.u16();
    const mtu = word & MTU_MAX;
    if (!isNodeAddress(neighbour) || neighbour <= before) return undefined;
    if (lossOutPpm > PPM || lossInPpm > PPM) return undefined;
    before = neighbour;
    const figures = { neighbour, latency, jitter, lossOutPpm, lossInPpm, mtu };
    links.push(word >= PROBATION ? { ...figures, isOnProbation: true } : figures);
  }
  return links;
}

function areExtensionsSound(extensions: Uint8Array): boolean {
  const r = new ByteReader(extensions);
  while (r.ok && r.remaining > 0) {
    r.u8();
    r.view(r.u8());
  }
  return r.ok;
}

const writeU24 = (w: ByteWriter, n: number): ByteWriter => w.u8(n >>> 16).u16(n & 0xffff);
const readU24 = (r: ByteReader): number => r.u8() * 0x1_0000 + r.u16();
