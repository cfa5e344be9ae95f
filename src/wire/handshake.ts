/**
 * Handshake datagrams around the three messages of Noise XX, the cookie reply, and the payload that
 * messages 2 and 3 carry.
 *
 *   message 1, always 1200 bytes       message 2                       message 3
 *   +------+------------------+        +------+------------------+     +------+----------------+
 *   | 0x11 | zero (3)         |  0     | 0x12 | zero (3)         |  0  | 0x13 | zero (3)       |  0
 *   | sender index (4)        |  4     | sender index (4)        |  4  | receiver index (4)    |  4
 *   | ephemeral key (32)      |  8     | receiver index (4)      |  8  | Noise message, to end |  8
 *   | padding (1128)          | 40     | Noise message, to end   | 12  +-----------------------+
 *   | mac 1 (16)              | 1168   +-------------------------+
 *   | mac 2 (16)              | 1184   cookie reply, 52 bytes: | 0x14 | zero (3) | receiver index (4) |
 *   +-------------------------+                                | nonce (12) | sealed cookie (32) |
 *
 * Message 1 is padded so that the answer to an address that has not proved itself is never longer
 * than what it sent. Mac 1 is keyed by the network id: who does not know the network gets no answer.
 * Mac 2 is keyed by the cookie and is zero without one (the scheme of WireGuard, Donenfeld 2017,
 * section 5.3).
 *
 *   payload  | intent (u8) | AEADs (u8) | one id (u8) each | epoch (u32) |
 *            | chain length (u16) | chain | reason length (u8) | reason | flags (u8) |
 *            later fields are ignored; absent flags are 0
 *
 * Flag 1: this is one of several paths to the same node; those that stand are to be kept.
 */
import type { AeadAlgorithm } from '../kernel/index.ts';
import {
  ByteReader,
  ByteWriter,
  readU32,
  utf8Decode,
  utf8Prefix,
  writeU32,
} from '../kernel/index.ts';
import {
  PACKET_COOKIE,
  PACKET_HANDSHAKE_1,
  PACKET_HANDSHAKE_2,
  PACKET_HANDSHAKE_3,
} from './packet-types.ts';

export const HANDSHAKE_1_BYTES = 1200;
/** What mac 1 covers, and what mac 2 covers. */
export const HANDSHAKE_MAC_1_AT = 1168;
export const HANDSHAKE_MAC_2_AT = 1184;
export const HANDSHAKE_MAC_BYTES = 16;
export const COOKIE_REPLY_BYTES = 52;
const EPHEMERAL_BYTES = 32;
const CHAIN_BYTES_MAX = 800;
const REASON_BYTES_MAX = 64;
const AEADS_MAX = 4;
const FLAG_ONE_OF_SEVERAL = 1;

/** Message 1 without its macs: the caller fills those in place. */
export function encodeHandshake1(senderIndex: number, noise: Uint8Array): Uint8Array {
  const out = new Uint8Array(HANDSHAKE_1_BYTES);
  out[0] = PACKET_HANDSHAKE_1;
  writeU32(out, 4, senderIndex);
  out.set(noise, 8);
  return out;
}

export interface Handshake1 {
  readonly senderIndex: number;
  readonly noise: Uint8Array;
}

export function decodeHandshake1(bytes: Uint8Array): Handshake1 | undefined {
  if (bytes.length !== HANDSHAKE_1_BYTES || !hasType(bytes, PACKET_HANDSHAKE_1)) return undefined;
  return { senderIndex: readU32(bytes, 4), noise: bytes.slice(8, 8 + EPHEMERAL_BYTES) };
}

export const encodeHandshake2 = (
  indices: { sender: number; receiver: number },
  noise: Uint8Array,
): Uint8Array =>
  new ByteWriter(noise.length + 12)
    .u32(PACKET_HANDSHAKE_2 * 0x100_0000)
    .u32(indices.sender)
    .u32(indices.receiver)
    .raw(noise)
    .finish();

export interface Handshake2 {
  readonly senderIndex: number;
  readonly receiverIndex: number;
  readonly noise: Uint8Array;
}

export function decodeHandshake2(bytes: Uint8Array): Handshake2 | undefined {
  if (bytes.length <= 12 || bytes.length > HANDSHAKE_1_BYTES) return undefined;
  if (!hasType(bytes, PACKET_HANDSHAKE_2)) return undefined;
  return {
    senderIndex: readU32(bytes, 4),
    receiverIndex: readU32(bytes, 8),
    noise: bytes.slice(12),
  };
}

