/**
 * Reed-Solomon over GF(256) as a Cauchy matrix: parity j of shards i is the sum of shard_i / (x_j + y_i),
 * x_j = j, y_i = 8 + i. Every square part of such a matrix has an inverse, so any as many parities as
 * shards are missing give them back. See parity-frame.ts for the bytes.
 */
const POLYNOMIAL = 0x11d;
const PARITY_PLACES = 8;

const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);

let power = 1;
for (let i = 0; i < 255; i++) {
  EXP[i] = power;
  EXP[i + 255] = power;
  LOG[power] = i;
  power <<= 1;
  if (power > 255) power ^= POLYNOMIAL;
}

const inverse = (x: number): number => EXP[255 - LOG[x]!]!;
const multiply = (a: number, b: number): number =>
  a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!;

/** Factor of shard `shard` in parity `parity`. */
const coefficient = (parity: number, shard: number): number =>
  inverse(parity ^ (PARITY_PLACES + shard));

/** into += factor * from, byte by byte; `offset`: where in `into` the first byte goes. */
function addScaled(into: Uint8Array, from: Uint8Array, factor: number, offset = 0): void {
  if (factor === 0) return;
  const log = LOG[factor]!;
  for (let n = 0; n < from.length; n++) {
    const byte = from[n]!;
    if (byte !== 0) into[n + offset]! ^= EXP[LOG[byte]! + log]!;
  }
}

/** Adds frame number `shard`, behind its length, to a parity. */
export function addToParity(
  parity: Uint8Array,
  place: { readonly parity: number; readonly shard: number },
  frame: Uint8Array,
): void {
  const factor = coefficient(place.parity, place.shard);
  parity[0]! ^= multiply(factor, frame.length >>> 8);
  parity[1]! ^= multiply(factor, frame.length & 255);
  addScaled(parity, frame, factor, 2);
}

/**
 * Solves for the shards numbered `missing` from as many parities, from each of which all other shards
 * have been taken out (adding again takes out). The parities are used up. Shards in the order of `missing`.
 */
export function solve(
  missing: readonly number[],
  parities: readonly { readonly index: number; readonly bytes: Uint8Array }[],
): Uint8Array[] {
  const size = missing.length;
  const rows = parities.slice(0, size).map(({ index, bytes }) => ({
    bytes,
    factors: missing.map((shard) => coefficient(index, shard)),
  }));
  for (let column = 0; column < size; column++) {
    // All minors of a Cauchy matrix are other than zero: no pivot needs to be sought.
    const pivot = rows[column]!;
    scale(pivot, inverse(pivot.factors[column]!));
    for (const row of rows) {
      const factor = row.factors[column]!;
      if (row === pivot || factor === 0) continue;
      addScaled(row.bytes, pivot.bytes, factor);
      for (let i = 0; i < size; i++) row.factors[i]! ^= multiply(factor, pivot.factors[i]!);
    }
  }
  return rows.map((row) => row.bytes);
}

function scale(row: { bytes: Uint8Array; factors: number[] }, factor: number): void {
  for (let n = 0; n < row.bytes.length; n++) row.bytes[n] = multiply(row.bytes[n]!, factor);
  row.factors = row.factors.map((own) => multiply(own, factor));
}

/** The frame in a shard that was solved; undefined when the length cannot be. */
export function frameOfShard(shard: Uint8Array): Uint8Array | undefined {
  const length = shard[0]! * 256 + shard[1]!;
  return length === 0 || length > shard.length - 2 ? undefined : shard.subarray(2, 2 + length);
}
