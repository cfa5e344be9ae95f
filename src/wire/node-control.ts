/**
 * Node control: what nodes say to each other about reachability, sealed hop by hop only. An echo
 * request is answered by its destination; a node that had to drop a passing packet tells its source.
 *
 *    0               1               2               3
 *   +---------------+---------------+-------------------------------+
 *   | type          | dropped kind  | dropped flow                  |  0
 *   +---------------+---------------+-------------------------------+
 *   | echo identifier, or dropped sequence number                   |  4
 *   +---------------------------------------------------------------+
 *   | echo token, or the dropped packet's destination               |  8
 *   +---------------------------------------------------------------+
 *   | echo padding, to the end of the packet                        | 12
 *
 * Every answer is at most as long as what caused it: a reply repeats the request's length, a notice is
 * these 12 bytes, and no packet that may cause one has a shorter payload. The token is drawn by the
 * requester and repeated, so that only nodes that saw the request can answer it.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { readU16, readU32, writeU16, writeU32 } from '../kernel/index.ts';

export const NODE_CONTROL_BYTES = 12;
export const ECHO_PADDING_BYTES_MAX = 1200;

export const CONTROL_ECHO_REQUEST = 1;
export const CONTROL_ECHO_REPLY = 2;
export const CONTROL_HOP_LIMIT_EXCEEDED = 3;
export const CONTROL_UNREACHABLE = 4;

interface EchoFields {
  readonly identifier: number;
  readonly token: number;
  readonly paddingBytes: number;
}

interface NoticeFields {
  /** The dropped packet: payload kind and name. */
  readonly droppedKind: number;
  readonly flow: number;
  readonly sequence: number;
  readonly destination: NodeAddress;
}

export type EchoRequest = EchoFields & { readonly kind: 'echo-request' };
export type EchoReply = EchoFields & { readonly kind: 'echo-reply' };
export type HopLimitExceeded = NoticeFields & { readonly kind: 'hop-limit-exceeded' };
export type Unreachable = NoticeFields & { readonly kind: 'unreachable' };
export type NodeControl = EchoRequest | EchoReply | HopLimitExceeded | Unreachable;

const TYPES = {
  'echo-request': CONTROL_ECHO_REQUEST,
  'echo-reply': CONTROL_ECHO_REPLY,
  'hop-limit-exceeded': CONTROL_HOP_LIMIT_EXCEEDED,
  unreachable: CONTROL_UNREACHABLE,
} as const;

export function encodeNodeControl(message: NodeControl): Uint8Array {
  if ('token' in message) {
    const bytes = new Uint8Array(NODE_CONTROL_BYTES + message.paddingBytes);
    bytes[0] = TYPES[message.kind];
    writeU32(bytes, 4, message.identifier);
    writeU32(bytes, 8, message.token);
    return bytes;
  }
  const bytes = new Uint8Array(NODE_CONTROL_BYTES);
  bytes[0] = TYPES[message.kind];
  bytes[1] = message.droppedKind;
  writeU16(bytes, 2, message.flow);
  writeU32(bytes, 4, message.sequence);
  writeU32(bytes, 8, message.destination);
  return bytes;
}

/** Undefined for anything that is not a well-formed message. Padding is not looked at. */
export function decodeNodeControl(
  bytes: Uint8Array,
  at: number,
  end: number,
): NodeControl | undefined {
  const size = end - at;
  if (size < NODE_CONTROL_BYTES) return undefined;
  const type = bytes[at]!;
  const first = readU32(bytes, at + 4);
  const second = readU32(bytes, at + 8);
  if (type === CONTROL_ECHO_REQUEST || type === CONTROL_ECHO_REPLY) {
    const paddingBytes = size - NODE_CONTROL_BYTES;
    if (bytes[at + 1] !== 0 || readU16(bytes, at + 2) !== 0) return undefined;
    if (paddingBytes > ECHO_PADDING_BYTES_MAX) return undefined;
    const kind = type === CONTROL_ECHO_REQUEST ? 'echo-request' : 'echo-reply';
    return { kind, identifier: first, token: second, paddingBytes };
  }
  if (type !== CONTROL_HOP_LIMIT_EXCEEDED && type !== CONTROL_UNREACHABLE) return undefined;
  if (size !== NODE_CONTROL_BYTES) return undefined;
  return {
    kind: type === CONTROL_UNREACHABLE ? 'unreachable' : 'hop-limit-exceeded',
    droppedKind: bytes[at + 1]!,
    flow: readU16(bytes, at + 2),
    sequence: first,
    destination: second as NodeAddress,
  };
}
