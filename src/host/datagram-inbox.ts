/**
 * Datagrams that have arrived at a socket and are not read yet: shared by the sockets of an embedded
 * node and those of a daemon. Read one by one or in batches; both take from the same bounded queue.
 *
 * A batch costs its reader one promise, however many datagrams came meanwhile.
 */
import { BoundedQueue } from '../kernel/index.ts';
import type { Datagram, ReceivedBatch } from './api.ts';

/** Default of `receiveQueueMax`: as many as one input of the node may bring. */
export const RECEIVE_QUEUE_MAX = 1_024;

export class DatagramInbox {
  private readonly queue: BoundedQueue<Datagram>;
  private readers: (() => void)[] = [];
  private isClosed = false;

  /** Overflow: drop oldest. */
  constructor(capacity: number = RECEIVE_QUEUE_MAX) {
    this.queue = new BoundedQueue({ capacity, overflow: 'drop-oldest' });
  }

  /** Datagrams pushed out by later ones. */
  get dropped(): number {
    return this.queue.overflows;
  }

  push(datagram: Datagram): void {
    this.queue.push(datagram);
    if (this.readers.length > 0) this.wake();
  }

  /** What was received before is still there to be read; iteration ends behind it. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  datagrams(): AsyncIterableIterator<Datagram> {
    return this.iterate(() => this.queue.shift());
  }

  batches(): AsyncIterableIterator<ReceivedBatch> {
    return this.iterate(() => this.takeBatch());
  }

  /** All that is queued in front of the first datagram from elsewhere or in another lane. */
  private takeBatch(): ReceivedBatch | undefined {
    const first = this.queue.shift();
    if (first === undefined) return undefined;
    const { from, lane } = first;
    const payloads = [first.payload];
    for (let next = this.queue.peek(); next !== undefined; next = this.queue.peek()) {
      const isSame =
        next.from === from || (next.from.port === from.port && next.from.node === from.node);
      if (!isSame || next.lane !== lane) break;
      this.queue.shift();
      payloads.push(next.payload);
    }
    return { payloads, from, lane };
  }

  private iterate<T>(take: () => T | undefined): AsyncIterableIterator<T> {
    let isOver = false;
    const next = async (): Promise<IteratorResult<T, undefined>> => {
      while (!isOver) {
        const value = take();
        if (value !== undefined) return { done: false, value };
        if (this.isClosed) break;
        await new Promise<void>((resolve) => this.readers.push(resolve));
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
    const woken = this.readers;
    this.readers = [];
    for (const reader of woken) reader();
  }
}
