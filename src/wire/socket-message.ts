/**
 * What two sockets say to each other, inside the end-to-end seal. The first byte tells the message's
 * type; stream segments (type 0x20) have their own codec.
 *
 *    0               1               2               3
 *   +---------------+---------------+-------------------------------+
 *   | type          | zero          | from port                     |  0
 *   +---------------+---------------+-------------------------------+
 *   | to port                       | datagram: payload ...         |  4
 *   +-------------------------------+-------------------------------+
 *                    fragment only: | total bytes of the message    |
 *   +-------------------------------+-------------------------------+
 *   | message identifier                                            |  8
 *   +-------------------------------+-------------------------------+
 *   | offset of this fragment       | payload ...                   | 12
 *
 *   0x01 datagram   0x02 fragment   0x03 port unreachable (ports as in the refused datagram)
 *   0x04 confirm: empty, proves to a responder that the initiator holds the new keys
 */
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';

export const MESSAGE_DATAGRAM = 0x01;
export const MESSAGE_FRAGMENT = 0x02;
export const MESSAGE_PORT_UNREACHABLE = 0x03;
export const MESSAGE_CONFIRM = 0x04;
export const MESSAGE_STREAM = 0x20;

export const DATAGRAM_HEADER_BYTES = 6;
export const FRAGMENT_HEADER_BYTES = 14;
/** Largest datagram message: leaves room for what later versions put in front of it in 64 KiB. */
export const DATAGRAM_BYTES_MAX = 65_000;

/** A decoded header. `payloadOffset` points into the bytes it was decoded from. */
export interface SocketMessage {
  readonly kind: 'datagram' | 'fragment' | 'port-unreachable' | 'confirm';
  readonly fromPort: number;
  readonly toPort: number;
  readonly totalBytes: number;
  readonly identifier: number;
  readonly offset: number;
  readonly payloadOffset: number;
}

/** Writes the header of a whole datagram at `at`; the payload goes `DATAGRAM_HEADER_BYTES` on. */
export function encodeDatagramHeader(
  bytes: Uint8Array,
  at: number,
  ports: { fromPort: number; toPort: number },
): void {
  bytes[at] = MESSAGE_DATAGRAM;
  bytes[at + 1] = 0;
  writeU16(bytes, at + 2, ports.fromPort);
  writeU16(bytes, at + 4, ports.toPort);
}

/** Writes a fragment's header at `at`; the payload goes `FRAGMENT_HEADER_BYTES` on. */
export function encodeFragmentHeader(
  bytes: Uint8Array,
  at: number,
  fragment: {
    fromPort: number;
    toPort: number;
    totalBytes: number;
    identifier: number;
    offset: number;
  },
): void {
  encodeDatagramHeader(bytes, at, fragment);
  bytes[at] = MESSAGE_FRAGMENT;
  writeU16(bytes, at + 6, fragment.totalBytes);
  writeU32(bytes, at + 8, fragment.identifier);
  writeU16(bytes, at + 12, fragment.offset);
}

export function encodePortUnreachable(
  bytes: Uint8Array,
  at: number,
  ports: { fromPort: number; toPort: number },
): void {
  encodeDatagramHeader(bytes, at, ports);
  bytes[at] = MESSAGE_PORT_UNREACHABLE;
}

/** Undefined for what is malformed or of another type. */
export function decodeSocketMessage(
  bytes: Uint8Array,
  at: number,
  end: number,
): SocketMessage | undefined {
  const size = end - at;
  if (size < 1) return undefined;
  const type = bytes[at]!;
  if (type === MESSAGE_CONFIRM) return size === 1 ? message('confirm', 0, 0, end) : undefined;
  if (size < DATAGRAM_HEADER_BYTES || bytes[at + 1] !== 0) return undefined;
  const fromPort = readU16(bytes, at + 2);
  const toPort = readU16(bytes, at + 4);
  if (fromPort === 0 || toPort === 0) return undefined;
  const body = at + DATAGRAM_HEADER_BYTES;
  if (type === MESSAGE_DATAGRAM) return message('datagram', fromPort, toPort, body);
  if (type === MESSAGE_PORT_UNREACHABLE)
    return body === end ? message('port-unreachable', fromPort, toPort, body) : undefined;
  if (type !== MESSAGE_FRAGMENT || size <= FRAGMENT_HEADER_BYTES) return undefined;
  const totalBytes = readU16(bytes, at + 6);
  const offset = readU16(bytes, at + 12);
  const length = size - FRAGMENT_HEADER_BYTES;
  if (totalBytes > DATAGRAM_BYTES_MAX || offset + length > totalBytes) return undefined;
  return {
    kind: 'fragment',
    fromPort,
    toPort,
    totalBytes,
    identifier: readU32(bytes, at + 8),
    offset,
    payloadOffset: at + FRAGMENT_HEADER_BYTES,
  };
}

function message(
  kind: 'datagram' | 'port-unreachable' | 'confirm',
  fromPort: number,
  toPort: number,
  payloadOffset: number,
): SocketMessage {
  return { kind, fromPort, toPort, totalBytes: 0, identifier: 0, offset: 0, payloadOffset };
}
