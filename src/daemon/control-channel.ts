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
/** A datagram: name length (u8), name, port (u16), payload. To or from that endpoint. */
export const CHANNEL_DATAGRAM = 4;
/** Datagrams dropped on the daemon's side so far, decimal. */
export const CHANNEL_DROPPED = 5;
/** JSON { to, code }: a datagram was not sent. */
export const CHANNEL_UNDELIVERABLE = 6;
/** JSON { id, remote }: a stream arrived; fetch it with `/v1/accept`. */
export const CHANNEL_INCOMING = 7;

/** A datagram to be delivered reliably: id (u32), timeout in ms (u32), then as DATAGRAM. */
export const CHANNEL_RELIABLE = 8;
/** JSON { id, code }: how it ended; no code: delivered. */
export const CHANNEL_OUTCOME = 9;

/** A datagram that came in another lane than `default`: name length (u8), lane, then as DATAGRAM. */
export const CHANNEL_IN_LANE = 10;

const HEADER_BYTES = 4;
const RELIABLE_BYTES = 8;
/** Longer than any datagram with its endpoint; stream data is cut to `DATA_BYTES_MAX`. */
export const CHANNEL_BODY_MAX: number = 128 * 1024;
export const DATA_BYTES_MAX: number = 64 * 1024;

export interface ChannelFrame {
  readonly type: number;
  /** A view, valid until the next chunk is given to the decoder. */
  readonly body: Uint8Array;
}

export function channelHeader(type: number, length: number): Uint8Array {
  return Uint8Array.of(type, length >>> 16, length >>> 8, length);
}

export function channelFrame(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  frame.set(channelHeader(type, body.length));
  frame.set(body, HEADER_BYTES);
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

/** A CHANNEL_DATAGRAM frame whole. `node` is at most 255 bytes of UTF-8. */
export function datagramFrame(node: string, port: number, payload: Uint8Array): Uint8Array {
  const name = utf8Encode(node);
  const frame = new Uint8Array(DATAGRAM_FRAME_BYTES + name.length + payload.length);
  writeDatagramFrame(frame, 0, CHANNEL_DATAGRAM, name, port, payload);
  return frame;
}

/** What a datagram's frame has besides its name and payload. */
export const DATAGRAM_FRAME_BYTES: number = HEADER_BYTES + 3;

/** Writes such a frame at `at`, where there is room for it. */
export function writeDatagramFrame(
  into: Uint8Array,
  at: number,
  type: number,
  name: Uint8Array,
  port: number,
  payload: Uint8Array,
): void {
  const length = 3 + name.length + payload.length;
  into[at] = type;
  into[at + 1] = length >>> 16;
  into[at + 2] = length >>> 8;
  into[at + 3] = length;
  const body = at + HEADER_BYTES;
  into[body] = name.length;
  into.set(name, body + 1);
  writeU16(into, body + 1 + name.length, port);
  into.set(payload, body + 3 + name.length);
}

/** A CHANNEL_RELIABLE frame whole. */
export function reliableFrame(
  message: { readonly id: number; readonly timeoutMs: number },
  to: { readonly node: string; readonly port: number },
  payload: Uint8Array,
): Uint8Array {
  const plain = datagramFrame(to.node, to.port, payload).subarray(HEADER_BYTES);
  const body = new Uint8Array(RELIABLE_BYTES + plain.length);
  writeU32(body, 0, message.id);
  writeU32(body, 4, message.timeoutMs);
  body.set(plain, RELIABLE_BYTES);
  return channelFrame(CHANNEL_RELIABLE, body);
}

export function parseReliableBody(
  body: Uint8Array,
): (DatagramBody & { readonly id: number; readonly timeoutMs: number }) | undefined {
  if (body.length < RELIABLE_BYTES) return undefined;
  const datagram = parseDatagramBody(body.subarray(RELIABLE_BYTES));
  if (datagram === undefined) return undefined;
  return { ...datagram, id: readU32(body, 0), timeoutMs: readU32(body, 4) };
}

/** A CHANNEL_IN_LANE frame whole. */
export function inLaneFrame(
  lane: string,
  from: { readonly node: string; readonly port: number },
  payload: Uint8Array,
): Uint8Array {
  const name = utf8Encode(lane);
  const plain = datagramFrame(from.node, from.port, payload).subarray(HEADER_BYTES);
  const body = new Uint8Array(1 + name.length + plain.length);
  body[0] = name.length;
  body.set(name, 1);
  body.set(plain, 1 + name.length);
  return channelFrame(CHANNEL_IN_LANE, body);
}

export function parseInLaneBody(
  body: Uint8Array,
): (DatagramBody & { readonly lane: string }) | undefined {
  const nameBytes = body[0] ?? 0;
  const lane = utf8Decode(body.subarray(1, 1 + nameBytes));
  const datagram = parseDatagramBody(body.subarray(1 + nameBytes));
  return lane === undefined || datagram === undefined ? undefined : { ...datagram, lane };
}

export interface DatagramBody {
  readonly node: string;
  readonly port: number;
  /** A view into the frame. */
  readonly payload: Uint8Array;
}

export function parseDatagramBody(body: Uint8Array): DatagramBody | undefined {
  const nameBytes = body[0] ?? 0;
  if (body.length < 3 + nameBytes) return undefined;
  const node = utf8Decode(body.subarray(1, 1 + nameBytes));
  if (node === undefined) return undefined;
  return { node, port: readU16(body, 1 + nameBytes), payload: body.subarray(3 + nameBytes) };
}

/** Cuts what arrives into frames. `isBroken` once a length passes the bound; nothing follows it. */
export class ChannelDecoder {
  private kept: Uint8Array = new Uint8Array(0);
  isBroken = false;

  *push(chunk: Uint8Array): Generator<ChannelFrame, void> {
    let bytes = chunk;
    if (this.kept.length > 0) {
      bytes = new Uint8Array(this.kept.length + chunk.length);
      bytes.set(this.kept);
      bytes.set(chunk, this.kept.length);
    }
    let at = 0;
    while (!this.isBroken && bytes.length - at >= HEADER_BYTES) {
      const length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (length > CHANNEL_BODY_MAX) this.isBroken = true;
      const end = at + HEADER_BYTES + length;
      if (this.isBroken || bytes.length < end) break;
      const frame = { type: bytes[at]!, body: bytes.subarray(at + HEADER_BYTES, end) };
      at = end;
      // Kept before the yield: a consumer may stop in the middle.
      this.kept = bytes.subarray(at);
      yield frame;
    }
    this.kept = this.isBroken ? new Uint8Array(0) : bytes.slice(at);
  }
}
