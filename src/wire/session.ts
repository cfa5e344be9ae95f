/**
 * End-to-end session set-up between the two end nodes of flows: a Noise IK exchange of two messages
 * and the notice that says a session is not known (any more). The payload of a packet of kind SESSION.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | type          | zero                                          |  0
 *   +---------------+---------------+---------------+---------------+
 *   | receiver index: 0 in an initiation; the index refused in a notice |  4
 *   +---------------------------------------------------------------+
 *   | Noise message, to the end of the packet                       |  8
 *
 *   1 initiation    2 response    3 unknown session
 *
 * Inside the Noise messages, sealed and authenticated:
 *
 *   +---------------------------------------------------------------+
 *   | sender index: goes in front of every packet sealed to sender  |  0
 *   +---------------------------------------------------------------+
 *   | sender epoch                                                  |  4
 *   +---------------------------------------------------------------+
 *   | initiation number: rises with every initiation of an epoch    |  8
 *   +---------------+-----------------------------------------------+
 *   | count         | AEAD algorithms, one byte each, best first    | 12
 *   +---------------+-----------------------------------------------+
 *
 * A response repeats the initiation's number and names exactly one algorithm.
 */
import type { AeadAlgorithm } from '../kernel/index.ts';
import { ByteReader, ByteWriter, readU32, writeU32 } from '../kernel/index.ts';

export const SESSION_HEADER_BYTES = 8;
/** Receiver index in front of every sealed end-to-end payload. */
export const SESSION_INDEX_BYTES = 4;
export const SESSION_INITIATION = 1;
export const SESSION_RESPONSE = 2;
export const SESSION_UNKNOWN = 3;
/** Bounds a Noise message of ours generously; longer ones are refused unread. */
export const SESSION_MESSAGE_BYTES_MAX = 512;

export interface SessionMessage {
  readonly kind: 'initiation' | 'response' | 'unknown';
  readonly receiverIndex: number;
  readonly noise: Uint8Array;
}

export interface SessionOffer {
  readonly index: number;
  readonly epoch: number;
  readonly number: number;
  readonly algorithms: readonly AeadAlgorithm[];
}

const KINDS = ['initiation', 'response', 'unknown'] as const;
const ALGORITHMS: readonly AeadAlgorithm[] = ['aes-128-gcm', 'chacha20-poly1305'];
const ALGORITHMS_MAX = 8;

export function encodeSessionMessage(message: SessionMessage): Uint8Array {
  const bytes = new Uint8Array(SESSION_HEADER_BYTES + message.noise.length);
  bytes[0] = KINDS.indexOf(message.kind) + 1;
  writeU32(bytes, 4, message.receiverIndex);
  bytes.set(message.noise, SESSION_HEADER_BYTES);
  return bytes;
}

/** `noise` is a view into `bytes`. */
export function decodeSessionMessage(
  bytes: Uint8Array,
  at: number,
  end: number,
): SessionMessage | undefined {
  const size = end - at - SESSION_HEADER_BYTES;
  if (size < 0 || size > SESSION_MESSAGE_BYTES_MAX) return undefined;
  const kind = KINDS[bytes[at]! - 1];
  if (kind === undefined) return undefined;
  if (bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0) return undefined;
  const receiverIndex = readU32(bytes, at + 4);
  if ((kind === 'initiation') !== (receiverIndex === 0)) return undefined;
  if ((kind === 'unknown') !== (size === 0)) return undefined;
  return { kind, receiverIndex, noise: bytes.subarray(at + SESSION_HEADER_BYTES, end) };
}

export function encodeSessionOffer(offer: SessionOffer): Uint8Array {
  const out = new ByteWriter(24).u32(offer.index).u32(offer.epoch).u32(offer.number);
  out.u8(offer.algorithms.length);
  for (const algorithm of offer.algorithms) out.u8(ALGORITHMS.indexOf(algorithm) + 1);
  return out.finish();
}

/** Algorithms this version does not know are left out; there may be none left. */
export function decodeSessionOffer(bytes: Uint8Array): SessionOffer | undefined {
  const reader = new ByteReader(bytes);
  const index = reader.u32();
  const epoch = reader.u32();
  const number = reader.u32();
  const count = reader.u8();
  if (count === 0 || count > ALGORITHMS_MAX || index === 0) reader.reject();
  const algorithms: AeadAlgorithm[] = [];
  for (let i = 0; i < count && reader.ok; i++) {
    const algorithm = ALGORITHMS[reader.u8() - 1];
    if (algorithm !== undefined && !algorithms.includes(algorithm)) algorithms.push(algorithm);
  }
  return reader.finish() ? { index, epoch, number, algorithms } : undefined;
}
