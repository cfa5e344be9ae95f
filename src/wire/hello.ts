/**
 * The hello frame: how two neighbours measure each other. Sent every 100 ms, with data when there is
 * data, so its size is most of what an idle link costs: 51 bytes sealed, 79 with UDP and IPv4
 * headers, 6.3 kbit/s.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | frame 0x01    | length (16)                   | flags         |  0
 *   +---------------+-------------------------------+---------------+
 *   |   timestamp: sender's clock, microseconds modulo 2^32         |  4
 *   +---------------------------------------------------------------+
 *   |   echo: timestamp of the newest hello heard from the receiver |  8
 *   +-----------------------------------------------+---------------+
 *   |   hold: microseconds since that one came      | loss now ...  | 12
 *   +---------------+-------------------------------+---------------+
 *   | ... loss now  |   loss told                   | pace          | 16
 *   +---------------+-------------------------------+---------------+
 *   | RTT           | jitter                        | burst ...     | 20
 *   +---------------+-------------------------------+---------------+
 *   | ... burst     | reordered                     | extent ...    | 24
 *   +---------------+-------------------------------+---------------+
 *   | ... extent    |                                                 28
 *   +---------------+
 *
 * Flags: 1 answer at once; 2 hurry: send hellos faster for a moment, a loss is being looked into; 4
 * spare: the sender has another path in use, and while both ends say so hellos are five times rarer.
 * Hold 0xffffff means that no hello has been heard. Losses are of what the sender receives, in
 * 1/65535: `now` over a sliding window, `told` after damping, which is what routing is to use.
 * Pace and RTT are there only where the sender's hellos are slower than the default, because it has
 * many links: the time between them, so that the receiver does not take it for dead, and the last
 * round-trip time it measured of this link. Both are latency codes (`latency-code.ts`). Now and then a
 * hello also tells how the receiver's packets arrive at its sender (with no pace where that is the
 * default): interarrival jitter in steps of 16 us, mean packets lost at a time in 1/16, share that came
 * behind later ones in 1/65535, mean counters by which they did in 1/16. All four saturate.
 * A longer body is accepted and the rest ignored, so that fields can be added.
 */
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';
import { decodeLatencyCode, encodeLatencyCode, LATENCY_CODE_NONE } from './latency-code.ts';
import { CONTROL_FRAME_HEADER_BYTES, FRAME_HELLO } from './packet-types.ts';

export const HELLO_BODY_BYTES = 16;
export const HELLO_FRAME_BYTES: number = CONTROL_FRAME_HEADER_BYTES + HELLO_BODY_BYTES;
/** Of a hello that tells its sender's pace. */
export const HELLO_PACED_BODY_BYTES: number = HELLO_BODY_BYTES + 2;
export const HELLO_PACED_FRAME_BYTES: number = HELLO_FRAME_BYTES + 2;
const HELLO_FULL_BODY_BYTES = HELLO_PACED_BODY_BYTES + 8;
/** Of a hello that tells how packets arrive. */
export const HELLO_FULL_FRAME_BYTES: number = CONTROL_FRAME_HEADER_BYTES + HELLO_FULL_BODY_BYTES;

export const HELLO_ANSWER_AT_ONCE = 1;
export const HELLO_HURRY = 2;
export const HELLO_SPARE = 4;
/** `hold` of a sender that has heard no hello yet. */
export const HELLO_HOLD_NONE = 0xff_ffff;
/** Longer holds are written as this: about 16.8 s. */
export const HELLO_HOLD_MAX = 0xff_fffe;

/** How packets arrive, as their receiver measures it. */
export interface ArrivalFigures {
  /** Microseconds, interarrival jitter of RFC 3550: what the way there varies by. */
  jitter: number;
  /** Mean number of packets lost at a time; 0: none seen lost. */
  burst: number;
  /** Parts per million that came behind later ones. */
  reorderedPpm: number;
  /** Mean number of packets by which those were behind. */
  reorderExtent: number;
}

export const blankArrivals = (): ArrivalFigures => ({
  jitter: 0,
  burst: 0,
  reorderedPpm: 0,
  reorderExtent: 0,
});

export interface Hello {
  flags: number;
  /** u32 microseconds on the sender's clock. */
  timestamp: number;
  /** u32: the receiver's own timestamp come back. */
  echo: number;
  hold: number;
  lossNowPpm: number;
  lossToldPpm: number;
  /** Microseconds between the sender's hellos; 0: the default, and no RTT either. */
  pace: number;
  /** What the sender measured last of this link, microseconds; -1 where it has nothing. */
  rtt: number;
  /** Whether it tells `arrivals`. */
  hasArrivals: boolean;
  readonly arrivals: ArrivalFigures;
}

