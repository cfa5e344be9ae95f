/**
 * Bytes of a stream addressed by their absolute offset, in a ring that grows by doubling up to a
 * bound. The sender keeps what is not acknowledged in one, the receiver what came before its turn.
 * All rings of a node draw on one budget, so that many streams together stay bounded too.
 */

/** Memory that several rings share. */
export class ByteBudget {
  readonly bytesMax: number;
  used = 0;
  refusals = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  hasRoom(bytes: number): boolean {
    return this.used + bytes <= this.bytesMax;
  }

  claim(bytes: number): boolean {
    if (!this.hasRoom(bytes)) {
      this.refusals++;
      return false;
    }
    this.used += bytes;
    return true;
  }

  release(bytes: number): void {
    this.used -= bytes;
  }
}

export const RING_BYTES_MIN = 16_384;

export class ByteRing {
  private readonly budget: ByteBudget;
  private readonly bytesMax: number;
  private bytes = new Uint8Array(0);

  /** `bytesMax`: a power of two. */
  constructor(options: { budget: ByteBudget; bytesMax: number }) {
    this.budget = options.budget;
    this.bytesMax = options.bytesMax;
  }

  /** Bytes it holds without growing. */
  get capacity(): number {
    return this.bytes.length;
  }

  /**
   * Makes sure that offsets [low, high) fit at once; `low` .. `liveEnd` is what must survive growth.
   * False when bound or budget stand against it: nothing has changed.
   */
  fit(low: number, high: number, liveEnd: number): boolean {
    const span = high - low;
    if (span <= this.bytes.length) return true;
    if (span > this.bytesMax) return false;
    let size = Math.max(RING_BYTES_MIN, this.bytes.length);
    while (size < span) size *= 2;
    if (!this.budget.claim(size - this.bytes.length)) return false;
    const old = this.bytes;
    this.bytes = new Uint8Array(size);
    for (let at = low; at < liveEnd; ) {
      const from = at % old.length;
      const length = Math.min(liveEnd - at, old.length - from);
      this.write(at, old, from, from + length);
      at += length;
    }
    return true;
  }

  /** Stores `source[from..to)` at `offset`; `fit` has been asked. */
  write(offset: number, source: Uint8Array, from: number, to: number): void {
    const { bytes } = this;
    const at = offset % bytes.length;
    const first = Math.min(to - from, bytes.length - at);
    bytes.set(source.subarray(from, from + first), at);
    if (first < to - from) bytes.set(source.subarray(from + first, to), 0);
  }

  /** Copies `length` bytes from `offset` to `into[at..]`. */
  copy(offset: number, length: number, into: Uint8Array, at: number): void {
    const { bytes } = this;
    const from = offset % bytes.length;
    const first = Math.min(length, bytes.length - from);
    into.set(bytes.subarray(from, from + first), at);
    if (first < length) into.set(bytes.subarray(0, length - first), at + first);
  }

  /** The longest view from `offset` on, at most `length` bytes: up to the ring's seam. */
  view(offset: number, length: number): Uint8Array {
    const from = offset % this.bytes.length;
    return this.bytes.subarray(from, Math.min(from + length, this.bytes.length));
  }

  /** Gives the memory back. */
  release(): void {
    this.budget.release(this.bytes.length);
    this.bytes = new Uint8Array(0);
  }
}
