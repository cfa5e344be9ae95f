/**
 * Timed messages at their destination: each is delivered once, receipts are sent for those that want
 * one, and playout decides when and whether the socket gets it. State is kept per conversation of a
 * source: its clock, what has been delivered, what is held.
 *
 * A conversation that has been pushed out by others begins anew with its next message: nothing is
 * lost by it, but a repeated copy of something old would be delivered again.
 */
import { DuplicateWindow } from '../forwarding/index.ts';
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type { DataHeader, DecodedTimedMessage, Receipt } from '../wire/index.ts';
import { RECEIPT_DELIVERED, RECEIPT_REFUSED } from '../wire/index.ts';
import { DeadlineHeap, type HeapItem } from './deadline-heap.ts';
import type { PlayoutCounts } from './playout.ts';
import { Playout } from './playout.ts';
import type { SocketId } from './socket-types.ts';
import { SourceClock } from './source-clock.ts';

export interface IncomingLimits {
  /** Conversations remembered. Overflow: the longest idle is forgotten (`message.forgotten`). */
  readonly conversationsMax: number;
  /** Messages that one conversation holds for playout. Overflow: the first comes out early. */
  readonly playoutMessagesMax: number;
  /** Over all conversations. Overflow: as above (`playout.hurried`). */
  readonly playoutBytesMax: number;
  /** How long a gap holds up a conversation in order that has no deadline. */
  readonly playoutOrderPatience: number;
}

export interface Delivery {
  readonly socket: SocketId;
  readonly payload: Uint8Array;
  readonly from: NodeAddress;
  readonly fromPort: number;
  readonly lane: number;
}

export interface IncomingOptions {
  readonly limits: IncomingLimits;
  readonly counters: Counters;
  readonly deliver: (delivery: Delivery) => void;
  readonly sendReceipt: (header: DataHeader, receipt: Receipt, now: Instant) => void;
}

/** One conversation as status shows it. */
export interface ConversationStatus extends Readonly<PlayoutCounts> {
  readonly source: NodeAddress;
  readonly fromPort: number;
  readonly toPort: number;
  /** Flow label of the last packet. */
  readonly flow: number;
  readonly lane: number;
  readonly duplicates: number;
  readonly bytes: number;
  readonly held: number;
  readonly idle: Duration;
}

interface Conversation extends HeapItem {
  readonly key: number;
  readonly source: NodeAddress;
  readonly epoch: number;
  readonly fromPort: number;
  readonly toPort: number;
  readonly window: DuplicateWindow;
  /** Numbers that a receipt says have been delivered, the last `WINDOW_BITS`. */
  readonly promised: Set<number>;
  readonly clock: SourceClock;
  readonly playout: Playout<Delivery>;
  flow: number;
  lane: number;
  duplicates: number;
  bytes: number;
  lastUsed: Instant;
}

/** Numbers behind the newest of which a conversation knows whether they have come. */
const WINDOW_BITS = 2_048;

export class IncomingMessages {
  private readonly options: IncomingOptions;
  /** By source and conversation: 48 bits, exact in a double. */
  private readonly conversations = new Map<number, Conversation>();
  private readonly timers = new DeadlineHeap<Conversation>();
  private heldBytes = 0;
  private readonly due: Delivery[] = [];

  constructor(options: IncomingOptions) {
    this.options = options;
  }

  get size(): number {
    return this.conversations.size;
  }

  nextTimeout(): Instant | undefined {
    return this.timers.nextDeadline();
  }

  timeout(now: Instant): void {
    for (let c = this.timers.due(now); c !== undefined; c = this.timers.due(now)) {
      c.playout.timeout(now, this.due);
      this.settle(c, 0);
    }
  }

  /** A whole message of an authentic packet. `payload` is a view; what is held is copied. */
  receive(
    header: DataHeader,
    message: DecodedTimedMessage,
    socket: SocketId,
    payload: Uint8Array,
    now: Instant,
  ): void {
    const { counters } = this.options;
    const c = this.conversation(header, message, now);
    c.lastUsed = now;
    c.flow = header.flow;
    c.lane = header.lane;
    if (!c.window.admit(message.number)) {
      c.duplicates++;
      counters.add('message.duplicate');
      // The receipt was lost on its way, or the message was sent again while it was.
      if (c.promised.has(message.number)) this.receipt(header, message, c, now);
      return;
    }
    const sentAt = c.clock.heard(message.timeSent, header.age, now);
    const { from, ...ports } = { from: header.source, fromPort: message.fromPort };
    const delivery = { socket, payload: payload.slice(), from, ...ports, lane: header.lane };
    const { deadline } = header;
    const item = { number: message.number, sentAt, deadline, message: delivery };
    c.bytes += payload.length;
    this.heldBytes += payload.length;
    const isTaken = c.playout.offer(item, message.wantsReceipt, now, this.due);
    if (!isTaken) counters.add('playout.late-dropped');
    else if (message.wantsReceipt) {
      remember(c.promised, message.number);
      this.receipt(header, message, c, now);
    }
    this.settle(c, isTaken ? 0 : payload.length);
  }

