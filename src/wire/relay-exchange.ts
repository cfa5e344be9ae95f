/**
 * How the nodes of a big mesh tell each other fresh round-trip times and find relays by them
 * (`routing/relays/`). Both frames go over a sealed link to a neighbour and no further, so the seal
 * says whose figures they are. Nodes are named by their place in the list of all members, ascending by
 * address; both ends must hold the same list, which its hash shows.
 *
 * RELAY_FIGURES: a node's own row and column of the matrix of round-trip times, 2 bytes a member.
 *
 *   +---------------------------------------------------------------+
 *   |   hash of the member list                                     |  0
 *   +-------------------------------+-------------------------------+
 *   |   round                       |   members                     |  4
 *   +-------------------------------+-------------------------------+
 *   |   for each member: what I measure of it (u8), what it measures of me (u8)   |  8
 *
 * RELAY_ADVICE: what a rendezvous finds in two nodes' figures, told to one of them. It replaces all that
 * the same rendezvous advised before: a client that is not listed is best reached directly.
 *
 *   +---------------------------------------------------------------+
 *   |   hash of the member list                                     |  0
 *   +-------------------------------+-------------------------------+
 *   |   round                       |   clients                     |  4
 *   +-------------------------------+-------------------------------+
 *   |   for each: destination (u16), relay (u16), rest (u8)                       |  8
 *
 * `rest` is the round-trip time from the relay to the destination; what comes before it the receiver
 * measures itself. Times are latency codes (`latency-code.ts`).
 */
import { ByteReader, readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';

export const RELAY_MEMBERS_MAX = 512;
/** Per frame, so that it fits the least MTU. */
export const RELAY_ADVICE_MAX = 200;
const HEADER_BYTES = 8;
const ADVICE_BYTES = 5;

export interface RelayFigures {
  readonly hash: number;
  readonly round: number;
  /** Of each member: what the sender measures of it, then what it measures of the sender. */
  readonly codes: Uint8Array;
}

export interface RelayHint {
  readonly destination: number;
  readonly relay: number;
  readonly rest: number;
}

export interface RelayAdvice {
  readonly hash: number;
  readonly round: number;
  readonly hints: readonly RelayHint[];
}

export function encodeRelayFigures(figures: RelayFigures): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + figures.codes.length);
  writeHeader(bytes, figures, figures.codes.length / 2);
  bytes.set(figures.codes, HEADER_BYTES);
  return bytes;
}

/** `codes` is a copy. Undefined unless sound in form. */
export function decodeRelayFigures(
  bytes: Uint8Array,
  at: number,
  end: number,
): RelayFigures | undefined {
  if (end - at < HEADER_BYTES) return undefined;
  const members = readU16(bytes, at + 6);
  if (members > RELAY_MEMBERS_MAX || end - at !== HEADER_BYTES + 2 * members) return undefined;
  const codes = bytes.slice(at + HEADER_BYTES, end);
  return { hash: readU32(bytes, at), round: readU16(bytes, at + 4), codes };
}

/** At most `RELAY_ADVICE_MAX` hints. */
export function encodeRelayAdvice(advice: RelayAdvice): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + ADVICE_BYTES * advice.hints.length);
  writeHeader(bytes, advice, advice.hints.length);
  let at = HEADER_BYTES;
  for (const { destination, relay, rest } of advice.hints) {
    writeU16(bytes, at, destination);
    writeU16(bytes, at + 2, relay);
    bytes[at + 4] = rest;
    at += ADVICE_BYTES;
  }
  return bytes;
}

export function decodeRelayAdvice(
  bytes: Uint8Array,
  at: number,
  end: number,
): RelayAdvice | undefined {
  const r = new ByteReader(bytes, at, end);
  const hash = r.u32();
  const round = r.u16();
  const count = r.u16();
  if (!r.ok || count > RELAY_ADVICE_MAX || r.remaining !== count * ADVICE_BYTES) return undefined;
  const hints: RelayHint[] = [];
  for (let i = 0; i < count; i++)
    hints.push({ destination: r.u16(), relay: r.u16(), rest: r.u8() });
  return r.finish() ? { hash, round, hints } : undefined;
}

function writeHeader(
  bytes: Uint8Array,
  { hash, round }: { hash: number; round: number },
  count: number,
): void {
  writeU32(bytes, 0, hash);
  writeU16(bytes, 4, round);
  writeU16(bytes, 6, count);
}
