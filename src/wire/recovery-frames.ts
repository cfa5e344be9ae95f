/**
 * The frames by which a link repairs what it lost (link/recovery/). Losses are named by what every
 * sealed packet has anyway, its session and counter, so that data carries nothing more for them.
 *
 * A request names packets that did not come; a decline, in the same form, those that will not be sent
 * again. Body, after the three bytes of frame header:
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   |   session: receiver index of the sealed packets in question   |  0
 *   +-------------------------------+-------------------------------+
 *   | mean burst of losses, 100 us  |                               |  4
 *   +-------------------------------+                               +
 *   |   counter of the first packet (48 bits)                       |  8
 *   +-------------------------------+-------------------------------+
 *   | packets in a row, 1 ..        | skip, 1 ..  |   packets ...   | 12
 *   +-------------------------------+-------------------------------+
 *
 * that is, runs of missing packets with the lengths of the runs between them, up to 64 runs and 1024
 * packets; each length 16 bits. A repair is a data frame sent again under a new counter:
 *
 *   +---------------------------------------------------------------+
 *   |   session                                                     |  0
 *   +---------------------------------------------------------------+
 *   |   counter it was first sent with, modulo 2^32                 |  4
 *   +---------------------------------------------------------------+
 *   |   the data frame, to the end of the body                      |  8
 */
import type { Duration } from '../kernel/index.ts';
import { assert, readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';
import { CONTROL_FRAME_HEADER_BYTES, FRAME_REPAIR } from './packet-types.ts';

export const LOSS_RUNS_MAX = 64;
export const LOSS_PACKETS_MAX = 1024;
const REPORT_HEAD_BYTES = 12;
const RUN_MAX = 0xffff;
const BURST_STEP = 100;
const WORD = 0x1_0000_0000;

/** Packets of one session that did not arrive: runs, ascending, with something between any two. */
export interface LossReport {
  session: number;
  /** How long losses on the link last at a time; 6.5 s at most. */
  burst: Duration;
  runs: number;
  /** First counter of each run. */
  readonly starts: Float64Array;
  readonly lengths: Uint16Array;
}

export const blankLossReport = (): LossReport => ({
  session: 0,
  burst: 0 as Duration,
  runs: 0,
  starts: new Float64Array(LOSS_RUNS_MAX),
  lengths: new Uint16Array(LOSS_RUNS_MAX),
});

/** Takes one more counter, greater than all before; false when the report has no room for it. */
export function addLoss(report: LossReport, counter: number): boolean {
  const last = report.runs - 1;
  if (last >= 0) {
    const end = report.starts[last]! + report.lengths[last]!;
    if (counter === end && report.lengths[last]! < LOSS_PACKETS_MAX) {
      report.lengths[last] = report.lengths[last]! + 1;
      return true;
    }
    if (counter - end > RUN_MAX) return false;
  }
  if (report.runs === LOSS_RUNS_MAX) return false;
  report.starts[report.runs] = counter;
  report.lengths[report.runs++] = 1;
  return true;
}

export const lossReportBytes = (report: LossReport): number =>
  REPORT_HEAD_BYTES + 4 * report.runs - 2;

/** Writes the body of a request or decline: `lossReportBytes`. */
export function encodeLossReport(bytes: Uint8Array, at: number, report: LossReport): void {
  assert(report.runs > 0, 'a report names at least one packet');
  const first = report.starts[0]!;
  writeU32(bytes, at, report.session);
  writeU16(bytes, at + 4, Math.min(0xffff, Math.round(report.burst / BURST_STEP)));
  writeU16(bytes, at + 6, Math.floor(first / WORD));
  writeU32(bytes, at + 8, first >>> 0);
  let place = at + REPORT_HEAD_BYTES;
  for (let run = 0; run < report.runs; run++) {
    if (run > 0) {
      const before = report.starts[run - 1]! + report.lengths[run - 1]!;
      writeU16(bytes, place, report.starts[run]! - before);
      place += 2;
    }
    writeU16(bytes, place, report.lengths[run]!);
    place += 2;
  }
}

/** Decodes a body; false when it is not one. */
export function decodeLossReport(
  into: LossReport,
  bytes: Uint8Array,
  at: number,
  end: number,
): boolean {
  const runBytes = end - at - REPORT_HEAD_BYTES;
  const runs = (runBytes + 2) / 4;
  if (runs < 1 || runs > LOSS_RUNS_MAX || !Number.isInteger(runs)) return false;
  into.session = readU32(bytes, at);
  into.burst = (readU16(bytes, at + 4) * BURST_STEP) as Duration;
  into.runs = runs;
  let next = readU16(bytes, at + 6) * WORD + readU32(bytes, at + 8);
  let place = at + REPORT_HEAD_BYTES;
  let packets = 0;
  for (let run = 0; run < runs; run++) {
    if (run > 0) {
      const skip = readU16(bytes, place);
      if (skip === 0) return false;
      next += skip;
      place += 2;
    }
    const length = readU16(bytes, place);
    packets += length;
    if (length === 0 || packets > LOSS_PACKETS_MAX) return false;
    into.starts[run] = next;
    into.lengths[run] = length;
    next += length;
    place += 2;
  }
  return true;
}

/** In front of the data frame: frame header, session, counter. */
export const REPAIR_OVERHEAD_BYTES: number = CONTROL_FRAME_HEADER_BYTES + 8;
/**
 * What a source leaves free in packets that ask for recovery, so that a repair fits, and a parity: its
 * head for 16 frames, 34 bytes, and the length of the frame in it.
 */
export const REPAIR_ROOM_BYTES = 36;

export interface Repair {
  session: number;
  /** Modulo 2^32. */
  counter: number;
  /** Where the data frame begins. */
  frame: number;
}

export const blankRepair = (): Repair => ({ session: 0, counter: 0, frame: 0 });

/** Writes the whole frame, header included; `frame` are the data frame's bytes. */
export function encodeRepair(
  bytes: Uint8Array,
  at: number,
  repair: { session: number; counter: number },
  frame: Uint8Array,
): void {
  bytes[at] = FRAME_REPAIR;
  writeU16(bytes, at + 1, 8 + frame.length);
  writeU32(bytes, at + 3, repair.session);
  writeU32(bytes, at + 7, repair.counter >>> 0);
  bytes.set(frame, at + REPAIR_OVERHEAD_BYTES);
}

/** Decodes a body; false when there is nothing in it. */
export function decodeRepair(into: Repair, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at <= 8) return false;
  into.session = readU32(bytes, at);
  into.counter = readU32(bytes, at + 4);
  into.frame = at + 8;
  return true;
}
