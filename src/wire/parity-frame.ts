/**
 * The parity frame: what a link sends besides data frames where there is no time to ask for those that
 * are lost (link/recovery/). It covers up to 16 data frames of one session, named by their counters, and
 * is one of several parities of the same frames; any as many of these as frames are missing give them
 * back. Body, after the three bytes of frame header:
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   |   session: receiver index of the sealed packets covered       |  0
 *   +---------------+---------------+-------------------------------+
 *   | index, 0 .. 7 | frames, 1 ..  |                               |  4
 *   +---------------+---------------+                               +
 *   |   counter of the first packet (48 bits)                       |  8
 *   +-------------------------------+-------------------------------+
 *   | first was sent, 100 us ago    | last was sent, 100 us ago     | 12
 *   +-------------------------------+-------------------------------+
 *   |   steps from each counter to the next, 8 bits, frames - 1     | 16
 *   |   parity, to the end of the body                              |
 *
 * The code is Reed-Solomon over GF(256) with x^8 + x^4 + x^3 + x^2 + 1, in the form of a Cauchy matrix:
 * byte n of parity j is the sum over frames i of shard_i[n] / (j + 8 + i), where shard_i is the frame
 * behind its length (16 bits), followed by zeros up to the longest, and "+" is exclusive or.
 */
import type { Duration } from '../kernel/index.ts';
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';
import { CONTROL_FRAME_HEADER_BYTES, FRAME_PARITY } from './packet-types.ts';

export const PARITY_FRAMES_MAX = 16;
export const PARITIES_MAX = 8;
const HEAD_BYTES = 16;
const STEP_MAX = 255;
const TIME_STEP = 100;
const WORD = 0x1_0000_0000;

export interface ParityHead {
  session: number;
  index: number;
  /** Counters of the packets covered, ascending, none more than 255 from the one before. */
  counters: number[];
  sinceFirst: Duration;
  sinceLast: Duration;
}

export const blankParityHead = (): ParityHead => ({
  session: 0,
  index: 0,
  counters: [],
  sinceFirst: 0 as Duration,
  sinceLast: 0 as Duration,
});

/** Whether a packet may be covered together with the one whose counter is `before`. */
export const isParityStep = (before: number, counter: number): boolean =>
  counter > before && counter - before <= STEP_MAX;

/** Bytes of the whole frame without the parity itself. */
export const parityOverhead = (frames: number): number =>
  CONTROL_FRAME_HEADER_BYTES + HEAD_BYTES + frames - 1;

/** Writes the whole frame, header included. */
export function encodeParity(
  bytes: Uint8Array,
  at: number,
  head: Readonly<ParityHead>,
  parity: Uint8Array,
): void {
  const { counters } = head;
  const first = counters[0]!;
  bytes[at] = FRAME_PARITY;
  writeU16(bytes, at + 1, HEAD_BYTES + counters.length - 1 + parity.length);
  const body = at + CONTROL_FRAME_HEADER_BYTES;
  writeU32(bytes, body, head.session);
  bytes[body + 4] = head.index;
  bytes[body + 5] = counters.length;
  writeU16(bytes, body + 6, Math.floor(first / WORD));
  writeU32(bytes, body + 8, first >>> 0);
  writeU16(bytes, body + 12, steps(head.sinceFirst));
  writeU16(bytes, body + 14, steps(head.sinceLast));
  for (let i = 1; i < counters.length; i++)
    bytes[body + HEAD_BYTES + i - 1] = counters[i]! - counters[i - 1]!;
  bytes.set(parity, body + HEAD_BYTES + counters.length - 1);
}

/** Decodes a body and returns where the parity begins; -1 when it is not one. */
export function decodeParityHead(
  into: ParityHead,
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  if (end - at < HEAD_BYTES) return -1;
  const frames = bytes[at + 5]!;
  const parity = at + HEAD_BYTES + frames - 1;
  into.session = readU32(bytes, at);
  into.index = bytes[at + 4]!;
  if (into.index >= PARITIES_MAX || frames < 1 || frames > PARITY_FRAMES_MAX || parity + 2 >= end)
    return -1;
  into.sinceFirst = (readU16(bytes, at + 12) * TIME_STEP) as Duration;
  into.sinceLast = (readU16(bytes, at + 14) * TIME_STEP) as Duration;
  if (into.sinceLast > into.sinceFirst) return -1;
  into.counters.length = 0;
  let counter = readU16(bytes, at + 6) * WORD + readU32(bytes, at + 8);
  into.counters.push(counter);
  for (let i = 1; i < frames; i++) {
    const step = bytes[at + HEAD_BYTES + i - 1]!;
    if (step === 0) return -1;
    counter += step;
    into.counters.push(counter);
  }
  return parity;
}

const steps = (time: Duration): number => Math.min(0xffff, Math.round(time / TIME_STEP));
