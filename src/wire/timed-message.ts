/**
 * Messages that the destination does more with than hand them on: playout, receipts. Inside the
 * end-to-end seal, in place of the plain datagram of socket-message.ts.
 *
 *    0               1               2               3
 *   +---------------+-------+-+-+---+-------------------------------+
 *   | type 0x05     | 0     |P|R| pl| from port                     |  0
 *   +---------------+-------+-+-+---+-------------------------------+
 *   | to port                       | conversation                  |  4
 *   +-------------------------------+-------------------------------+
 *   | number                                                        |  8
 *   +---------------------------------------------------------------+
 *   | time sent, 100 us, by the source's own clock                  | 12
 *   +-------------------------------+-------------------------------+
 *   | total bytes          (P only) | offset of this part  (P only) | 16
 *   +-------------------------------+-------------------------------+
 *   | payload ...                                                   |
 *
 *   pl: playout, 0 none, 1 deadline, 2 order, 3 smooth   R: a receipt is wanted   P: one part of many
 *
 * A conversation is one socket's messages to one port of one node: its number is the source's, not
 * used twice within 65,536 conversations of an epoch. Messages of a conversation are numbered from 0.
 *
 * The receipt, sent for each message that wants one:
 *
 *   +---------------+---------------+-------------------------------+
 *   | type 0x06     | verdict       | from port                     |  0
 *   +---------------+---------------+-------------------------------+
 *   | to port                       | conversation                  |  4
 *   +-------------------------------+-------------------------------+
 *   | number                                                        |  8
 *   +---------------------------------------------------------------+
 *   | the 64 before: bit i of word w is set when number - 1         | 12
 *   |   - 32 w - i has been delivered too                           | 16
 *   +---------------------------------------------------------------+
 *
 *   verdict: 0 delivered to the socket, 1 refused: no socket has the port. Ports are the receiver's
 *   and the sender's, in this order.
 */
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';
import { DATAGRAM_BYTES_MAX } from './socket-message.ts';

export const MESSAGE_TIMED = 0x05;
export const MESSAGE_RECEIPT = 0x06;

export const TIMED_HEADER_BYTES = 16;
export const TIMED_PART_HEADER_BYTES = 20;
export const RECEIPT_BYTES = 20;
/** Step of the time sent, in microseconds. */
export const TIME_SENT_STEP = 100;

export const RECEIPT_DELIVERED = 0;
export const RECEIPT_REFUSED = 1;

const FLAG_RECEIPT = 0x04;
const FLAG_PART = 0x08;

export interface TimedMessage {
  /** 0 none, 1 deadline, 2 order, 3 smooth. */
  readonly playout: number;
  readonly wantsReceipt: boolean;
  readonly fromPort: number;
  readonly toPort: number;
  readonly conversation: number;
  readonly number: number;
  /** In steps of `TIME_SENT_STEP`, 32 bits, by the source's clock. */
  readonly timeSent: number;
  /** Of a part: the whole message's; 0: this is all of it. */
  readonly totalBytes: number;
  readonly offset: number;
}

export interface DecodedTimedMessage extends TimedMessage {
  readonly payloadOffset: number;
}

export interface Receipt {
  readonly verdict: number;
  readonly fromPort: number;
  readonly toPort: number;
  readonly conversation: number;
  readonly number: number;
  readonly before: readonly [number, number];
}

/** Writes the header at `at`; returns its length. A `totalBytes` above 0 makes it a part. */
export function encodeTimedHeader(bytes: Uint8Array, at: number, message: TimedMessage): number {
  const isPart = message.totalBytes > 0;
  bytes[at] = MESSAGE_TIMED;
  bytes[at + 1] =
    message.playout | (message.wantsReceipt ? FLAG_RECEIPT : 0) | (isPart ? FLAG_PART : 0);
  writeU16(bytes, at + 2, message.fromPort);
  writeU16(bytes, at + 4, message.toPort);
  writeU16(bytes, at + 6, message.conversation);
  writeU32(bytes, at + 8, message.number);
  writeU32(bytes, at + 12, message.timeSent);
  if (!isPart) return TIMED_HEADER_BYTES;
  writeU16(bytes, at + 16, message.totalBytes);
  writeU16(bytes, at + 18, message.offset);
  return TIMED_PART_HEADER_BYTES;
}

/** Undefined for what is malformed. */
export function decodeTimedMessage(
  bytes: Uint8Array,
  at: number,
  end: number,
): DecodedTimedMessage | undefined {
  const flags = bytes[at + 1]!;
  const isPart = (flags & FLAG_PART) !== 0;
  const headerBytes = isPart ? TIMED_PART_HEADER_BYTES : TIMED_HEADER_BYTES;
  if (end - at < headerBytes || bytes[at] !== MESSAGE_TIMED || flags > 15) return undefined;
  const fromPort = readU16(bytes, at + 2);
  const toPort = readU16(bytes, at + 4);
  if (fromPort === 0 || toPort === 0) return undefined;
  const totalBytes = isPart ? readU16(bytes, at + 16) : 0;
  const offset = isPart ? readU16(bytes, at + 18) : 0;
  const length = end - at - headerBytes;
  if (length > DATAGRAM_BYTES_MAX) return undefined;
  if (isPart && (length === 0 || totalBytes > DATAGRAM_BYTES_MAX || offset + length > totalBytes))
    return undefined;
  return {
    playout: flags & 3,
    wantsReceipt: (flags & FLAG_RECEIPT) !== 0,
    fromPort,
    toPort,
    conversation: readU16(bytes, at + 6),
    number: readU32(bytes, at + 8),
    timeSent: readU32(bytes, at + 12),
    totalBytes,
    offset,
    payloadOffset: at + headerBytes,
  };
}

export function encodeReceipt(bytes: Uint8Array, at: number, receipt: Receipt): void {
  bytes[at] = MESSAGE_RECEIPT;
  bytes[at + 1] = receipt.verdict;
  writeU16(bytes, at + 2, receipt.fromPort);
  writeU16(bytes, at + 4, receipt.toPort);
  writeU16(bytes, at + 6, receipt.conversation);
  writeU32(bytes, at + 8, receipt.number);
  writeU32(bytes, at + 12, receipt.before[0]);
  writeU32(bytes, at + 16, receipt.before[1]);
}

/** Undefined for what is malformed. */
export function decodeReceipt(bytes: Uint8Array, at: number, end: number): Receipt | undefined {
  if (end - at !== RECEIPT_BYTES || bytes[at] !== MESSAGE_RECEIPT) return undefined;
  const verdict = bytes[at + 1]!;
  const fromPort = readU16(bytes, at + 2);
  const toPort = readU16(bytes, at + 4);
  if (verdict > RECEIPT_REFUSED || fromPort === 0 || toPort === 0) return undefined;
  return {
    verdict,
    fromPort,
    toPort,
    conversation: readU16(bytes, at + 6),
    number: readU32(bytes, at + 8),
    before: [readU32(bytes, at + 12), readU32(bytes, at + 16)],
  };
}

/** Whether a receipt says that a message has been delivered. */
export function receiptCovers(receipt: Receipt, number: number): boolean {
  const back = receipt.number - number;
  if (back === 0) return receipt.verdict === RECEIPT_DELIVERED;
  if (back < 1 || back > 64) return false;
  return ((receipt.before[(back - 1) >>> 5]! >>> ((back - 1) & 31)) & 1) === 1;
}
