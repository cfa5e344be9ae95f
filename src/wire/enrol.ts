/**
 * Enrolment frames: how a joiner gets its certificate from the member that invited it. They travel
 * inside a sealed session, so the token secret is never in the clear.
 *
 *   request  | version 1 (u8) | secret length (u8: 16) | secret | name length (u8) | name |
 *            | identity key (32) | signature (64) |
 *   answer   | part (u8) | parts (u8) | piece of the answer text, up to 1000 bytes |
 *
 *   answer text, granted   | 1 (u8) | chain length (u16) | chain | manifest, to the end |
 *   answer text, refused   | 0 (u8) | code: UTF-8, to the end |
 *
 * The signature is by the identity key over the session's handshake hash (`proveIdentity`), so nobody
 * can enrol a key that it does not hold. The key agreement key is the session's own. An answer comes
 * again whenever the request does; the requester repeats until it has all parts.
 */
import { ByteReader, ByteWriter, concatBytes, utf8Decode, utf8Encode } from '../kernel/index.ts';

const VERSION = 1;
const SECRET_BYTES = 16;
const NAME_BYTES_MAX = 64;
export const ENROL_PIECE_BYTES_MAX = 1000;
export const ENROL_PARTS_MAX = 64;

export interface EnrolRequest {
  /** The token's, 16 bytes. */
  readonly secret: Uint8Array;
  readonly name: string;
  readonly identityKey: Uint8Array;
  readonly signature: Uint8Array;
}

export type EnrolAnswerText =
  | { readonly granted: true; readonly chain: Uint8Array; readonly manifest: Uint8Array }
  | { readonly granted: false; readonly code: string };

export interface EnrolAnswerPart {
  readonly part: number;
  readonly parts: number;
  readonly piece: Uint8Array;
}

export function encodeEnrolRequest(request: EnrolRequest): Uint8Array {
  const { secret } = request;
  const name = utf8Encode(request.name);
  return new ByteWriter(192)
    .u8(VERSION)
    .u8(secret.length)
    .raw(secret)
    .u8(name.length)
    .raw(name)
    .raw(request.identityKey)
    .raw(request.signature)
    .finish();
}

export function decodeEnrolRequest(
  bytes: Uint8Array,
  at: number,
  end: number,
): EnrolRequest | undefined {
  const reader = new ByteReader(bytes, at, end);
  if (reader.u8() !== VERSION) reader.reject();
  if (reader.u8() !== SECRET_BYTES) reader.reject();
  const secret = reader.copy(SECRET_BYTES);
  const nameBytes = reader.u8();
  if (nameBytes === 0 || nameBytes > NAME_BYTES_MAX) reader.reject();
  const name = utf8Decode(reader.copy(nameBytes));
  const identityKey = reader.copy(32);
  const signature = reader.copy(64);
  if (!reader.finish() || name === undefined) return undefined;
  return { secret, name, identityKey, signature };
}

/** The bodies of the frames that carry an answer; undefined when it is too long for any number. */
export function encodeEnrolAnswer(answer: EnrolAnswerText): Uint8Array[] | undefined {
  const text = answer.granted
    ? new ByteWriter(1024)
        .u8(1)
        .u16(answer.chain.length)
        .raw(answer.chain)
        .raw(answer.manifest)
        .finish()
    : concatBytes(new Uint8Array(1), utf8Encode(answer.code));
  const parts = Math.ceil(text.length / ENROL_PIECE_BYTES_MAX);
  if (parts > ENROL_PARTS_MAX) return undefined;
  const bodies: Uint8Array[] = [];
  for (let part = 0; part < parts; part++) {
    const from = part * ENROL_PIECE_BYTES_MAX;
    const head = new Uint8Array([part, parts]);
    bodies.push(concatBytes(head, text.subarray(from, from + ENROL_PIECE_BYTES_MAX)));
  }
  return bodies;
}

export function decodeEnrolAnswerPart(
  bytes: Uint8Array,
  at: number,
  end: number,
): EnrolAnswerPart | undefined {
  const size = end - at - 2;
  if (size < 1 || size > ENROL_PIECE_BYTES_MAX) return undefined;
  const part = bytes[at]!;
  const parts = bytes[at + 1]!;
  if (parts === 0 || parts > ENROL_PARTS_MAX || part >= parts) return undefined;
  return { part, parts, piece: bytes.slice(at + 2, end) };
}

export function decodeEnrolAnswerText(text: Uint8Array): EnrolAnswerText | undefined {
  const reader = new ByteReader(text);
  const kind = reader.u8();
  if (kind === 0) {
    const code = utf8Decode(reader.copy(reader.remaining));
    return reader.ok && code !== undefined ? { granted: false, code } : undefined;
  }
  const chain = reader.copy(reader.u16());
  const manifest = reader.copy(reader.remaining);
  return kind === 1 && reader.ok ? { granted: true, chain, manifest } : undefined;
}
