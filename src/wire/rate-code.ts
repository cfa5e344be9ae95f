/**
 * A rate in one byte, for link state that carries two of them for each link: a number with a mantissa of
 * five significant bits, so that the error is at most 3.2 % from 256 kbit/s to 3.9 Gbit/s.
 *
 *    0   1   2   3   4   5   6   7
 *   +---------------+---------------+     e = 0: m * 8 kbit/s
 *   | exponent e    | mantissa m    |     e > 0: (16 + m) * 2^(e - 1) * 8 kbit/s
 *   +---------------+---------------+
 *
 * 255 says that nobody knows.
 */
export const RATE_CODE_NONE = 255;
const RATE_CODE_MAX = 254;
const UNIT = 8_000;

/** The nearest code of so many bits a second; what is above the scale goes to its end. */
export function encodeRateCode(bitsPerSecond: number): number {
  let mantissa = Math.round(bitsPerSecond / UNIT);
  let exponent = 0;
  for (; mantissa > 31 && exponent < 15; exponent++)
    mantissa = Math.round(bitsPerSecond / (UNIT * 2 ** (exponent + 1)));
  // Up to 31 units the two forms meet: 16 + m of the first exponent.
  return Math.min(RATE_CODE_MAX, 16 * exponent + mantissa);
}

/** Bits a second; undefined for `RATE_CODE_NONE`. */
export function decodeRateCode(code: number): number | undefined {
  if (code === RATE_CODE_NONE) return undefined;
  const exponent = code >> 4;
  const mantissa = code & 15;
  return exponent === 0 ? mantissa * UNIT : (16 + mantissa) * 2 ** (exponent - 1) * UNIT;
}
