/** Hash trees over batches of packets, for one signature over all: `wire/packet-proof.ts`. */
import type { Crypto } from '../kernel/index.ts';
import { concatBytes } from '../kernel/index.ts';
import { asSigned, PROOF_HASH_BYTES } from '../wire/index.ts';

/** Frames begin with the data frame's own number, so that no leaf looks like an inner node. */
const INNER = Uint8Array.of(1);
const NOBODY = new Uint8Array(PROOF_HASH_BYTES);

/** Of the data frame at [at, end), without its proof. The frame is as before afterwards. */
export const packetLeaf = (
  crypto: Crypto,
  bytes: Uint8Array,
  at: number,
  end: number,
): Uint8Array =>
  asSigned(bytes, at, end, (frame) => crypto.sha256(frame).subarray(0, PROOF_HASH_BYTES));

const inner = (crypto: Crypto, left: Uint8Array, right: Uint8Array): Uint8Array =>
  crypto.sha256(concatBytes(INNER, left, right)).subarray(0, PROOF_HASH_BYTES);

export interface PacketTree {
  readonly root: Uint8Array;
  /** What leads from the leaf at a place to the root, from below. */
  siblings(place: number): Uint8Array[];
}

export function packetTree(crypto: Crypto, leaves: readonly Uint8Array[]): PacketTree {
  const levels: Uint8Array[][] = [[...leaves]];
  for (let level = levels[0]!; level.length > 1; ) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2)
      above.push(inner(crypto, level[i]!, level[i + 1] ?? NOBODY));
    levels.push(above);
    level = above;
  }
  return {
    root: levels.at(-1)![0]!,
    siblings: (place) =>
      levels.slice(0, -1).map((level, height) => level[(place >> height) ^ 1] ?? NOBODY),
  };
}

/** The root that a leaf leads to. */
export function packetRoot(
  crypto: Crypto,
  leaf: Uint8Array,
  place: number,
  siblings: readonly Uint8Array[],
): Uint8Array {
  let hash = leaf;
  siblings.forEach((sibling, height) => {
    const isRight = ((place >> height) & 1) === 1;
    hash = isRight ? inner(crypto, sibling, hash) : inner(crypto, hash, sibling);
  });
  return hash;
}
