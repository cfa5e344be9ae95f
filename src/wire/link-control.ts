/**
 * The small frames of a link besides hello: goodbye, and probing for the datagram size that passes.
 * Bodies only; the three bytes of frame header are written by the link.
 *
 *   goodbye     | code (u8) | detail: UTF-8, up to 64 bytes |
 *   MTU probe   | id (u32)  | datagram size (u16) |          then padding frames up to that size
 *   MTU ack     | id (u32)  | datagram size (u16) |
 */
import { ByteReader, ByteWriter, utf8Decode, utf8Prefix } from '../kernel/index.ts';

/** Why a neighbour goes. Append-only. */
export const GOODBYE_LEAVING = 1;
/** The failure detector gave up on the receiver: it is not heard. */
export const GOODBYE_SILENCE = 2;
/** The handshake or the membership was refused; the detail says why. */
export const GOODBYE_REFUSED = 3;
/** The link is no longer wanted by configuration. */
export const GOODBYE_UNWANTED = 4;

const DETAIL_BYTES_MAX = 64;

export interface Goodbye {
  readonly code: number;
  readonly detail: string;
}

export function encodeGoodbye(goodbye: Goodbye): Uint8Array {
  const detail = utf8Prefix(goodbye.detail, DETAIL_BYTES_MAX);
  return new ByteWriter(8).u8(goodbye.code).raw(detail).finish();
}

export function decodeGoodbye(bytes: Uint8Array, at: number, end: number): Goodbye | undefined {
  if (end - at < 1 || end - at > 1 + DETAIL_BYTES_MAX) return undefined;
  const detail = utf8Decode(bytes.subarray(at + 1, end));
  return detail === undefined ? undefined : { code: bytes[at]!, detail };
}

export const MTU_BODY_BYTES = 6;

export interface MtuMessage {
  readonly id: number;
  /** Size of the whole datagram that carries, or carried, the probe. */
  readonly datagramBytes: number;
}

export const encodeMtuMessage = (message: MtuMessage): Uint8Array =>
  new ByteWriter(MTU_BODY_BYTES).u32(message.id).u16(message.datagramBytes).finish();

export function decodeMtuMessage(
  bytes: Uint8Array,
  at: number,
  end: number,
): MtuMessage | undefined {
  const reader = new ByteReader(bytes, at, end);
  const id = reader.u32();
  const datagramBytes = reader.u16();
  return reader.finish() ? { id, datagramBytes } : undefined;
}
