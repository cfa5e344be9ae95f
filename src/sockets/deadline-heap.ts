/**
 * Who is due when: a binary heap over items that know their own place, so that moving a deadline costs
 * the logarithm of the number of items and leaves nothing stale behind.
 */
import type { Instant } from '../kernel/index.ts';

/** Fields that the heap keeps in its items; `heapIndex` starts at -1. */
export interface HeapItem {
  heapIndex: number;
  heapDeadline: number;
}

export class DeadlineHeap<T extends HeapItem> {
  private readonly items: T[] = [];

  get length(): number {
    return this.items.length;
  }

  nextDeadline(): Instant | undefined {
    const first = this.items[0];
    return first === undefined ? undefined : (first.heapDeadline as Instant);
  }

  /** The item due soonest if it is due at `now`; it stays in the heap. */
  due(now: Instant): T | undefined {
    const first = this.items[0];
    return first !== undefined && first.heapDeadline <= now ? first : undefined;
  }

  /** Inserts, moves, or with an undefined deadline removes. */
  schedule(item: T, deadline: Instant | undefined): void {
    if (deadline === undefined) return this.remove(item);
    if (item.heapIndex < 0) {
      item.heapIndex = this.items.length;
      this.items.push(item);
    } else if (item.heapDeadline === deadline) return;
    item.heapDeadline = deadline;
    this.sift(item);
  }

  remove(item: T): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.items.pop()!;
    if (last === item) return;
    last.heapIndex = at;
    this.items[at] = last;
    this.sift(last);
  }

  /** Puts an item whose deadline has changed where it belongs, upwards or downwards. */
  private sift(item: T): void {
    const { items } = this;
    let at = item.heapIndex;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]!.heapDeadline <= item.heapDeadline) break;
      this.put(items[parent]!, at);
      at = parent;
    }
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]!.heapDeadline < items[child]!.heapDeadline)
        child++;
      if (items[child]!.heapDeadline >= item.heapDeadline) break;
      this.put(items[child]!, at);
      at = child;
    }
    this.put(item, at);
  }

  private put(item: T, at: number): void {
    this.items[at] = item;
    item.heapIndex = at;
  }
}