/** A hello to decode into, so that receiving one allocates nothing. */
export const blankHello = (): Hello => ({
  flags: 0,
  timestamp: 0,
  echo: 0,
  hold: HELLO_HOLD_NONE,
  lossNowPpm: 0,
  lossToldPpm: 0,
  pace: 0,
  rtt: -1,
  hasArrivals: false,
  arrivals: blankArrivals(),
});

const toShare = (ppm: number): number =>
  Math.min(65535, Math.round((Math.max(0, ppm) * 65535) / 1_000_000));
const toPpm = (share: number): number => Math.round((share * 1_000_000) / 65535);
const JITTER_STEP = 16;
const PACKET_STEPS = 16;
const steps = (value: number): number => Math.min(65535, Math.round(value));

/** Length of the whole frame, header included. */
export function helloFrameBytes(pace: number, hasArrivals: boolean): number {
  if (hasArrivals) return HELLO_FULL_FRAME_BYTES;
  return pace > 0 ? HELLO_PACED_FRAME_BYTES : HELLO_FRAME_BYTES;
}

/** Writes the whole frame, `helloFrameBytes` long. */
export function encodeHello(bytes: Uint8Array, at: number, hello: Hello): void {
  bytes[at] = FRAME_HELLO;
  writeU16(
    bytes,
    at + 1,
    helloFrameBytes(hello.pace, hello.hasArrivals) - CONTROL_FRAME_HEADER_BYTES,
  );
  bytes[at + 3] = hello.flags;
  writeU32(bytes, at + 4, hello.timestamp);
  writeU32(bytes, at + 8, hello.echo);
  bytes[at + 12] = hello.hold >>> 16;
  writeU16(bytes, at + 13, hello.hold & 0xffff);
  writeU16(bytes, at + 15, toShare(hello.lossNowPpm));
  writeU16(bytes, at + 17, toShare(hello.lossToldPpm));
  if (hello.pace === 0 && !hello.hasArrivals) return;
  bytes[at + 19] = hello.pace === 0 ? LATENCY_CODE_NONE : encodeLatencyCode(hello.pace);
  bytes[at + 20] = hello.rtt < 0 ? LATENCY_CODE_NONE : encodeLatencyCode(hello.rtt);
  if (!hello.hasArrivals) return;
  const { jitter, burst, reorderedPpm, reorderExtent } = hello.arrivals;
  writeU16(bytes, at + 21, steps(jitter / JITTER_STEP));
  writeU16(bytes, at + 23, steps(burst * PACKET_STEPS));
  writeU16(bytes, at + 25, toShare(reorderedPpm));
  writeU16(bytes, at + 27, steps(reorderExtent * PACKET_STEPS));
}

/** Decodes a body (without the frame header); false when it is too short. */
export function decodeHello(into: Hello, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < HELLO_BODY_BYTES) return false;
  into.flags = bytes[at]!;
  into.timestamp = readU32(bytes, at + 1);
  into.echo = readU32(bytes, at + 5);
  into.hold = (bytes[at + 9]! << 16) | readU16(bytes, at + 10);
  into.lossNowPpm = toPpm(readU16(bytes, at + 12));
  into.lossToldPpm = toPpm(readU16(bytes, at + 14));
  const isPaced = end - at >= HELLO_PACED_BODY_BYTES;
  into.pace = isPaced ? (decodeLatencyCode(bytes[at + 16]!) ?? 0) : 0;
  into.rtt = isPaced ? (decodeLatencyCode(bytes[at + 17]!) ?? -1) : -1;
  into.hasArrivals = end - at >= HELLO_FULL_BODY_BYTES;
  if (into.hasArrivals) readArrivals(into.arrivals, bytes, at + 18);
  return true;
}

function readArrivals(into: ArrivalFigures, bytes: Uint8Array, at: number): void {
  into.jitter = readU16(bytes, at) * JITTER_STEP;
  into.burst = readU16(bytes, at + 2) / PACKET_STEPS;
  into.reorderedPpm = toPpm(readU16(bytes, at + 4));
  into.reorderExtent = readU16(bytes, at + 6) / PACKET_STEPS;
}