  /** Nobody has the port. */
  refuse(header: DataHeader, message: DecodedTimedMessage, now: Instant): void {
    const { fromPort, toPort, conversation, number } = message;
    const ports = { fromPort: toPort, toPort: fromPort };
    const verdict = RECEIPT_REFUSED;
    const receipt: Receipt = { verdict, ...ports, conversation, number, before: [0, 0] };
    this.options.sendReceipt(header, receipt, now);
  }

  /** In order of first use. */
  status(now: Instant): ConversationStatus[] {
    return [...this.conversations.values()].map((c) => ({
      source: c.source,
      fromPort: c.fromPort,
      toPort: c.toPort,
      flow: c.flow,
      lane: c.lane,
      ...c.playout.counts,
      duplicates: c.duplicates,
      bytes: c.bytes,
      held: c.playout.size,
      idle: (now - c.lastUsed) as Duration,
    }));
  }

  /** Gives the socket what is due, and arms the timer anew. */
  private settle(c: Conversation, droppedBytes: number): void {
    this.heldBytes -= droppedBytes;
    while (this.heldBytes - bytesOf(this.due) > this.options.limits.playoutBytesMax) {
      if (c.playout.size === 0) break;
      c.playout.hurry(this.due);
      this.options.counters.add('playout.hurried');
    }
    this.timers.schedule(c, c.playout.nextTimeout());
    for (const delivery of this.due.splice(0)) {
      this.heldBytes -= delivery.payload.length;
      this.options.counters.add('datagram.delivered');
      this.options.deliver(delivery);
    }
  }

  private receipt(
    header: DataHeader,
    message: DecodedTimedMessage,
    c: Conversation,
    now: Instant,
  ): void {
    const before: [number, number] = [0, 0];
    for (let i = 0; i < 64; i++)
      if (c.promised.has(message.number - 1 - i)) before[i >>> 5]! |= 1 << (i & 31);
    const { fromPort, toPort, conversation, number } = message;
    const ports = { fromPort: toPort, toPort: fromPort };
    const map = [before[0] >>> 0, before[1] >>> 0] as const;
    const receipt = { verdict: RECEIPT_DELIVERED, ...ports, conversation, number, before: map };
    this.options.sendReceipt(header, receipt, now);
  }

  private conversation(
    header: DataHeader,
    message: DecodedTimedMessage,
    now: Instant,
  ): Conversation {
    const { source, epoch } = header;
    const { fromPort, toPort } = message;
    const key = source * 0x1_0000 + message.conversation;
    const known = this.conversations.get(key);
    const isSame =
      known !== undefined &&
      known.epoch === epoch &&
      known.fromPort === fromPort &&
      known.toPort === toPort;
    if (isSame) return known;
    if (known !== undefined) this.forget(known);
    const { limits } = this.options;
    if (this.conversations.size >= limits.conversationsMax) this.evict();
    const bounds = {
      heldMax: limits.playoutMessagesMax,
      orderPatience: limits.playoutOrderPatience,
    };
    const made: Conversation = {
      key,
      source,
      epoch,
      fromPort,
      toPort,
      window: new DuplicateWindow(WINDOW_BITS),
      promised: new Set(),
      clock: new SourceClock(),
      playout: new Playout(message.playout, bounds),
      flow: header.flow,
      lane: header.lane,
      duplicates: 0,
      bytes: 0,
      lastUsed: now,
      heapIndex: -1,
      heapDeadline: 0,
    };
    this.conversations.set(key, made);
    return made;
  }

  /** What a forgotten conversation still held comes out. */
  private forget(c: Conversation): void {
    while (c.playout.size > 0) c.playout.hurry(this.due);
    this.settle(c, 0);
    this.conversations.delete(c.key);
  }

  private evict(): void {
    let oldest: Conversation | undefined;
    for (const c of this.conversations.values())
      if (oldest === undefined || c.lastUsed < oldest.lastUsed) oldest = c;
    if (oldest === undefined) return;
    this.options.counters.add('message.forgotten');
    this.forget(oldest);
  }
}

const bytesOf = (deliveries: readonly Delivery[]): number =>
  deliveries.reduce((sum, { payload }) => sum + payload.length, 0);

function remember(numbers: Set<number>, number: number): void {
  numbers.add(number);
  if (numbers.size <= WINDOW_BITS) return;
  for (const oldest of numbers) {
    numbers.delete(oldest);
    return;
  }
}
