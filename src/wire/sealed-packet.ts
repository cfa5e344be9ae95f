/**
 * The sealed packet: what a link carries once its handshake is done.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | 0x15          | precedence    | zero                          |  0
 *   +---------------+-----------------------------------------------+
 *   |          receiver index, chosen by the receiver               |  4
 *   +---------------------------------------------------------------+
 *   |                     packet counter (64 bits)                  |  8
 *   |                                                               |
 *   +---------------------------------------------------------------+
 *   |   ciphertext: a run of frames (packet-types.ts)               | 16
 *   +---------------------------------------------------------------+
 *   |   tag, 16 bytes                                               |
 *
 * Precedence: of being dropped by a node that cannot keep up, before it opens anything (RFC 2597's word). 0: never,
 * which is every packet with a frame of control; 3: first. It tells an observer what size and rhythm tell already.
 *
 * Sealed as `AeadBatch` says, with the first three bytes as its head: the counter stands in front of the text. It
 * never repeats under one key, and stays below 2^53 because keys are renewed long before. The receiver index is
 * not authenticated: it says which key opens the packet, and no other does.
 */
import { AEAD_TAG_BYTES, readU32, writeU32 } from '../kernel/index.ts';
import { PACKET_SEALED } from './packet-types.ts';

export const SEALED_HEADER_BYTES = 16;
/** Header and tag: what sealing adds to a run of frames. */
export const SEALED_OVERHEAD_BYTES: number = SEALED_HEADER_BYTES + AEAD_TAG_BYTES;

/** Holds control: kept whatever happens. */
export const DROP_NEVER = 0;
/** Of use for a moment only, and little: voice, remote control. */
export const DROP_LATE = 1;
export const DROP_NORMAL = 2;
/** Waits best: files and backups. */
export const DROP_FIRST = 3;

const WORD = 0x1_0000_0000;

export function writeSealedHeader(
  bytes: Uint8Array,
  at: number,
  receiverIndex: number,
  counter: number,
  dropPrecedence: number = DROP_NEVER,
): void {
  writeU32(bytes, at, (PACKET_SEALED << 24) | (dropPrecedence << 16));
  writeU32(bytes, at + 4, receiverIndex);
  writeU32(bytes, at + 8, Math.floor(counter / WORD));
  writeU32(bytes, at + 12, counter >>> 0);
}

/** What is authenticated of the header beside the counter (`AeadBatch.heads`): type, precedence and a zero. */
export const headOfSealed = (dropPrecedence: number): number =>
  (PACKET_SEALED << 16) | (dropPrecedence << 8);

/** Whether `length` bytes at `at` can be a sealed packet with at least one byte of frames. */
export const isSealedPacket = (bytes: Uint8Array, at: number, length: number): boolean =>
  length > SEALED_OVERHEAD_BYTES &&
  bytes[at] === PACKET_SEALED &&
  bytes[at + 1]! <= DROP_FIRST &&
  bytes[at + 2] === 0 &&
  bytes[at + 3] === 0;

export const sealedDropPrecedence = (bytes: Uint8Array, at: number): number => bytes[at + 1]!;

/** What no load may hold up: control, voice and remote control; and all that is not sealed, which is handshakes. */
export const isUrgentPacket = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] !== PACKET_SEALED || bytes[at + 1]! < DROP_NORMAL;

export const sealedReceiver = (bytes: Uint8Array, at: number): number => readU32(bytes, at + 4);

/** The packet counter; -1 when it is beyond 2^53 - 1, which no sender of ours reaches. */
export function sealedCounter(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 8);
  return high > 0x1f_ffff ? -1 : high * WORD + readU32(bytes, at + 12);
}
