/**
 * A first-in first-out queue that cannot grow past its bound. The overflow policy is part of the
 * type of queue and every item it costs is counted.
 */
export type OverflowPolicy = 'reject' | 'drop-oldest';

export class BoundedQueue<T> {
  private readonly items: (T | undefined)[];
  private readonly policy: OverflowPolicy;
  private head = 0;
  private size = 0;
  /** Items refused or pushed out since the queue was made. */
  overflows = 0;

  constructor(options: { capacity: number; overflow: OverflowPolicy }) {
    this.items = new Array(options.capacity).fill(undefined);
    this.policy = options.overflow;
  }

  get length(): number {
    return this.size;
  }

  get isFull(): boolean {
    return this.size === this.items.length;
  }

  /** False when the item was refused. With `drop-oldest` it never is. */
  push(item: T): boolean {
    if (this.isFull) {
      this.overflows++;
      if (this.policy === 'reject') return false;
      this.shift();
    }
    this.items[(this.head + this.size) % this.items.length] = item;
    this.size++;
    return true;
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.items[this.head];
    this.items[this.head] = undefined;
    this.head = (this.head + 1) % this.items.length;
    this.size--;
    return item;
  }

  peek(): T | undefined {
    return this.size === 0 ? undefined : this.items[this.head];
  }

  clear(): void {
    while (this.size > 0) this.shift();
  }
}
