/**
 * One message of a socket on its way out: whole where the path carries it, otherwise in parts, each in
 * a packet of its own. What stands in front of the payload is the message's kind's business.
 */
import type { Instant } from '../kernel/index.ts';
import type { TimedMessage } from '../wire/index.ts';
import {
  DATAGRAM_HEADER_BYTES,
  encodeDatagramHeader,
  encodeFragmentHeader,
  encodeTimedHeader,
  FRAGMENT_HEADER_BYTES,
  TIMED_HEADER_BYTES,
  TIMED_PART_HEADER_BYTES,
} from '../wire/index.ts';
import type { MessageOutlet } from './datagram-sockets.ts';
import type { FlowPath, PacketOutcome } from './socket-types.ts';

export interface Framing {
  readonly wholeBytes: number;
  readonly partBytes: number;
  /** Writes the header of the whole message at `at`. */
  whole(bytes: Uint8Array, at: number): void;
  part(bytes: Uint8Array, at: number, totalBytes: number, offset: number): void;
}

export interface Ports {
  readonly fromPort: number;
  readonly toPort: number;
}

/** Used for one message after the other. */
export class PlainFraming implements Framing {
  readonly wholeBytes: number = DATAGRAM_HEADER_BYTES;
  readonly partBytes: number = FRAGMENT_HEADER_BYTES;
  ports: Ports = { fromPort: 0, toPort: 0 };
  /** Names the message among those of its ports while its parts are on their way. */
  identifier: number;

  constructor(identifier: number) {
    this.identifier = identifier;
  }

  whole(bytes: Uint8Array, at: number): void {
    encodeDatagramHeader(bytes, at, this.ports);
  }

  part(bytes: Uint8Array, at: number, totalBytes: number, offset: number): void {
    const { ports, identifier } = this;
    encodeFragmentHeader(bytes, at, { ...ports, totalBytes, identifier, offset });
  }
}

export const timedFraming = (message: Omit<TimedMessage, 'totalBytes' | 'offset'>): Framing => ({
  wholeBytes: TIMED_HEADER_BYTES,
  partBytes: TIMED_PART_HEADER_BYTES,
  whole: (bytes, at) => void encodeTimedHeader(bytes, at, { ...message, totalBytes: 0, offset: 0 }),
  part: (bytes, at, totalBytes, offset) =>
    void encodeTimedHeader(bytes, at, { ...message, totalBytes, offset }),
});

export function writeMessage(
  outlet: MessageOutlet,
  to: { readonly path: FlowPath; readonly flow: number },
  framing: Framing,
  payload: Uint8Array,
  now: Instant,
): PacketOutcome {
  const { path, flow } = to;
  const most = outlet.messageBytesMax(path, now);
  const { scratch, scratchOffset } = outlet;
  const { wholeBytes, partBytes } = framing;
  if (wholeBytes + payload.length <= most) {
    framing.whole(scratch, scratchOffset);
    scratch.set(payload, scratchOffset + wholeBytes);
    return outlet.sendMessage(path, flow, wholeBytes + payload.length, now);
  }
  const step = most - partBytes;
  if (step <= 0) return 'too-big';
  let outcome: PacketOutcome = 'sent';
  for (let offset = 0; offset < payload.length && outcome === 'sent'; offset += step) {
    const length = Math.min(step, payload.length - offset);
    framing.part(scratch, scratchOffset, payload.length, offset);
    scratch.set(payload.subarray(offset, offset + length), scratchOffset + partBytes);
    outcome = outlet.sendMessage(path, flow, partBytes + length, now);
  }
  return outcome;
}
