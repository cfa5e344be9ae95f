/**
 * What this node has sent and must not lose, until its destination says that it has it. For packets that
 * are put on certain links by their source (`isEndToEnd`): their copies may all die with nodes that had
 * acknowledged them to their neighbours, and a captured node may sit on them. A pair of source and
 * destination has a window of bytes; it is full until acknowledgements come, and nothing else
 * holds the flow back, so that no node on the way can.
 *
 * What is not acknowledged in time is sent again, to everybody and in a new lap, so that nodes which have
 * passed it on pass it on once more (`laps.ts`). Time is twice the pair's smoothed time to an acknowledgement
 * and four times its variation, doubled with each try (RFC 6298, Karn).
 *
 * The window follows the delay: links serve pairs in turn, so an acknowledgement that takes half a second longer
 * than the quickest did says that the pair has too much on the way itself.
 *
 * Bounds: `WINDOW_BYTES` and `WINDOW_PACKETS` a pair, `RELIABLE_BYTES_MAX` in all. Overflow: `isFull`. What is
 * older than `UNACKNOWLEDGED_LIFE` is dropped (`dropped.unacknowledged`).
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import type { DataHeader, DeliveredFlow } from '../wire/index.ts';
import { isDelivered, RECOVERY_FAIR_RELIABLE, ROUTE_NONE } from '../wire/index.ts';
import { RELIABLE_BYTES_MAX } from './back-pressure.ts';

export const WINDOW_BYTES = 262_144;
/** An acknowledgement tells of so many sequence numbers and some more (`arrivals.ts`). */
export const WINDOW_PACKETS = 768;
export const UNACKNOWLEDGED_LIFE = 60_000_000;
const WINDOW_BYTES_MIN = 16_384;
const WINDOW_BYTES_START = 32_768;
/** What waits on the way may make an acknowledgement later by this much. */
const DELAY_TARGET = 500_000;
const TIMEOUT_MIN = 2_000_000;
const TIMEOUT_FIRST = 3_000_000;
const DOUBLED_MAX = 4;
/** Sent again at once of one pair. */
const REPEATED_TOGETHER = 16;
const LAP_MAX = 255;

/** Whether the packet's destination acknowledges it to its source, and its window alone holds it back. */
export const isEndToEnd = (packet: Pick<DataHeader, 'recovery' | 'routeForm'>): boolean =>
  packet.recovery === RECOVERY_FAIR_RELIABLE && packet.routeForm !== ROUTE_NONE;

interface Kept {
  readonly frame: Uint8Array;
  readonly flow: number;
  readonly sequence: number;
  readonly isSigned: boolean;
  readonly firstAt: number;
  triedAt: number;
  tries: number;
}

class Pair {
  bytes = 0;
  window = WINDOW_BYTES_START;
  wantsDrain = false;
  /** By flow and sequence number, those tried longest ago first. */
  readonly packets = new Map<number, Kept>();
  /** Sequence numbers of each flow: below `from` none is kept, `to` is the newest. */
  readonly spans = new Map<number, { from: number; to: number }>();
  checkAt = Number.POSITIVE_INFINITY;
  private smoothed = 0;
  private variation = 0;
  private least = Number.POSITIVE_INFINITY;
  private shrunkAt = 0;

  get timeout(): number {
    const measured = 2 * this.smoothed + 4 * this.variation;
    return this.smoothed === 0 ? TIMEOUT_FIRST : Math.max(TIMEOUT_MIN, measured);
  }

  /** The newest of `bytes` that have been acknowledged took so long. */
  sample(time: number, bytes: number, now: Instant): void {
    this.least = Math.min(this.least, time);
    if (time <= this.least + DELAY_TARGET) {
      if (this.wantsDrain) this.window = Math.min(WINDOW_BYTES, this.window + bytes / 4);
    } else if (now - this.shrunkAt > time) {
      this.window = Math.max(WINDOW_BYTES_MIN, (3 / 4) * this.window);
      this.shrunkAt = now;
    }
    if (this.smoothed === 0) {
      this.smoothed = time;
      this.variation = time / 2;
      return;
    }
    this.variation += (Math.abs(this.smoothed - time) - this.variation) / 4;
    this.smoothed += (time - this.smoothed) / 8;
  }

  /** Sequence numbers from the oldest that is kept to the newest, of a flow. */
  span(flow: number): number {
    const span = this.spans.get(flow);
    if (span === undefined) return 0;
    while (span.from <= span.to && !this.packets.has(keyOf(flow, span.from))) span.from++;
    return span.to + 1 - span.from;
  }
}

/** 48 bits: exact in a double. */
const keyOf = (flow: number, sequence: number): number => flow * 2 ** 32 + sequence;

export interface UnacknowledgedOptions {
  /** Sends a frame of this node again, everywhere, in this lap. */
  readonly repeat: (frame: Uint8Array, lap: number, now: Instant) => void;
  readonly expired: () => void;
  /** A packet left without being kept: somebody does not ask `isFull`. */
  readonly unkept: () => void;
  /** A destination that was `isFull` has room. */
  readonly drained: (destination: NodeAddress, now: Instant) => void;
}