export const encodeHandshake3 = (receiverIndex: number, noise: Uint8Array): Uint8Array =>
  new ByteWriter(noise.length + 8)
    .u32(PACKET_HANDSHAKE_3 * 0x100_0000)
    .u32(receiverIndex)
    .raw(noise)
    .finish();

export interface Handshake3 {
  readonly receiverIndex: number;
  readonly noise: Uint8Array;
}

export function decodeHandshake3(bytes: Uint8Array): Handshake3 | undefined {
  if (bytes.length <= 8 || bytes.length > HANDSHAKE_1_BYTES) return undefined;
  if (!hasType(bytes, PACKET_HANDSHAKE_3)) return undefined;
  return { receiverIndex: readU32(bytes, 4), noise: bytes.slice(8) };
}

export interface CookieReply {
  readonly receiverIndex: number;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** Cookie and tag, 32 bytes. */
  readonly sealed: Uint8Array;
}

export const encodeCookieReply = (reply: CookieReply): Uint8Array =>
  new ByteWriter(COOKIE_REPLY_BYTES)
    .u32(PACKET_COOKIE * 0x100_0000)
    .u32(reply.receiverIndex)
    .raw(reply.nonce)
    .raw(reply.sealed)
    .finish();

export function decodeCookieReply(bytes: Uint8Array): CookieReply | undefined {
  if (bytes.length !== COOKIE_REPLY_BYTES || !hasType(bytes, PACKET_COOKIE)) return undefined;
  return { receiverIndex: readU32(bytes, 4), nonce: bytes.slice(8, 20), sealed: bytes.slice(20) };
}

/**
 * `member` opens a link; `enrol` asks for a certificate and shows none; `refuse` ends the handshake
 * and says why, in message 3 only.
 */
export type HandshakeIntent = 'member' | 'enrol' | 'refuse';

export interface HandshakePayload {
  readonly intent: HandshakeIntent;
  /** What the sender runs, best first. */
  readonly aeads: readonly AeadAlgorithm[];
  readonly epoch: number;
  readonly chain: Uint8Array;
  readonly reason: string;
  /** Only ever true: the field is absent where it is not. */
  readonly isOneOfSeveral?: true;
}

const INTENTS: readonly HandshakeIntent[] = ['member', 'enrol', 'refuse'];
/** Wire id is the place in this list plus one. */
const AEADS: readonly AeadAlgorithm[] = ['aes-128-gcm', 'chacha20-poly1305'];

export function encodeHandshakePayload(payload: HandshakePayload): Uint8Array {
  const reason = utf8Prefix(payload.reason, REASON_BYTES_MAX);
  const out = new ByteWriter(1024);
  out.u8(INTENTS.indexOf(payload.intent)).u8(payload.aeads.length);
  for (const algorithm of payload.aeads) out.u8(AEADS.indexOf(algorithm) + 1);
  out.u32(payload.epoch).u16(payload.chain.length).raw(payload.chain);
  out.u8(reason.length).raw(reason);
  if (payload.isOneOfSeveral === true) out.u8(FLAG_ONE_OF_SEVERAL);
  return out.finish();
}

export function decodeHandshakePayload(bytes: Uint8Array): HandshakePayload | undefined {
  const reader = new ByteReader(bytes);
  const intent = INTENTS[reader.u8()];
  const count = reader.u8();
  if (count > AEADS_MAX) reader.reject();
  const aeads: AeadAlgorithm[] = [];
  for (let i = 0; i < count && reader.ok; i++) {
    const algorithm = AEADS[reader.u8() - 1];
    if (algorithm !== undefined && !aeads.includes(algorithm)) aeads.push(algorithm);
  }
  const epoch = reader.u32();
  const chainBytes = reader.u16();
  if (chainBytes > CHAIN_BYTES_MAX) reader.reject();
  const chain = reader.copy(chainBytes);
  const reasonBytes = reader.u8();
  if (reasonBytes > REASON_BYTES_MAX) reader.reject();
  const reason = utf8Decode(reader.copy(reasonBytes));
  if (!reader.ok || intent === undefined || reason === undefined) return undefined;
  const told = { intent, aeads, epoch, chain, reason };
  const flags = reader.remaining > 0 ? reader.u8() : 0;
  return (flags & FLAG_ONE_OF_SEVERAL) === 0 ? told : { ...told, isOneOfSeveral: true };
}

const hasType = (bytes: Uint8Array, type: number): boolean =>
  readU32(bytes, 0) === type * 0x100_0000;
