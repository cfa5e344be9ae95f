/**
 * What one conversation's messages wait for at their destination. `deadline`: nothing; what is late
 * is dropped. `order`: the messages before them, at most until their own deadline (or `orderPatience`
 * where the flow has none); then the gap is given up. `smooth`: the time they were sent plus the
 * deadline, so that each comes out as long after it was sent as every other.
 *
 * A pure queue: the owner brings messages and time, and takes what is due. Bounded: a message too
 * many pushes the first one out early, which is counted.
 */
import type { Duration, Instant } from '../kernel/index.ts';

export const PLAYOUT_NONE = 0;
export const PLAYOUT_DEADLINE = 1;
export const PLAYOUT_ORDER = 2;
export const PLAYOUT_SMOOTH = 3;

/** Messages that the first one heard may have been overtaken by: they are waited for. */
const START_SLACK = 64;

export interface PlayoutItem<T> {
  readonly number: number;
  /** On this node's clock. */
  readonly sentAt: Instant;
  /** 0: none. */
  readonly deadline: Duration;
  readonly message: T;
}

interface Held<T> extends PlayoutItem<T> {
  readonly dueAt: Instant;
}

export interface PlayoutCounts {
  delivered: number;
  /** After their deadline: dropped, unless a receipt was wanted. */
  late: number;
  /** Numbers given up in `order` and `smooth`. */
  missing: number;
  /** Handed out early for want of room. */
  hurried: number;
}

export interface PlayoutBounds {
  readonly heldMax: number;
  readonly orderPatience: number;
}

export class Playout<T> {
  readonly counts: PlayoutCounts = { delivered: 0, late: 0, missing: 0, hurried: 0 };
  readonly mode: number;
  private readonly bounds: PlayoutBounds;
  /** In order of number. */
  private readonly held: Held<T>[] = [];
  private next = -1;

  /** One conversation has one mode. */
  constructor(mode: number, bounds: PlayoutBounds) {
    this.mode = mode;
    this.bounds = bounds;
  }

  get size(): number {
    return this.held.length;
  }

  /** When the first held message is due. */
  nextTimeout(): Instant | undefined {
    return this.held[0]?.dueAt;
  }

  /**
   * Takes a message that has not been here before. `into` gets what goes to the application now.
   * False: it was dropped as late. `mustDeliver`: somebody was promised that it arrives.
   */
  offer(item: PlayoutItem<T>, mustDeliver: boolean, now: Instant, into: T[]): boolean {
    const { mode } = this;
    const isLate = item.deadline > 0 && now > item.sentAt + item.deadline;
    if (isLate && mode !== PLAYOUT_NONE) this.counts.late++;
    if (mode === PLAYOUT_NONE || mode === PLAYOUT_DEADLINE) {
      if (isLate && mode === PLAYOUT_DEADLINE && !mustDeliver) return false;
      this.deliver(item.message, into);
      return true;
    }
    if (this.next < 0) this.next = item.number < START_SLACK ? 0 : item.number;
    if (item.number < this.next) {
      if (!isLate) this.counts.late++;
      return false;
    }
    if (isLate && !mustDeliver) {
      // It is known now, and nothing waits for it any more.
      this.skipped(item.number, into);
      return false;
    }
    this.hold(item, mustDeliver, now);
    this.timeout(now, into);
    while (this.held.length > this.bounds.heldMax) this.hurry(into);
    return true;
  }

  /** Hands out what is due. */
  timeout(now: Instant, into: T[]): void {
    while (this.held.length > 0 && this.held[0]!.dueAt <= now) this.shift(into);
    this.run(into);
  }

  /** Hands the first one out before its time. */
  hurry(into: T[]): void {
    if (this.held.length === 0) return;
    this.counts.hurried++;
    this.shift(into);
  }

  private hold(item: PlayoutItem<T>, mustDeliver: boolean, now: Instant): void {
    const { orderPatience } = this.bounds;
    // A gap of promised messages is filled or given up by their sender, who is more patient.
    const isBounded = item.deadline > 0 && !(this.mode === PLAYOUT_ORDER && mustDeliver);
    const dueAt = (isBounded ? item.sentAt + item.deadline : now + orderPatience) as Instant;
    const held: Held<T> = { ...item, dueAt };
    let at = this.held.length;
    while (at > 0 && this.held[at - 1]!.number > item.number) at--;
    this.held.splice(at, 0, held);
    // What is behind may be due earlier by a later clock estimate: nobody waits longer than it.
    const behind = this.held[at + 1];
    if (behind !== undefined && behind.dueAt < dueAt)
      this.held[at] = { ...held, dueAt: behind.dueAt };
  }

  /** In `order`, everything that nothing is missing before; in `smooth` each waits for its time. */
  private run(into: T[]): void {
    if (this.mode !== PLAYOUT_ORDER) return;
    while (this.held.length > 0 && this.held[0]!.number === this.next) this.shift(into);
  }

  private shift(into: T[]): void {
    const first = this.held.shift()!;
    this.counts.missing += Math.max(0, first.number - this.next);
    this.next = Math.max(this.next, first.number + 1);
    this.deliver(first.message, into);
  }

  private skipped(number: number, into: T[]): void {
    if (number !== this.next) return;
    this.next++;
    this.run(into);
  }

  private deliver(message: T, into: T[]): void {
    this.counts.delivered++;
    into.push(message);
  }
}
