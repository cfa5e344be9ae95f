/**
 * What one consumer of `watch` has not read yet. It begins with a snapshot. A consumer that falls
 * too far behind loses what is queued and reads a fresh snapshot instead, taken at the moment it
 * reads: a state is worth more than a torn history, and a stuck consumer costs bounded memory.
 */
import { WATCH_QUEUE_MAX } from './api.ts';

export class WatchQueue<T> implements AsyncIterableIterator<T> {
  private queue: T[] = [];
  private readonly snapshot: (missed: number) => T;
  private readonly onEnd: () => void;
  private isSnapshotDue = true;
  private missed = 0;
  private isEnded = false;
  private waiting: ((result: IteratorResult<T>) => void)[] = [];

  constructor(options: { snapshot: (missed: number) => T; onEnd: () => void }) {
    this.snapshot = options.snapshot;
    this.onEnd = options.onEnd;
  }

  /** Ends when the signal is aborted, at once if it was before. */
  endWith(signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) this.end();
    else signal?.addEventListener('abort', this.end, { once: true });
  }

  push(item: T): void {
    if (this.isEnded || this.isSnapshotDue) {
      // The snapshot that will be taken has this in it.
      if (this.missed > 0) this.missed++;
      return;
    }
    const reader = this.waiting.shift();
    if (reader !== undefined) {
      reader({ done: false, value: item });
      return;
    }
    this.queue.push(item);
    if (this.queue.length <= WATCH_QUEUE_MAX) return;
    this.missed = this.queue.length;
    this.queue = [];
    this.isSnapshotDue = true;
  }

  /** Ends the iteration; whoever waits gets `done`. */
  readonly end = (): void => {
    if (this.isEnded) return;
    this.isEnded = true;
    for (const reader of this.waiting) reader({ done: true, value: undefined });
    this.waiting = [];
    this.queue = [];
    this.onEnd();
  };

  async next(): Promise<IteratorResult<T>> {
    if (this.isEnded) return { done: true, value: undefined };
    if (this.isSnapshotDue) {
      this.isSnapshotDue = false;
      const { missed } = this;
      this.missed = 0;
      return { done: false, value: this.snapshot(missed) };
    }
    if (this.queue.length > 0) return { done: false, value: this.queue.shift()! };
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async return(): Promise<IteratorResult<T>> {
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
