/**
 * Datagrams that have arrived at a socket and are not read yet: shared by the sockets of an embedded
 * node and those of a daemon. Read one by one or in batches; both take from the same bounded queue.
 *
 * What waits is kept in runs, one for each stretch of datagrams from one socket in one lane: a run is
 * what a reader of batches gets, so that a datagram costs its place in an array and a batch one promise.
 */
import type { Datagram, EndpointParts, ReceivedBatch } from './api.ts';

/**
 * Default of `receiveQueueMax`: what may wait while nobody reads. A reader that waits for more gets all that the node or
 * the connection brings at once, however much that is: it takes it before anything else can come.
 */
export const RECEIVE_QUEUE_MAX = 1_024;
/** Places of datagrams that were taken out are let go when there are so many of them. */
const COMPACT_AT = 256;

interface Run {
  readonly from: EndpointParts;
  readonly lane: string;
  payloads: Uint8Array[];
  /** Places in front that were read or pushed out. */
  taken: number;
}

export class DatagramInbox {
  /** Datagrams pushed out by later ones. */
  dropped = 0;
  private readonly capacity: number;
  private readonly runs: Run[] = [];
  private length = 0;
  private readers: (() => void)[] = [];
  /** A reader was waiting and has not run yet. */
  private isAwaited = false;
  private isClosed = false;

  /** Overflow: drop oldest. */
  constructor(capacity: number = RECEIVE_QUEUE_MAX) {
    this.capacity = capacity;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  push({ payload, from, lane }: Datagram): void {
    this.wake();
    this.add(payload, from, lane);
  }

  pushMany(payloads: readonly Uint8Array[], from: EndpointParts, lane: string): void {
    this.wake();
    for (const payload of payloads) this.add(payload, from, lane);
  }

  /** What was received before is still there to be read; iteration ends behind it. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  datagrams(): AsyncIterableIterator<Datagram> {
    return this.iterate(() => this.shift());
  }

  /** `caughtUp`: a reader asks for the next batch, and none waits. */
  batches(caughtUp?: () => void): AsyncIterableIterator<ReceivedBatch> {
    return this.iterate(() => {
      if (this.length === 0) caughtUp?.();
      return this.takeBatch();
    });
  }

  private add(payload: Uint8Array, from: EndpointParts, lane: string): void {
    if (this.length >= this.capacity && !this.isAwaited) {
      this.dropped++;
      this.shift();
    }
    const last = this.runs[this.runs.length - 1];
    if (last !== undefined && last.lane === lane && isSame(last.from, from))
      last.payloads.push(payload);
    else this.runs.push({ from, lane, payloads: [payload], taken: 0 });
    this.length++;
  }

  private shift(): Datagram | undefined {
    const run = this.runs[0];
    if (run === undefined) return undefined;
    const { payloads, from, lane } = run;
    const payload = payloads[run.taken++]!;
    this.length--;
    if (run.taken === payloads.length) this.runs.shift();
    else if (run.taken >= COMPACT_AT && 2 * run.taken >= payloads.length) {
      payloads.splice(0, run.taken);
      run.taken = 0;
    }
    return { payload, from, lane };
  }

  /** All that is queued in front of the first datagram from elsewhere or in another lane. */
  private takeBatch(): ReceivedBatch | undefined {
    const run = this.runs.shift();
    if (run === undefined) return undefined;
    const { payloads, taken, from, lane } = run;
    this.length -= payloads.length - taken;
    return { payloads: taken === 0 ? payloads : payloads.slice(taken), from, lane };
  }

  private iterate<T>(take: () => T | undefined): AsyncIterableIterator<T> {
    let isOver = false;
    const next = async (): Promise<IteratorResult<T, undefined>> => {
      while (!isOver) {
        const value = take();
        if (value !== undefined) return { done: false, value };
        if (this.isClosed) break;
        await new Promise<void>((resolve) => this.readers.push(resolve));
        this.isAwaited = false;
      }
      return { done: true, value: undefined };
    };
    return {
      next,
      return: () => {
        isOver = true;
        this.wake();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  private wake(): void {
    if (this.readers.length === 0) return;
    const woken = this.readers;
    this.readers = [];
    this.isAwaited = true;
    for (const reader of woken) reader();
  }
}

const isSame = (a: EndpointParts, b: EndpointParts): boolean =>
  a === b || (a.port === b.port && a.node === b.node);
