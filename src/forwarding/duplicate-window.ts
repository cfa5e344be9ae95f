/**
 * Which sequence numbers of one flow have passed this node: a ring bitmap over the newest `bits`
 * numbers, after RFC 6479's replay window but for 32-bit numbers and without copying. Numbers older than
 * the window count as seen: a packet that late has been overtaken by thousands and may be a loop.
 */
export class DuplicateWindow {
  private words: Uint32Array;
  private mask: number;
  private bits: number;
  private newest = -1;

  /** `bits`: a power of two, at least 64. */
  constructor(bits = 2048) {
    this.bits = bits;
    this.words = new Uint32Array(bits >>> 5);
    this.mask = (bits >>> 5) - 1;
  }

  /** True the first time a number is seen; marks it. */
  admit(sequence: number): boolean {
    const newest = this.newest;
    if (sequence > newest) {
      this.advance(newest, sequence);
    } else if (newest - sequence >= this.bits - 32) {
      // The oldest word is shared with the newest numbers, hence one word less than `bits`.
      return false;
    }
    const word = (sequence >>> 5) & this.mask;
    const bit = 1 << (sequence & 31);
    if ((this.words[word]! & bit) !== 0) return false;
    this.words[word]! |= bit;
    return true;
  }

  /** The greatest number seen; -1: none. */
  get greatest(): number {
    return this.newest;
  }

  /** Whether a number has been seen and is remembered. */
  has(sequence: number): boolean {
    const { newest } = this;
    if (sequence > newest || newest - sequence >= this.bits - 32) return false;
    return (this.words[(sequence >>> 5) & this.mask]! & (1 << (sequence & 31))) !== 0;
  }

  /** Remembers so many from now on; fewer than before changes nothing. */
  grow(bits: number): void {
    if (bits <= this.bits) return;
    const { words, mask, newest } = this;
    this.bits = bits;
    this.words = new Uint32Array(bits >>> 5);
    this.mask = (bits >>> 5) - 1;
    if (newest < 0) return;
    const last = newest >>> 5;
    for (let w = Math.max(0, last - mask); w <= last; w++)
      this.words[w & this.mask] = words[w & mask]!;
    // What was too old before stays so: none of it is known to be new.
    for (let w = last - mask - 1; w >= 0 && w > last - this.words.length; w--)
      this.words[w & this.mask] = 0xffff_ffff;
  }

  /** Forgets everything: the flow's source restarted. */
  reset(): void {
    this.words.fill(0);
    this.newest = -1;
  }

  private advance(from: number, to: number): void {
    const first = from < 0 ? to >>> 5 : (from >>> 5) + 1;
    const last = to >>> 5;
    if (last - first >= this.words.length) this.words.fill(0);
    else for (let w = first; w <= last; w++) this.words[w & this.mask] = 0;
    this.newest = to;
  }
}