export class Unacknowledged {
  /** Of all pairs. */
  bytes = 0;
  private readonly options: UnacknowledgedOptions;
  private readonly pairs = new Map<NodeAddress, Pair>();

  constructor(options: UnacknowledgedOptions) {
    this.options = options;
  }

  /** Packets kept. */
  get length(): number {
    let length = 0;
    for (const { packets } of this.pairs.values()) length += packets.size;
    return length;
  }

  /** Whether packets of the flow are under way that their destination acknowledges. */
  tracks(destination: NodeAddress, flow: number): boolean {
    return (this.pairs.get(destination)?.span(flow) ?? 0) > 0;
  }

  /** A packet of this node leaves; its frame is copied. */
  keep(header: Readonly<DataHeader>, head: Uint8Array, payload: Uint8Array, now: Instant): void {
    const pair = this.of(header.destination);
    const { flow, sequence } = header;
    if (pair.bytes >= 2 * WINDOW_BYTES || this.bytes >= RELIABLE_BYTES_MAX)
      return this.options.unkept();
    const frame = new Uint8Array(head.length + payload.length);
    frame.set(head);
    frame.set(payload, head.length);
    pair.packets.set(keyOf(flow, sequence), {
      frame,
      flow,
      sequence,
      isSigned: header.proofWords > 0,
      firstAt: now,
      triedAt: now,
      tries: 0,
    });
    const span = pair.spans.get(flow);
    if (span === undefined) pair.spans.set(flow, { from: sequence, to: sequence });
    else span.to = sequence;
    pair.bytes += frame.length;
    this.bytes += frame.length;
    if (pair.checkAt === Number.POSITIVE_INFINITY) pair.checkAt = now + pair.timeout;
  }

  /** State: told so, the pair's sockets hear by `drained` when there is room. */
  isFull(destination: NodeAddress, flow: number): boolean {
    const pair = this.pairs.get(destination);
    if (pair === undefined) return false;
    const isFull =
      pair.bytes >= pair.window ||
      this.bytes >= RELIABLE_BYTES_MAX ||
      pair.packets.size >= WINDOW_PACKETS ||
      pair.span(flow) >= WINDOW_PACKETS;
    pair.wantsDrain ||= isFull;
    return isFull;
  }

  /** The destination has these packets of a flow from here. */
  acknowledged(destination: NodeAddress, flow: DeliveredFlow, now: Instant): void {
    const pair = this.pairs.get(destination);
    if (pair === undefined) return;
    let newest = 0;
    const before = pair.bytes;
    for (const [key, kept] of pair.packets) {
      if (kept.flow !== flow.flow || kept.isSigned !== flow.isSigned) continue;
      if (!isDelivered(flow, kept.sequence)) continue;
      if (kept.tries === 0) newest = Math.max(newest, kept.firstAt);
      this.remove(pair, key, kept);
    }
    if (newest > 0) pair.sample(now - newest, before - pair.bytes, now);
    this.drain(destination, pair, now);
  }

  nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { checkAt } of this.pairs.values()) next = Math.min(next, checkAt);
    return next;
  }

  timeout(now: Instant): void {
    for (const [destination, pair] of this.pairs) {
      if (pair.checkAt > now) continue;
      this.check(pair, now);
      this.drain(destination, pair, now);
    }
  }

  private check(pair: Pair, now: Instant): void {
    const { timeout, packets } = pair;
    const due: [number, Kept][] = [];
    for (const [key, kept] of packets) {
      if (kept.triedAt + timeout > now || due.length === REPEATED_TOGETHER) break;
      if (kept.firstAt + UNACKNOWLEDGED_LIFE <= now) {
        this.options.expired();
        this.remove(pair, key, kept);
      } else if (kept.triedAt + timeout * 2 ** Math.min(kept.tries, DOUBLED_MAX) <= now)
        due.push([key, kept]);
    }
    for (const [key, kept] of due) {
      kept.triedAt = now;
      kept.tries++;
      packets.delete(key);
      packets.set(key, kept);
      this.options.repeat(kept.frame, Math.min(LAP_MAX, kept.tries), now);
    }
    const [oldest] = packets.values();
    pair.checkAt =
      oldest === undefined
        ? Number.POSITIVE_INFINITY
        : Math.round(Math.max(now + timeout / 8, oldest.triedAt + timeout));
  }

  private remove(pair: Pair, key: number, { frame }: Kept): void {
    pair.packets.delete(key);
    pair.bytes -= frame.length;
    this.bytes -= frame.length;
  }

  private drain(destination: NodeAddress, pair: Pair, now: Instant): void {
    if (!pair.wantsDrain || pair.bytes > pair.window / 2) return;
    if (pair.packets.size > WINDOW_PACKETS / 2) return;
    pair.wantsDrain = false;
    this.options.drained(destination, now);
  }

  private of(destination: NodeAddress): Pair {
    const known = this.pairs.get(destination);
    if (known !== undefined) return known;
    const made = new Pair();
    this.pairs.set(destination, made);
    return made;
  }
}
