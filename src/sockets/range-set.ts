/**
 * A set of integers held as disjoint ranges [start, end) in rising order: byte offsets received,
 * packet numbers acknowledged, bytes to be sent again. Streams add near the top and remove at the
 * bottom, so both ends are found without search and the middle by bisection; the number of ranges is
 * the number of holes, not of members.
 */
export class RangeSet {
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  /** Number of ranges. */
  get count(): number {
    return this.starts.length;
  }

  get isEmpty(): boolean {
    return this.starts.length === 0;
  }

  start(i: number): number {
    return this.starts[i]!;
  }

  end(i: number): number {
    return this.ends[i]!;
  }

  /** One past the greatest member; 0 when empty. */
  get top(): number {
    return this.ends.length === 0 ? 0 : this.ends[this.ends.length - 1]!;
  }

  contains(n: number): boolean {
    const i = this.search(n);
    return i < this.starts.length && this.starts[i]! <= n;
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    const { starts, ends } = this;
    const size = starts.length;
    if (size === 0 || start > ends[size - 1]!) {
      starts.push(start);
      ends.push(end);
      return;
    }
    if (start === ends[size - 1]!) {
      ends[size - 1] = end;
      return;
    }
    // First range that reaches `start` (touching counts), and first that lies wholly behind `end`.
    const low = this.search(start - 1);
    let high = low;
    while (high < size && starts[high]! <= end) high++;
    if (high === low) {
      starts.splice(low, 0, start);
      ends.splice(low, 0, end);
      return;
    }
    if (starts[low]! > start) starts[low] = start;
    ends[low] = Math.max(end, ends[high - 1]!);
    if (high - low > 1) {
      starts.splice(low + 1, high - low - 1);
      ends.splice(low + 1, high - low - 1);
    }
  }

  remove(start: number, end: number): void {
    const { starts, ends } = this;
    let i = this.search(start);
    if (end <= start || i >= starts.length || starts[i]! >= end) return;
    if (starts[i]! < start) {
      const oldEnd = ends[i]!;
      ends[i] = start;
      if (oldEnd > end) {
        starts.splice(i + 1, 0, end);
        ends.splice(i + 1, 0, oldEnd);
        return;
      }
      i++;
    }
    let whole = i;
    while (whole < starts.length && ends[whole]! <= end) whole++;
    if (whole > i) {
      starts.splice(i, whole - i);
      ends.splice(i, whole - i);
    }
    if (i < starts.length && starts[i]! < end) starts[i] = end;
  }

  /** Forgets the lowest range. */
  dropFirst(): void {
    this.starts.shift();
    this.ends.shift();
  }

  clear(): void {
    this.starts.length = 0;
    this.ends.length = 0;
  }

  /** Appends to `into` the pairs start, end of what [start, end) has that this set has not. */
  gaps(start: number, end: number, into: number[]): void {
    const { starts, ends } = this;
    let at = start;
    for (let i = this.search(start); i < starts.length && starts[i]! < end; i++) {
      if (starts[i]! > at) into.push(at, starts[i]!);
      at = ends[i]!;
    }
    if (at < end) into.push(at, end);
  }

  /** Index of the first range whose end lies above `n`. */
  private search(n: number): number {
    const { ends } = this;
    let low = 0;
    let high = ends.length;
    if (high > 0 && ends[0]! > n) return 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! > n) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
