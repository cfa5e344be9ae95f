/**
 * Which packet counters were seen: a sliding window of bits behind the greatest one (RFC 6479). The
 * bitmap is a ring of 32-bit words; moving forward clears whole words and shifts nothing, so one
 * packet costs the same however far it jumps, up to clearing the whole ring once. The ring's length is a
 * power of two, because a division would be a good part of what a packet costs here.
 *
 * A counter is accepted once. One that is older than the window is refused although it may be new:
 * that is the bound on memory, and a link that reorders by more than the window loses packets to it.
 * `check` goes before the tag is verified, `accept` after: a forger must not move the window.
 */
import { assert } from '../kernel/index.ts';

/** What is urgent may come past a receiving buffer of the system that is full of the rest: some 7,000 packets. */
export const REPLAY_WINDOW_DEFAULT = 8192;

export class ReplayWindow {
  private readonly words: Uint32Array;
  private readonly size: number;
  private readonly mask: number;
  /** Index of the word that holds the greatest counter. */
  private topWord = 0;
  private top = -1;

  /** `size`: counters remembered, a multiple of 32. */
  constructor(size: number = REPLAY_WINDOW_DEFAULT) {
    assert(size > 0 && size % 32 === 0, 'a replay window is a multiple of 32 counters');
    this.size = size;
    // At least a word more than the size: the one that the greatest counter is in is partly used.
    this.words = new Uint32Array(2 ** Math.ceil(Math.log2(size / 32 + 1)));
    this.mask = this.words.length - 1;
  }

  /** The greatest counter accepted; -1 before the first. */
  get greatest(): number {
    return this.top;
  }

  /** Whether a packet with this counter (an integer, 0 .. 2^53-1) may still be new. */
  check(counter: number): boolean {
    if (counter > this.top) return true;
    if (counter <= this.top - this.size) return false;
    return (this.words[this.slot(Math.floor(counter / 32))]! & (1 << (counter & 31))) === 0;
  }

  /** Remembers the counter; false, and no change, where `check` is false. */
  accept(counter: number): boolean {
    if (!this.check(counter)) return false;
    const word = Math.floor(counter / 32);
    if (counter > this.top) {
      this.clearUpTo(word);
      this.top = counter;
    }
    this.words[this.slot(word)]! |= 1 << (counter & 31);
    return true;
  }

  private clearUpTo(word: number): void {
    const ahead = Math.min(word - this.topWord, this.words.length);
    for (let i = 0; i < ahead; i++) this.words[this.slot(word - i)] = 0;
    this.topWord = word;
  }

  private slot(word: number): number {
    return word & this.mask;
  }
}
