/**
 * The proof that a packet is its source's, behind the payload of a signed packet. The source signs
 * packets in batches: the root of a hash tree (Merkle, CRYPTO 1987) over up to 32 of them. Each packet
 * has with it what leads from itself to the root, so that it is verified alone, whatever became of the
 * others.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   |   siblings, from the leaf upwards, 16 bytes each              |  0
 *   +---------------------------------------------------------------+
 *   |   Ed25519 signature of the root, 64 bytes                     |  16 * depth
 *   +---------------+---------------+-------------------------------+
 *   | depth         | place         | 0                             |  16 * depth + 64
 *   +---------------+---------------+-------------------------------+
 *
 * The data header's `proof words` are its length in words of 4 bytes, 0 for a packet that is not
 * signed. Hashes are the first 16 bytes of SHA-256: of a leaf over the frame without its proof and with
 * 0 in what nodes change on the way (hop limit, route index, age, lap), of an inner node over `01`,
 * left and right. Places beyond the last packet of a batch are 16 zero bytes. Signed is
 * `PROOF_CONTEXT || network id || source || root`.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { concatBytes, utf8Encode, writeU16, writeU32 } from '../kernel/index.ts';
import { DATA_AGE_AT, DATA_LAP_AT, DATA_ROUTE_INDEX_AT } from './data-packet.ts';

export const PROOF_DEPTH_MAX = 5;
/** Packets under one signature. */
export const PROOF_BATCH_MAX: number = 1 << PROOF_DEPTH_MAX;
export const PROOF_HASH_BYTES = 16;
export const PROOF_SIGNATURE_BYTES = 64;
const TAIL_BYTES = 4;
export const proofBytes = (depth: number): number =>
  PROOF_HASH_BYTES * depth + PROOF_SIGNATURE_BYTES + TAIL_BYTES;
export const PROOF_BYTES_MAX: number = proofBytes(PROOF_DEPTH_MAX);
export const PROOF_CONTEXT: Uint8Array = utf8Encode('overlane packets 1\n');

export interface PacketProof {
  /** From the leaf upwards; at most `PROOF_DEPTH_MAX`. */
  readonly siblings: readonly Uint8Array[];
  readonly signature: Uint8Array;
  /** Of the packet among those of its batch, from 0. */
  readonly place: number;
}

export function encodeProof({ siblings, signature, place }: PacketProof): Uint8Array {
  const tail = Uint8Array.of(siblings.length, place, 0, 0);
  return concatBytes(...siblings, signature, tail);
}

/** Views into [at, end); undefined unless it is a proof in form. */
export function decodeProof(bytes: Uint8Array, at: number, end: number): PacketProof | undefined {
  const size = end - at;
  if (size < proofBytes(0) || size > PROOF_BYTES_MAX) return undefined;
  const tail = end - TAIL_BYTES;
  const depth = bytes[tail]!;
  const place = bytes[tail + 1]!;
  if (size !== proofBytes(depth) || place >= 1 << depth) return undefined;
  if (bytes[tail + 2] !== 0 || bytes[tail + 3] !== 0) return undefined;
  const signatureAt = at + PROOF_HASH_BYTES * depth;
  const siblings: Uint8Array[] = [];
  for (let hash = at; hash < signatureAt; hash += PROOF_HASH_BYTES)
    siblings.push(bytes.subarray(hash, hash + PROOF_HASH_BYTES));
  return { siblings, signature: bytes.subarray(signatureAt, tail), place };
}

/** What the signature covers. */
export function proofSigningInput(
  networkId: Uint8Array,
  source: NodeAddress,
  root: Uint8Array,
): Uint8Array {
  const name = new Uint8Array(4);
  writeU32(name, 0, source);
  return concatBytes(PROOF_CONTEXT, networkId, name, root);
}

/**
 * Calls `hash` on the frame at [at, end) as it was signed: what changes on the way is 0 during the
 * call, and as before after it.
 */
export function asSigned<T>(
  bytes: Uint8Array,
  at: number,
  end: number,
  hash: (frame: Uint8Array) => T,
): T {
  const [hops, index, lap] = [
    bytes[at + 1]!,
    bytes[at + DATA_ROUTE_INDEX_AT]!,
    bytes[at + DATA_LAP_AT]!,
  ];
  const [ageHigh, ageLow] = [bytes[at + DATA_AGE_AT]!, bytes[at + DATA_AGE_AT + 1]!];
  bytes[at + 1] = 0;
  bytes[at + DATA_ROUTE_INDEX_AT] = 0;
  bytes[at + DATA_LAP_AT] = 0;
  writeU16(bytes, at + DATA_AGE_AT, 0);
  const result = hash(bytes.subarray(at, end));
  bytes[at + 1] = hops;
  bytes[at + DATA_ROUTE_INDEX_AT] = index;
  bytes[at + DATA_LAP_AT] = lap;
  bytes[at + DATA_AGE_AT] = ageHigh;
  bytes[at + DATA_AGE_AT + 1] = ageLow;
  return result;
}
