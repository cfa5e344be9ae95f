/**
 * The receiving half of a stream: puts bytes in order, says which packets have arrived, and says how
 * far the peer may send. In-order data goes to the application as a view of the packet it came in;
 * what comes early waits in a ring.
 *
 * Acknowledgements are batched: one for every `ACK_EVERY` packets or `ACK_DELAY`, whichever is first
 * (RFC 9000 section 13.2), because an acknowledgement costs every node on the way as much as a data
 * packet does. The first packets of a stream are acknowledged in pairs, so that the sender's model of
 * the path grows quickly.
 *
 * The window starts small and doubles whenever the sender says it is blocked while the application
 * keeps up: memory follows need, not the largest product anywhere.
 */
import type { Instant } from '../kernel/index.ts';
import type { StreamSegment } from '../wire/index.ts';
import { ACK_RANGES_MAX } from '../wire/index.ts';
import type { ByteBudget } from './byte-ring.ts';
import { ByteRing } from './byte-ring.ts';
import { RangeSet } from './range-set.ts';

export const ACK_DELAY = 4_000;
export const ACK_EVERY = 8;
const ACK_EVERY_FIRST = 2;
/** Packets over which `ACK_EVERY_FIRST` grows to `ACK_EVERY`. */
const ACK_RAMP_PACKETS = 128;
const PACKET_RANGES_MAX = 128;
/** Views handed to the application are at most this long. */
const DELIVERY_BYTES_MAX = 65_536;

export type ReceiveOutcome =
  | 'accepted'
  | 'duplicate'
  /** Not kept for want of room: must not be acknowledged. */
  | 'no-room'
  /** The peer broke the rules: more than its window, or bytes past the end it had stated. */
  | 'violation';

export interface StreamReceiverOptions {
  readonly budget: ByteBudget;
  readonly windowStart: number;
  /** A power of two. */
  readonly windowMax: number;
  readonly deliver: (bytes: Uint8Array) => void;
}

export class StreamReceiver {
  /** Everything below has been handed to the application. */
  nextOffset = 0;
  /** Where the stream ends, once known. */
  finalOffset: number | undefined;
  /** When an acknowledgement is to leave at the latest. */
  ackDue: Instant | undefined;
  private readonly options: StreamReceiverOptions;
  private readonly ring: ByteRing;
  private readonly early = new RangeSet();
  private readonly packets = new RangeSet();
  private packetCount = 0;
  private unacknowledged = 0;
  private largestAt = 0;
  private consumedBytes = 0;
  private window: number;
  private limitTold: number;

  constructor(options: StreamReceiverOptions) {
    this.options = options;
    this.ring = new ByteRing({ budget: options.budget, bytesMax: options.windowMax });
    this.window = options.windowStart;
    this.limitTold = options.windowStart;
  }

  /** All bytes up to the stated end have been handed over. */
  get isComplete(): boolean {
    return this.finalOffset !== undefined && this.nextOffset === this.finalOffset;
  }

  /** A numbered segment of the peer; `bytes` holds its data at [dataStart, dataEnd). */
  receive(
    segment: StreamSegment,
    bytes: Uint8Array,
    parts: { hasData: boolean; isFin: boolean; isUrgent: boolean },
    now: Instant,
  ): ReceiveOutcome {
    if (this.packets.contains(segment.number)) {
      this.ackDue = now;
      return 'duplicate';
    }
    if (parts.hasData) {
      const refused = this.take(segment, bytes, parts.isFin);
      if (refused !== undefined) return refused;
    }
    this.note(segment.number, parts.isUrgent || parts.isFin, now);
    return 'accepted';
  }

  /** The sender has more than the window lets through. State: may double the window. */
  senderBlocked(now: Instant): void {
    const backlog = this.nextOffset - this.consumedBytes;
    if (backlog <= this.window / 2 && this.window < this.options.windowMax) {
      this.window = Math.min(this.window * 2, this.options.windowMax);
      this.ackDue = now;
    }
  }

  /** The application is done with `count` more bytes. */
  consumed(count: number, now: Instant): void {
    this.consumedBytes = Math.min(this.consumedBytes + count, this.nextOffset);
    if (this.finalOffset !== undefined) return;
    if (this.consumedBytes + this.window - this.limitTold >= this.window / 4) this.ackDue = now;
  }

  /** Fills in the acknowledgement part. State: nothing is owed afterwards. */
  acknowledge(segment: StreamSegment, now: Instant): void {
    const { packets } = this;
    this.limitTold = Math.max(this.limitTold, this.consumedBytes + this.window);
    segment.windowLimit = this.limitTold;
    segment.ackDelay = packets.isEmpty ? 0 : now - this.largestAt;
    const count = Math.min(packets.count, ACK_RANGES_MAX);
    segment.rangeCount = count;
    for (let i = 0; i < count; i++) {
      const from = packets.count - 1 - i;
      segment.rangeFirst[i] = packets.start(from);
      segment.rangeLast[i] = packets.end(from) - 1;
    }
    this.unacknowledged = 0;
    this.ackDue = undefined;
  }

  /** Gives memory back; nothing is received afterwards. */
  release(): void {
    this.ring.release();
    this.early.clear();
  }

  private note(number: number, isUrgent: boolean, now: Instant): void {
    if (number >= this.packets.top) this.largestAt = now;
    this.packets.add(number, number + 1);
    if (this.packets.count > PACKET_RANGES_MAX) this.packets.dropFirst();
    this.packetCount++;
    this.unacknowledged++;
    const every =
      this.packetCount >= ACK_RAMP_PACKETS
        ? ACK_EVERY
        : ACK_EVERY_FIRST +
          Math.floor(((ACK_EVERY - ACK_EVERY_FIRST) * this.packetCount) / ACK_RAMP_PACKETS);
    if (isUrgent || this.unacknowledged >= every) this.ackDue = now;
    else this.ackDue ??= (now + ACK_DELAY) as Instant;
  }

  private take(
    segment: StreamSegment,
    bytes: Uint8Array,
    isFin: boolean,
  ): 'no-room' | 'violation' | undefined {
    const start = segment.offset;
    const end = start + segment.dataEnd - segment.dataStart;
    if (end > this.limitTold) return 'violation';
    if (this.finalOffset !== undefined && end > this.finalOffset) return 'violation';
    if (isFin) {
      if (this.finalOffset !== undefined && this.finalOffset !== end) return 'violation';
      if (end < Math.max(this.early.top, this.nextOffset)) return 'violation';
    }
    if (start > this.nextOffset) {
      const liveEnd = Math.max(this.early.top, this.nextOffset);
      if (!this.ring.fit(this.nextOffset, Math.max(end, liveEnd), liveEnd)) return 'no-room';
      this.ring.write(start, bytes, segment.dataStart, segment.dataEnd);
      this.early.add(start, end);
    }
    if (isFin) this.finalOffset = end;
    if (start <= this.nextOffset && end > this.nextOffset) {
      const skip = this.nextOffset - start;
      this.nextOffset = end;
      this.options.deliver(bytes.subarray(segment.dataStart + skip, segment.dataEnd));
      this.deliverEarly();
    }
    return undefined;
  }

  private deliverEarly(): void {
    const { early } = this;
    while (!early.isEmpty && early.start(0) <= this.nextOffset) {
      const end = early.end(0);
      while (this.nextOffset < end) {
        const length = Math.min(end - this.nextOffset, DELIVERY_BYTES_MAX);
        const view = this.ring.view(this.nextOffset, length);
        this.nextOffset += view.length;
        this.options.deliver(view);
      }
      early.dropFirst();
    }
  }
}
