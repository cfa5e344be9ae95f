/**
 * A latency in one byte, for messages that carry hundreds of them: a number with a mantissa of five
 * significant bits, so that the error is at most 3.2 % from 256 us to 15.8 s.
 *
 *    0   1   2   3   4   5   6   7
 *   +---------------+---------------+
 *   | exponent e    | mantissa m    |      (16 + m) * 2^e * 16 us
 *   +---------------+---------------+
 *
 * 255 says that there is no figure, because there is no link or because it is dead.
 */
import type { Duration } from '../kernel/index.ts';

export const LATENCY_CODE_NONE = 255;
const LATENCY_CODE_MAX = 254;
const UNIT = 16;

/** The nearest code; what is below 256 us or above 15.5 s goes to the end of the scale. */
export function encodeLatencyCode(latency: number): number {
  let mantissa = Math.round(latency / UNIT);
  let exponent = 0;
  while (mantissa > 31) {
    exponent++;
    mantissa = Math.round(latency / (UNIT * 2 ** exponent));
  }
  return Math.min(LATENCY_CODE_MAX, exponent * 16 + Math.max(0, mantissa - 16));
}

/** Undefined for `LATENCY_CODE_NONE`. */
export const decodeLatencyCode = (code: number): Duration | undefined =>
  code === LATENCY_CODE_NONE
    ? undefined
    : (((16 + (code & 15)) * UNIT * 2 ** (code >> 4)) as Duration);
