/**
 * Puts the segments of one stream into bytes: fills in what every segment of it carries, lets an
 * acknowledgement that is owed ride along, and says how much data then still fits.
 */
import type { Instant } from '../kernel/index.ts';
import type { StreamSegment } from '../wire/index.ts';
import {
  blankStreamSegment,
  encodeStreamSegment,
  SEGMENT_ACK,
  SEGMENT_DATA,
  SEGMENT_DATA_OVERHEAD_BYTES,
  SEGMENT_NUMBERED,
  SEGMENT_OPEN,
  SEGMENT_OPEN_BYTES,
  SEGMENT_OPENER,
} from '../wire/index.ts';
import type { FlowPath } from './socket-types.ts';
import type { StreamReceiver } from './stream-receiver.ts';
import type { StreamSender } from './stream-sender.ts';

/** A stream as the outlet sees it; a label whose sequence is used up is replaced. */
export interface SegmentSource {
  readonly path: FlowPath;
  flow: number;
}

/** Where segments leave: sealing and flow labels are behind it. */
export interface SegmentOutlet {
  /** Plaintext is written here from `scratchOffset` on. */
  readonly scratch: Uint8Array;
  readonly scratchOffset: number;
  /** Largest message on this path now; 0 while no session stands, which also asks for one. */
  messageBytesMax(path: FlowPath, now: Instant): number;
  /** Sends the first `length` bytes from `scratchOffset`. False: lost on the spot. */
  commit(source: SegmentSource, length: number, now: Instant): boolean;
}

/** How a stream is known on the wire. */
export interface StreamName {
  /** The opener's id. */
  readonly wireId: number;
  readonly isOpener: boolean;
  readonly ports: { readonly toPort: number; readonly fromPort: number };
}

/** An acknowledgement may take this much of a segment: riding along, and alone. */
const ACK_BYTES_RIDING = 96;
const ACK_BYTES_ALONE = 300;

export class SegmentWriter {
  /** What is written next; the caller sets flags and what belongs to them. */
  readonly segment: StreamSegment = blankStreamSegment();
  /** The peer has not answered: numbered segments carry the open part. */
  wantsOpen: boolean;
  private readonly name: StreamName;
  private readonly outlet: SegmentOutlet;
  private readonly sender: StreamSender;
  private readonly receiver: StreamReceiver;

  constructor(
    stream: StreamName & { readonly outlet: SegmentOutlet },
    sender: StreamSender,
    receiver: StreamReceiver,
  ) {
    this.name = stream;
    this.outlet = stream.outlet;
    this.sender = sender;
    this.receiver = receiver;
    this.wantsOpen = stream.isOpener;
  }

  /** Data that fits into the next numbered segment when messages may have `most` bytes. */
  dataBytesMax(most: number): number {
    const ack = this.owesAck() ? ACK_BYTES_RIDING : 0;
    const open = this.wantsOpen ? SEGMENT_OPEN_BYTES : 0;
    return Math.max(1, most - SEGMENT_DATA_OVERHEAD_BYTES - ack - open);
  }

  /** Writes all but the data to the outlet's scratch and returns where the data goes. */
  write(now: Instant): number {
    const { segment, name } = this;
    const { scratch, scratchOffset } = this.outlet;
    segment.stream = name.wireId;
    if (name.isOpener) segment.flags |= SEGMENT_OPENER;
    if (segment.flags & SEGMENT_NUMBERED) {
      segment.number = this.sender.nextNumber;
      if (this.wantsOpen) {
        segment.flags |= SEGMENT_OPEN;
        segment.toPort = name.ports.toPort;
        segment.fromPort = name.ports.fromPort;
      }
      if (this.owesAck()) segment.flags |= SEGMENT_ACK;
    }
    if (segment.flags & SEGMENT_ACK) this.receiver.acknowledge(segment, now);
    const isAlone = (segment.flags & SEGMENT_DATA) === 0;
    const room = isAlone ? ACK_BYTES_ALONE : SEGMENT_DATA_OVERHEAD_BYTES + ACK_BYTES_RIDING;
    return encodeStreamSegment(scratch, scratchOffset, segment, scratchOffset + room);
  }

  private owesAck(): boolean {
    return this.wantsOpen || this.receiver.ackDue !== undefined;
  }
}
