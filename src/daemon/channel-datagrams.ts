/**
 * The frame that carries datagrams between a program and its daemon, as many as there are:
 *
 *    0               1               2               3
 *   +---------------+-----------------------------------------------+
 *   | DATAGRAMS     | length of the body, 24 bits                   |
 *   +---------------+---------------+---------------+---------------+
 *   | lane length   | lane ...      | name length   | name ...      |
 *   +---------------+---------------+---------------+---------------+
 *   | port                          | length of the first datagram  |
 *   +-------------------------------+-------------------------------+
 *   | its bytes ..., then the length and bytes of the next ...      |
 *   +---------------------------------------------------------------+
 *
 * To the daemon: all go to `name:port`, the lane is empty (it is the socket's). From it: all came from
 * there, in that lane. What precedes the first datagram is the frame's *head*; the heads of two frames
 * of one flow are the same bytes, and their reader compares them instead of reading them.
 */
import { readU16, utf8Decode, utf8Encode, writeU16 } from '../kernel/index.ts';
import { CHANNEL_DATAGRAMS, CHANNEL_HEADER_BYTES } from './control-channel.ts';

export interface ChannelEnd {
  readonly node: string;
  readonly port: number;
}

export interface ChannelDatagrams {
  /** The same object for frames of one flow. */
  readonly end: ChannelEnd;
  readonly lane: string;
  /** Views into the frame. */
  readonly payloads: Uint8Array[];
}

/** Bytes in front of each datagram. */
export const DATAGRAM_LENGTH_BYTES = 2;

/** Header and head of an empty frame. Name and lane are at most 255 bytes of UTF-8 each. */
export function datagramsHead({ node, port }: ChannelEnd, lane: string): Uint8Array {
  const [laneBytes, name] = [utf8Encode(lane), utf8Encode(node)];
  const body = CHANNEL_HEADER_BYTES;
  const nameAt = body + 2 + laneBytes.length;
  const head = new Uint8Array(nameAt + name.length + 2);
  head[0] = CHANNEL_DATAGRAMS;
  head[body] = laneBytes.length;
  head.set(laneBytes, body + 1);
  head[nameAt - 1] = name.length;
  head.set(name, nameAt);
  writeU16(head, nameAt + name.length, port);
  setFrameLength(head, 0, head.length);
  return head;
}

/** Writes the length of the frame at `at` that now ends at `end`. */
export function setFrameLength(bytes: Uint8Array, at: number, end: number): void {
  const length = end - at - CHANNEL_HEADER_BYTES;
  bytes[at + 1] = length >>> 16;
  bytes[at + 2] = length >>> 8;
  bytes[at + 3] = length;
}

/** Reads such frames of one channel. */
export class DatagramsReader {
  private head: Uint8Array = new Uint8Array(0);
  private end: ChannelEnd = { node: '', port: 0 };
  private lane = '';

  /** Undefined where the body is malformed. */
  read(body: Uint8Array): ChannelDatagrams | undefined {
    let at = this.readHead(body);
    if (at < 0) return undefined;
    const payloads: Uint8Array[] = [];
    while (at < body.length) {
      if (at + DATAGRAM_LENGTH_BYTES > body.length) return undefined;
      const from = at + DATAGRAM_LENGTH_BYTES;
      at = from + readU16(body, at);
      if (at > body.length) return undefined;
      payloads.push(body.subarray(from, at));
    }
    return { end: this.end, lane: this.lane, payloads };
  }

  /** Where the datagrams begin; -1: malformed. State: unchanged where it is malformed. */
  private readHead(body: Uint8Array): number {
    if (this.isSameHead(body)) return this.head.length;
    const laneBytes = body[0] ?? 0;
    const nameAt = 2 + laneBytes;
    const portAt = nameAt + (body[nameAt - 1] ?? 0);
    if (portAt + 2 > body.length) return -1;
    const lane = utf8Decode(body.subarray(1, 1 + laneBytes));
    const node = utf8Decode(body.subarray(nameAt, portAt));
    if (lane === undefined || node === undefined) return -1;
    this.end = { node, port: readU16(body, portAt) };
    this.lane = lane;
    this.head = body.slice(0, portAt + 2);
    return portAt + 2;
  }

  /** Lengths stand in front of what they measure, so that no head begins another. */
  private isSameHead(body: Uint8Array): boolean {
    const { head } = this;
    if (head.length === 0 || body.length < head.length) return false;
    for (let i = 0; i < head.length; i++) if (body[i] !== head[i]) return false;
    return true;
  }
}
