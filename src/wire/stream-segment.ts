/**
 * One segment of a stream, inside the end-to-end seal. As in QUIC (RFC 9000) packet numbers name
 * transmissions, never bytes, and are never used twice: what was lost travels again under a new
 * number, so that an acknowledgement is never ambiguous.
 *
 *    0               1               2               3
 *   +---------------+---------------+-------------------------------+
 *   | type 0x20     | flags         | stream id ...                 |  0
 *   +---------------+---------------+-------------------------------+
 *   | ... stream id                 |                                  4
 *   +-------------------------------+
 *
 * Then, each present when its flag is set, in this order (bytes):
 *
 *   0x01 NUMBERED  packet number (6)                                  to be acknowledged
 *   0x02 OPEN      to port (2), from port (2)                         until the peer has answered
 *   0x04 ACK       window limit (6), largest number (6), delay in 16 us (2), range count (1), then per
 *                  range, newest first: numbers missing before it (varint, absent for the first),
 *                  numbers in it less one (varint). Count 0: nothing received yet, largest is 0.
 *   0x20 RESET     reason (1)
 *   0x08 DATA      offset of the first byte (6), bytes to the end of the segment
 *   0x10 FIN       with DATA: its end is the end of the stream
 *   0x40 BLOCKED   the sender has more than the window limit allows
 *   0x80 OPENER    sent by the side that opened the stream; ids are the opener's
 *
 * Varints are QUIC's (RFC 9000 section 16), up to 4 bytes. Window limit: the offset up to which the
 * peer may send, absolute.
 */
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';
import { MESSAGE_STREAM } from './socket-message.ts';

export const SEGMENT_NUMBERED = 0x01;
export const SEGMENT_OPEN = 0x02;
export const SEGMENT_ACK = 0x04;
export const SEGMENT_DATA = 0x08;
export const SEGMENT_FIN = 0x10;
export const SEGMENT_RESET = 0x20;
export const SEGMENT_BLOCKED = 0x40;
export const SEGMENT_OPENER = 0x80;

export const SEGMENT_HEADER_BYTES = 6;
export const SEGMENT_NUMBER_BYTES = 6;
export const SEGMENT_OPEN_BYTES = 4;
export const SEGMENT_OFFSET_BYTES = 6;
export const ACK_RANGES_MAX = 32;
/** An ACK part is never longer: fixed part, first range, then two varints a range. */
export const ACK_BYTES_MAX: number = 15 + 4 + 8 * (ACK_RANGES_MAX - 1);
/** What a data segment carries besides its data when it carries nothing else. */
export const SEGMENT_DATA_OVERHEAD_BYTES: number =
  SEGMENT_HEADER_BYTES + SEGMENT_NUMBER_BYTES + SEGMENT_OFFSET_BYTES;

export const RESET_REASONS = ['reset', 'refused', 'unknown-stream'] as const;
export type ResetReason = (typeof RESET_REASONS)[number];

export const ACK_DELAY_UNIT = 16;
const ACK_DELAY_MAX = 0xffff;
const U48_HIGH = 0x1_0000_0000;
const VARINT_MAX = 0x3fff_ffff;

/**
 * A segment's parts; meaningful where the flag says so. Reused from segment to segment. Range i is the
 * numbers rangeFirst[i] .. rangeLast[i], both included, newest first.
 */
export interface StreamSegment {
  flags: number;
  stream: number;
  number: number;
  toPort: number;
  fromPort: number;
  windowLimit: number;
  /** Microseconds the acknowledgement of the largest number was held back. */
  ackDelay: number;
  rangeCount: number;
  readonly rangeFirst: number[];
  readonly rangeLast: number[];
  reset: ResetReason;
  offset: number;
  /** Data is bytes [dataStart, dataEnd) of what was decoded. */
  dataStart: number;
  dataEnd: number;
}

export function blankStreamSegment(): StreamSegment {
  return {
    flags: 0,
    stream: 0,
    number: 0,
    toPort: 0,
    fromPort: 0,
    windowLimit: 0,
    ackDelay: 0,
    rangeCount: 0,
    rangeFirst: new Array<number>(ACK_RANGES_MAX).fill(0),
    rangeLast: new Array<number>(ACK_RANGES_MAX).fill(0),
    reset: 'reset',
    offset: 0,
    dataStart: 0,
    dataEnd: 0,
  };
}

/**
 * Writes everything but the data itself at `at` and returns where the data goes. Ranges that would not
 * fit before `ackEnd` or whose distances no varint holds are left out, oldest first.
 */
export function encodeStreamSegment(
  bytes: Uint8Array,
  at: number,
  segment: StreamSegment,
  ackEnd: number = bytes.length,
): number {
  const { flags } = segment;
  bytes[at] = MESSAGE_STREAM;
  bytes[at + 1] = flags;
  writeU32(bytes, at + 2, segment.stream);
  let to = at + SEGMENT_HEADER_BYTES;
  if (flags & SEGMENT_NUMBERED) to = writeU48(bytes, to, segment.number);
  if (flags & SEGMENT_OPEN) {
    writeU16(bytes, to, segment.toPort);
    writeU16(bytes, to + 2, segment.fromPort);
    to += SEGMENT_OPEN_BYTES;
  }
  if (flags & SEGMENT_ACK) to = encodeAck(bytes, to, segment, ackEnd);
  if (flags & SEGMENT_RESET) bytes[to++] = RESET_REASONS.indexOf(segment.reset);
  if (flags & SEGMENT_DATA) to = writeU48(bytes, to, segment.offset);
  return to;
}

