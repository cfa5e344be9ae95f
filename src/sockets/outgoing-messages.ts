/**
 * Reliable messages at their source: numbered within a conversation, sent, and sent again until the
 * destination's receipt, the end of the sender's patience, or word that the destination has lost its
 * memory. Retransmissions take whatever route the flow has by then, so a message outlives the crash of
 * any node between.
 *
 * What is lost is found by receipts for later transmissions (after RACK, RFC 8985: a quarter of a
 * round trip of reordering is borne) and by a timer of the round trip's mean and variance (RFC 6298)
 * that backs off to a second, by when an overlay has rerouted. A window of messages per conversation
 * opens by one for each receipt, or for each window of them after the first loss, and halves on loss.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type { Receipt } from '../wire/index.ts';
import { RECEIPT_REFUSED, receiptCovers } from '../wire/index.ts';
import { DeadlineHeap, type HeapItem } from './deadline-heap.ts';
import type { ReceiptOutcome, SocketId } from './socket-types.ts';

export interface OutgoingLimits {
  /** Conversations of one socket. Overflow: the oldest without messages under way is forgotten. */
  readonly socketConversationsMax: number;
  /** Reliable messages of one socket under way. Overflow: reject (`full`). */
  readonly reliableMessagesMax: number;
  /** Bytes of them over all sockets. Overflow: reject (`full`). */
  readonly reliableBytesMax: number;
  /** How long a message is sent again when its sender says nothing else. */
  readonly reliablePatience: number;
}

/** What goes out under a number; `isAgain` when it has before. */
export type Transmit = (
  conversation: OutgoingConversation,
  number: number,
  payload: Uint8Array,
  now: Instant,
) => boolean;

export interface OutgoingOptions {
  readonly limits: OutgoingLimits;
  readonly counters: Counters;
  /** False: not now (no session, no route). */
  readonly transmit: Transmit;
  readonly outcome: (socket: SocketId, id: number, outcome: ReceiptOutcome) => void;
}

interface Sent {
  readonly id: number;
  readonly payload: Uint8Array;
  readonly expiresAt: number;
  tries: number;
  lastSentAt: number;
  /** When it is tried again; undefined while it waits for room in the window. */
  nextAt: number | undefined;
}

export interface OutgoingConversation extends HeapItem {
  /** 16 bits. */
  readonly id: number;
  readonly socket: SocketId;
  readonly to: NodeAddress;
  readonly toPort: number;
  /** Of the next message, reliable or not. */
  nextNumber: number;
  /** Reliable messages without an outcome, in order of number. */
  readonly underWay: Map<number, Sent>;
  window: number;
  isSlowStart: boolean;
  cutAt: number;
  rtt: number;
  rttVariance: number;
}

const WINDOW_START = 16;
const WINDOW_LEAST = 2;
const RTO_START = 400_000;
const RTO_LEAST = 20_000;
const RTO_MOST = 1_000_000;
/** Until a way is looked for again. */
const NO_WAY_RETRY = 100_000;

export class OutgoingMessages {
  private readonly options: OutgoingOptions;
  private readonly timers = new DeadlineHeap<OutgoingConversation>();
  /** By id, those with messages under way. */
  private readonly active = new Map<number, OutgoingConversation>();
  private nextId: number;
  private bytes = 0;

  constructor(options: OutgoingOptions, firstId: number) {
    this.options = options;
    this.nextId = firstId & 0xffff;
  }

  get bytesUnderWay(): number {
    return this.bytes;
  }

  get hasRoom(): boolean {
    return this.bytes <= this.options.limits.reliableBytesMax / 2;
  }

  /** Ids come round after 65,536; one that is still in use is passed over. */
  create(socket: SocketId, to: NodeAddress, toPort: number): OutgoingConversation {
    while (this.active.has(this.nextId)) this.nextId = (this.nextId + 1) & 0xffff;
    const id = this.nextId;
    this.nextId = (id + 1) & 0xffff;
    return {
      id,
      socket,
      to,
      toPort,
      nextNumber: 0,
      underWay: new Map(),
      window: WINDOW_START,
      isSlowStart: true,
      cutAt: 0,
      rtt: 0,
      rttVariance: 0,
      heapIndex: -1,
      heapDeadline: 0,
    };
  }

  /** False: no room. The payload is copied. */
  send(
    c: OutgoingConversation,
    message: { readonly id: number; readonly payload: Uint8Array; readonly patience?: Duration },
    now: Instant,
  ): boolean {
    const { limits, counters } = this.options;
    const { id, payload, patience = limits.reliablePatience } = message;
    if (this.bytes + payload.length > limits.reliableBytesMax) {
      counters.add('reliable.refused-full');
      return false;
    }
    this.bytes += payload.length;
    const number = c.nextNumber++;
    const expiresAt = now + patience;
    const fresh = { tries: 0, lastSentAt: 0, nextAt: undefined };
    c.underWay.set(number, { id, payload: payload.slice(), expiresAt, ...fresh });
    this.active.set(c.id, c);
    counters.add('reliable.accepted');
    this.pump(c, now);
    this.schedule(c);
    return true;
  }

