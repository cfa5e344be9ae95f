/**
 * Acknowledgement of a link's packets by the session counter that each sealed packet has anyway. Only
 * packets with frames that must not be lost ask for one; counters of others are acknowledged with them.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | frame 0x28    | length (16)                   | runs          |  0
 *   +---------------+---------------+---------------+---------------+
 *   |   session: index by which the receiver of the ack names it    |  4
 *   +---------------------------------------------------------------+
 *   |   greatest counter received, low 32 bits                      |  8
 *   +-------------------------------+---------------+---------------+
 *   |   delay, 16 us                | paused flows  | runs ...      | 12
 *   +-------------------------------+---------------+---------------+
 *   |   `runs` lengths (16): counters received from the greatest down, then missing, then received ...
 *   |   paused flows of 10 bytes: source (32), destination (32), flow label (16); 0: every label
 *
 * A sender stops sending the flows that are named, and may go on with a flow that is not, or when no
 * acknowledgement has named it for `PAUSE_LIFE`.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';

export const RELIABLE_ACK_HEAD_BYTES = 12;
export const ACK_RUNS_MAX = 63;
export const ACK_PAUSED_MAX = 64;
/** Step of `delay`, microseconds. */
export const ACK_DELAY_STEP = 16;
const PAUSED_BYTES = 10;
const RUN_MAX = 0xffff;

export interface PausedFlow {
  readonly source: NodeAddress;
  readonly destination: NodeAddress;
  /** 0: every label of the pair. */
  readonly flow: number;
}

export interface ReliableAck {
  readonly session: number;
  /** Low 32 bits. */
  readonly greatest: number;
  /** Since the newest packet came, microseconds. */
  readonly delay: number;
  /** Lengths of runs: received, missing, received ... down from `greatest`; the first is at least 1. */
  readonly runs: readonly number[];
  readonly paused: readonly PausedFlow[];
}

/** The body, without the control frame's header. Runs and flows beyond the bounds are left out. */
export function encodeReliableAck(ack: ReliableAck): Uint8Array {
  const runs = ack.runs.slice(0, ACK_RUNS_MAX);
  const paused = ack.paused.slice(0, ACK_PAUSED_MAX);
  const pausedAt = RELIABLE_ACK_HEAD_BYTES + 2 * runs.length;
  const bytes = new Uint8Array(pausedAt + PAUSED_BYTES * paused.length);
  bytes[0] = runs.length;
  writeU32(bytes, 1, ack.session);
  writeU32(bytes, 5, ack.greatest);
  writeU16(bytes, 9, Math.min(RUN_MAX, Math.round(ack.delay / ACK_DELAY_STEP)));
  bytes[11] = paused.length;
  runs.forEach((run, i) => {
    writeU16(bytes, RELIABLE_ACK_HEAD_BYTES + 2 * i, Math.min(run, RUN_MAX));
  });
  paused.forEach(({ source, destination, flow }, i) => {
    const at = pausedAt + PAUSED_BYTES * i;
    writeU32(bytes, at, source);
    writeU32(bytes, at + 4, destination);
    writeU16(bytes, at + 8, flow);
  });
  return bytes;
}

/** Undefined for anything but one whole acknowledgement at [at, end). */
export function decodeReliableAck(
  bytes: Uint8Array,
  at: number,
  end: number,
): ReliableAck | undefined {
  if (end - at < RELIABLE_ACK_HEAD_BYTES) return undefined;
  const count = bytes[at]!;
  const pausedCount = bytes[at + 11]!;
  const runsAt = at + RELIABLE_ACK_HEAD_BYTES;
  const pausedAt = runsAt + 2 * count;
  if (count === 0 || count > ACK_RUNS_MAX || pausedCount > ACK_PAUSED_MAX) return undefined;
  if (pausedAt + PAUSED_BYTES * pausedCount !== end) return undefined;
  const runs: number[] = [];
  for (let i = 0; i < count; i++) {
    const run = readU16(bytes, runsAt + 2 * i);
    if (run === 0) return undefined;
    runs.push(run);
  }
  const paused: PausedFlow[] = [];
  for (let i = 0; i < pausedCount; i++) {
    const from = pausedAt + PAUSED_BYTES * i;
    paused.push({
      source: readU32(bytes, from) as NodeAddress,
      destination: readU32(bytes, from + 4) as NodeAddress,
      flow: readU16(bytes, from + 8),
    });
  }
  return {
    session: readU32(bytes, at + 1),
    greatest: readU32(bytes, at + 5),
    delay: readU16(bytes, at + 9) * ACK_DELAY_STEP,
    runs,
    paused,
  };
}