function encodeAck(bytes: Uint8Array, at: number, segment: StreamSegment, end: number): number {
  let to = writeU48(bytes, at, segment.windowLimit);
  to = writeU48(bytes, to, segment.rangeCount === 0 ? 0 : segment.rangeLast[0]!);
  writeU16(bytes, to, Math.min(ACK_DELAY_MAX, Math.floor(segment.ackDelay / ACK_DELAY_UNIT)));
  const countAt = to + 2;
  to += 3;
  let count = 0;
  for (; count < segment.rangeCount && to + 8 <= end; count++) {
    const size = segment.rangeLast[count]! - segment.rangeFirst[count]!;
    if (count > 0) {
      const missing = segment.rangeFirst[count - 1]! - segment.rangeLast[count]! - 1;
      if (missing > VARINT_MAX) break;
      to = writeVarint(bytes, to, missing);
    }
    to = writeVarint(bytes, to, Math.min(size, VARINT_MAX));
    if (size > VARINT_MAX) {
      count++;
      break;
    }
  }
  bytes[countAt] = count;
  return to;
}

/** False for anything malformed; `into` is then in no particular state. */
export function decodeStreamSegment(
  into: StreamSegment,
  bytes: Uint8Array,
  at: number,
  end: number,
): boolean {
  if (end - at < SEGMENT_HEADER_BYTES || bytes[at] !== MESSAGE_STREAM) return false;
  const flags = bytes[at + 1]!;
  into.flags = flags;
  into.stream = readU32(bytes, at + 2);
  let from = at + SEGMENT_HEADER_BYTES;
  if (flags & SEGMENT_NUMBERED) {
    if (end - from < SEGMENT_NUMBER_BYTES) return false;
    into.number = readU48(bytes, from);
    from += SEGMENT_NUMBER_BYTES;
  }
  if (flags & SEGMENT_OPEN) {
    if (end - from < SEGMENT_OPEN_BYTES || (flags & SEGMENT_OPENER) === 0) return false;
    into.toPort = readU16(bytes, from);
    into.fromPort = readU16(bytes, from + 2);
    if (into.toPort === 0 || into.fromPort === 0) return false;
    from += SEGMENT_OPEN_BYTES;
  }
  if (flags & SEGMENT_ACK) {
    from = decodeAck(into, bytes, from, end);
    if (from < 0) return false;
  }
  if (flags & SEGMENT_RESET) {
    const reason = from < end ? RESET_REASONS[bytes[from]!] : undefined;
    if (reason === undefined) return false;
    into.reset = reason;
    from++;
  }
  into.dataStart = from;
  into.dataEnd = from;
  if ((flags & SEGMENT_DATA) === 0) return from === end && (flags & SEGMENT_FIN) === 0;
  if (end - from < SEGMENT_OFFSET_BYTES || (flags & SEGMENT_NUMBERED) === 0) return false;
  into.offset = readU48(bytes, from);
  into.dataStart = from + SEGMENT_OFFSET_BYTES;
  into.dataEnd = end;
  return true;
}

/** Where the ACK part ends, or -1. */
function decodeAck(into: StreamSegment, bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 15) return -1;
  into.windowLimit = readU48(bytes, at);
  let last = readU48(bytes, at + 6);
  into.ackDelay = readU16(bytes, at + 12) * ACK_DELAY_UNIT;
  const count = bytes[at + 14]!;
  if (count > ACK_RANGES_MAX || (count === 0 && last !== 0)) return -1;
  into.rangeCount = count;
  let from = at + 15;
  for (let i = 0; i < count; i++) {
    if (i > 0) {
      const size = varintBytes(bytes, from, end);
      if (size === 0) return -1;
      last = into.rangeFirst[i - 1]! - 1 - readVarint(bytes, from, size);
      from += size;
    }
    const size = varintBytes(bytes, from, end);
    if (size === 0) return -1;
    const first = last - readVarint(bytes, from, size);
    from += size;
    if (first < 0) return -1;
    into.rangeFirst[i] = first;
    into.rangeLast[i] = last;
  }
  return from;
}

function writeU48(bytes: Uint8Array, at: number, n: number): number {
  writeU16(bytes, at, Math.floor(n / U48_HIGH));
  writeU32(bytes, at + 2, n >>> 0);
  return at + 6;
}

const readU48 = (bytes: Uint8Array, at: number): number =>
  readU16(bytes, at) * U48_HIGH + readU32(bytes, at + 2);

function writeVarint(bytes: Uint8Array, at: number, n: number): number {
  if (n < 0x40) {
    bytes[at] = n;
    return at + 1;
  }
  if (n < 0x4000) {
    writeU16(bytes, at, 0x4000 | n);
    return at + 2;
  }
  writeU32(bytes, at, (0x8000_0000 | n) >>> 0);
  return at + 4;
}

/** Bytes the varint at `at` takes; 0 when it is cut off or of the 8-byte form. */
function varintBytes(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const form = bytes[at]! >>> 6;
  const size = form === 3 ? 0 : 1 << form;
  return end - at < size ? 0 : size;
}

function readVarint(bytes: Uint8Array, at: number, size: number): number {
  if (size === 1) return bytes[at]! & 0x3f;
  if (size === 2) return readU16(bytes, at) & 0x3fff;
  return readU32(bytes, at) & VARINT_MAX;
}