  receipt(receipt: Receipt, from: NodeAddress, now: Instant): void {
    const c = this.active.get(receipt.conversation);
    const isOurs = c !== undefined && c.to === from && c.toPort === receipt.fromPort;
    if (!isOurs) return this.options.counters.add('reliable.receipt-unexpected');
    const named = c.underWay.get(receipt.number);
    if (named !== undefined && named.tries === 1) measure(c, now - named.lastSentAt);
    if (receipt.verdict === RECEIPT_REFUSED) this.settle(c, receipt.number, 'refused');
    for (const number of [...c.underWay.keys()]) {
      if (number > receipt.number) break;
      if (!receiptCovers(receipt, number)) continue;
      this.settle(c, number, 'delivered');
      c.window = Math.min(this.options.limits.reliableMessagesMax, c.window + growth(c));
    }
    if (named !== undefined) this.findLost(c, named.lastSentAt, now);
    this.pump(c, now);
    this.schedule(c);
  }

  /** A session with the peer stands: what waited for one goes. */
  peerReady(peer: NodeAddress, now: Instant): void {
    for (const c of this.active.values()) {
      if (c.to !== peer) continue;
      for (const sent of c.underWay.values())
        if (sent.tries === 0 && sent.nextAt !== undefined) sent.nextAt = now;
      this.work(c, now);
    }
  }

  /** It does not know what it has delivered: what may have arrived is told to its sender. */
  peerRestarted(peer: NodeAddress): void {
    for (const c of [...this.active.values()]) {
      if (c.to !== peer) continue;
      for (const [number, sent] of [...c.underWay])
        if (sent.tries > 0) this.settle(c, number, 'peer-restarted');
      this.schedule(c);
    }
  }

  /** The socket is gone: nobody wants to hear of its messages. */
  close(c: OutgoingConversation): void {
    for (const { payload } of c.underWay.values()) this.bytes -= payload.length;
    c.underWay.clear();
    this.schedule(c);
  }

  nextTimeout(): Instant | undefined {
    return this.timers.nextDeadline();
  }

  timeout(now: Instant): void {
    for (let c = this.timers.due(now); c !== undefined; c = this.timers.due(now)) this.work(c, now);
  }

  private work(c: OutgoingConversation, now: Instant): void {
    for (const [number, sent] of [...c.underWay]) {
      if (sent.expiresAt <= now) this.settle(c, number, 'timed-out');
      else if (sent.nextAt !== undefined && sent.nextAt <= now) {
        if (sent.tries > 0) this.cut(c, now);
        this.transmit(c, number, sent, now);
      }
    }
    this.pump(c, now);
    this.schedule(c);
  }

  /** First transmissions, as far as the window is open. */
  private pump(c: OutgoingConversation, now: Instant): void {
    let inFlight = 0;
    for (const sent of c.underWay.values()) if (sent.nextAt !== undefined) inFlight++;
    for (const [number, sent] of c.underWay) {
      if (sent.nextAt !== undefined) continue;
      if (inFlight >= Math.floor(c.window)) return;
      this.transmit(c, number, sent, now);
      inFlight++;
    }
  }

  private transmit(c: OutgoingConversation, number: number, sent: Sent, now: Instant): void {
    if (!this.options.transmit(c, number, sent.payload, now)) {
      sent.nextAt = now + NO_WAY_RETRY;
      return;
    }
    if (sent.tries > 0) this.options.counters.add('reliable.sent-again');
    sent.tries++;
    sent.lastSentAt = now;
    sent.nextAt = now + Math.min(RTO_MOST, timeoutOf(c) * 2 ** Math.min(sent.tries - 1, 8));
  }

  /** What was sent clearly before something that has arrived since is lost. */
  private findLost(c: OutgoingConversation, arrivedSentAt: number, now: Instant): void {
    const borne = Math.max(1_000, c.rtt / 4);
    for (const [number, sent] of c.underWay) {
      if (sent.tries === 0 || sent.lastSentAt + borne >= arrivedSentAt) continue;
      this.cut(c, now);
      this.transmit(c, number, sent, now);
    }
  }

  /** Once a round trip. */
  private cut(c: OutgoingConversation, now: Instant): void {
    if (now - c.cutAt < c.rtt) return;
    c.cutAt = now;
    c.isSlowStart = false;
    c.window = Math.max(WINDOW_LEAST, c.window / 2);
  }

  private settle(c: OutgoingConversation, number: number, outcome: ReceiptOutcome): void {
    const sent = c.underWay.get(number);
    if (sent === undefined) return;
    c.underWay.delete(number);
    this.bytes -= sent.payload.length;
    this.options.counters.add(`reliable.${outcome}`);
    this.options.outcome(c.socket, sent.id, outcome);
  }

  private schedule(c: OutgoingConversation): void {
    if (c.underWay.size === 0) this.active.delete(c.id);
    let soonest: number | undefined;
    for (const { nextAt, expiresAt } of c.underWay.values()) {
      const at = Math.min(nextAt ?? expiresAt, expiresAt);
      if (soonest === undefined || at < soonest) soonest = at;
    }
    this.timers.schedule(c, soonest as Instant | undefined);
  }
}

const growth = (c: OutgoingConversation): number => (c.isSlowStart ? 1 : 1 / c.window);

/** RFC 6298, section 2. */
function measure(c: OutgoingConversation, sample: number): void {
  if (c.rtt === 0) {
    c.rtt = sample;
    c.rttVariance = sample / 2;
    return;
  }
  c.rttVariance += (Math.abs(c.rtt - sample) - c.rttVariance) / 4;
  c.rtt += (sample - c.rtt) / 8;
}

const timeoutOf = (c: OutgoingConversation): number =>
  c.rtt === 0 ? RTO_START : Math.max(RTO_LEAST, c.rtt + 4 * c.rttVariance);
