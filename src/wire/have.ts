/**
 * HAVE: packets of floods that a node has, told to a neighbour which may still hold copies for it. A
 * copy takes a thousand bytes of the link and its name here a few, so where copies have to wait the name
 * goes first. Nothing answers it; one that is lost costs a copy.
 *
 *   +---------------------------------------------------------------+
 *   |   source address                                              |  0
 *   +---------------------------------------------------------------+
 *   |   source epoch                                                |  4
 *   +-+-------------+-----------------------------------------------+
 *   |S| runs        |   runs of 7 bytes: flow label (16), first     |  8
 *   |               |   sequence number (32), how many (8)          |
 *   +---------------+-----------------------------------------------+
 *   |   ... the next source, to the end of the frame                |
 *
 * S: of the source's signed packets, which others cannot send in its name; without it, of the rest.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { isNodeAddress, readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';

/** Runs in one frame: with a source each they fit the least MTU. */
export const HAVE_RUNS_MAX = 64;
export const HAVE_RUN_LENGTH_MAX = 255;
const HEAD_BYTES = 9;
const RUN_BYTES = 7;
const SIGNED = 0x80;

/** `count` packets of one flow from sequence number `first` on. */
export interface HaveRun {
  readonly source: NodeAddress;
  readonly epoch: number;
  /** Of its signed packets, or of all others. */
  readonly isSigned: boolean;
  readonly flow: number;
  readonly first: number;
  readonly count: number;
}

type Origin = Pick<HaveRun, 'source' | 'epoch' | 'isSigned'>;

const isSameSource = (a: Origin | undefined, b: Origin): boolean =>
  a?.source === b.source && a.epoch === b.epoch && a.isSigned === b.isSigned;

/** The body, without the control frame's header. Runs of one source in a row share its head. */
export function encodeHave(runs: readonly HaveRun[]): Uint8Array {
  const heads = runs.filter((run, i) => !isSameSource(runs[i - 1], run)).length;
  const bytes = new Uint8Array(HEAD_BYTES * heads + RUN_BYTES * runs.length);
  let at = 0;
  let countAt = 0;
  runs.forEach((run, i) => {
    if (!isSameSource(runs[i - 1], run)) {
      writeU32(bytes, at, run.source);
      writeU32(bytes, at + 4, run.epoch);
      bytes[at + 8] = run.isSigned ? SIGNED : 0;
      countAt = at + 8;
      at += HEAD_BYTES;
    }
    bytes[countAt]!++;
    writeU16(bytes, at, run.flow);
    writeU32(bytes, at + 2, run.first);
    bytes[at + 6] = run.count;
    at += RUN_BYTES;
  });
  return bytes;
}

/** Undefined for anything but whole runs at [at, end), as `encodeHave` would write them. */
export function decodeHave(bytes: Uint8Array, at: number, end: number): HaveRun[] | undefined {
  const all: HaveRun[] = [];
  for (let i = at; i < end; ) {
    if (end - i < HEAD_BYTES) return undefined;
    const source = readU32(bytes, i);
    const epoch = readU32(bytes, i + 4);
    const isSigned = (bytes[i + 8]! & SIGNED) !== 0;
    const stop = i + HEAD_BYTES + RUN_BYTES * (bytes[i + 8]! & ~SIGNED);
    i += HEAD_BYTES;
    if (!isNodeAddress(source) || stop === i || stop > end) return undefined;
    const origin = { source: source as NodeAddress, epoch, isSigned };
    if (isSameSource(all.at(-1), origin)) return undefined;
    for (; i < stop; i += RUN_BYTES) {
      const first = readU32(bytes, i + 2);
      const count = bytes[i + 6]!;
      if (count === 0 || first + count > 2 ** 32) return undefined;
      all.push({ ...origin, flow: readU16(bytes, i), first, count });
    }
  }
  return all.length > 0 && all.length <= HAVE_RUNS_MAX ? all : undefined;
}
