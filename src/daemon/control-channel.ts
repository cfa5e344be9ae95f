/**
 * The byte protocol after an HTTP upgrade on the control socket: a run of frames, each
 *
 *    0               1               2               3
 *   +---------------+-----------------------------------------------+
 *   | type          | length of the body, 24 bits                   |
 *   +---------------+-----------------------------------------------+
 *   | body ...                                                      |
 *
 * Back-pressure is that of the Unix socket underneath. Numbers are append-only.
 */
import { readU16, readU32, utf8Decode, utf8Encode, writeU16, writeU32 } from '../kernel/index.ts';

/** Bytes of a stream. */
export const CHANNEL_DATA = 1;
/** This direction of the stream has ended in good order. */
export const CHANNEL_END = 2;
/** The last frame: JSON `ErrorBody`. */
export const CHANNEL_ERROR = 3;
/** Datagrams dropped on the daemon's side so far, decimal. */
export const CHANNEL_DROPPED = 5;
/** JSON { to, code }: a datagram was not sent. */
export const CHANNEL_UNDELIVERABLE = 6;
/** JSON { id, remote }: a stream arrived; fetch it with `/v1/accept`. */
export const CHANNEL_INCOMING = 7;

/**
 * A datagram to be delivered reliably: id (u32), timeout in ms (u32), name length (u8), name, port (u16),
 * payload.
 */
export const CHANNEL_RELIABLE = 8;
/** JSON { id, code }: how it ended; no code: delivered. */
export const CHANNEL_OUTCOME = 9;

/** Datagrams to one endpoint, or from one in one lane: see `channel-datagrams.ts`. */
export const CHANNEL_DATAGRAMS = 11;

// 4 and 10 were single datagrams.

export const CHANNEL_HEADER_BYTES = 4;
const RELIABLE_BYTES = 8;
/** Longer than any datagram with its endpoint; stream data is cut to `DATA_BYTES_MAX`. */
export const CHANNEL_BODY_MAX: number = 128 * 1024;
export const DATA_BYTES_MAX: number = 64 * 1024;

export interface ChannelFrame {
  readonly type: number;
  readonly body: Uint8Array;
}

export function channelHeader(type: number, length: number): Uint8Array {
  return Uint8Array.of(type, length >>> 16, length >>> 8, length);
}

export function channelFrame(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(CHANNEL_HEADER_BYTES + body.length);
  frame.set(channelHeader(type, body.length));
  frame.set(body, CHANNEL_HEADER_BYTES);
  return frame;
}

export const jsonFrame = (type: number, value: unknown): Uint8Array =>
  channelFrame(type, utf8Encode(JSON.stringify(value)));

/** Undefined when the body is not JSON. */
export function jsonBody(frame: ChannelFrame): unknown {
  const text = utf8Decode(frame.body);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A CHANNEL_RELIABLE frame whole. `node` is at most 255 bytes of UTF-8. */
export function reliableFrame(
  message: { readonly id: number; readonly timeoutMs: number },
  to: { readonly node: string; readonly port: number },
  payload: Uint8Array,
): Uint8Array {
  const name = utf8Encode(to.node);
  const body = new Uint8Array(RELIABLE_BYTES + 3 + name.length + payload.length);
  writeU32(body, 0, message.id);
  writeU32(body, 4, message.timeoutMs);
  body[RELIABLE_BYTES] = name.length;
  body.set(name, RELIABLE_BYTES + 1);
  writeU16(body, RELIABLE_BYTES + 1 + name.length, to.port);
  body.set(payload, RELIABLE_BYTES + 3 + name.length);
  return channelFrame(CHANNEL_RELIABLE, body);
}

export interface ReliableBody {
  readonly id: number;
  readonly timeoutMs: number;
  readonly node: string;
  readonly port: number;
  /** A view into the frame. */
  readonly payload: Uint8Array;
}

export function parseReliableBody(body: Uint8Array): ReliableBody | undefined {
  const nameAt = RELIABLE_BYTES + 1;
  const payloadAt = nameAt + (body[RELIABLE_BYTES] ?? 0) + 2;
  if (body.length < payloadAt) return undefined;
  const node = utf8Decode(body.subarray(nameAt, payloadAt - 2));
  if (node === undefined) return undefined;
  return {
    id: readU32(body, 0),
    timeoutMs: readU32(body, 4),
    node,
    port: readU16(body, payloadAt - 2),
    payload: body.subarray(payloadAt),
  };
}

/**
 * Cuts what arrives into frames. `isBroken` once a length passes the bound; nothing follows it. Bodies are
 * views: of the chunk, or of a buffer of its own where a frame came in several. So they may be kept as
 * long as the chunks may.
 */
export class ChannelDecoder {
  isBroken = false;
  /** The frame that has come in part: its header alone until that is whole. */
  private partial: Uint8Array = new Uint8Array(CHANNEL_HEADER_BYTES);
  private filled = 0;

  *push(arrived: Uint8Array): Generator<ChannelFrame, void> {
    // Cutting a Buffer into pieces costs three times as much, and so does every look at pieces of two kinds.
    const chunk = new Uint8Array(arrived.buffer, arrived.byteOffset, arrived.length);
    let at = 0;
    while (!this.isBroken && at < chunk.length) {
      const body = at + CHANNEL_HEADER_BYTES;
      const end = body + bodyLength(chunk, at);
      let frame: ChannelFrame | undefined;
      if (this.filled === 0 && end <= chunk.length && end - body <= CHANNEL_BODY_MAX) {
        frame = { type: chunk[at]!, body: chunk.subarray(body, end) };
        at = end;
      } else {
        at = this.fill(chunk, at);
        frame = this.whole();
      }
      if (frame !== undefined) yield frame;
    }
  }

  /** Takes as much as the partial frame lacks. */
  private fill(chunk: Uint8Array, at: number): number {
    const count = Math.min(this.partial.length - this.filled, chunk.length - at);
    this.partial.set(chunk.subarray(at, at + count), this.filled);
    this.filled += count;
    return at + count;
  }

  /** The partial frame, where it is whole now. State: a header that is makes room for its body. */
  private whole(): ChannelFrame | undefined {
    const { partial } = this;
    if (this.filled < partial.length) return undefined;
    if (partial.length === CHANNEL_HEADER_BYTES) {
      const length = bodyLength(partial, 0);
      if (length > CHANNEL_BODY_MAX) {
        this.isBroken = true;
        return undefined;
      }
      if (length > 0) {
        this.partial = new Uint8Array(CHANNEL_HEADER_BYTES + length);
        this.partial.set(partial);
        return undefined;
      }
    }
    this.partial = new Uint8Array(CHANNEL_HEADER_BYTES);
    this.filled = 0;
    return { type: partial[0]!, body: partial.subarray(CHANNEL_HEADER_BYTES) };
  }
}

/** Of a frame whose header is there; 0xffffff where it is not. */
const bodyLength = (bytes: Uint8Array, at: number): number =>
  at + CHANNEL_HEADER_BYTES > bytes.length
    ? 0xff_ffff
    : (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
