/**
 * Seeded pseudo-randomness for everything that is drawn and need not be secret: jitter of timers,
 * the simulator's faults. sfc32 (PractRand's small fast counting generator), 32-bit integers only,
 * so every machine draws the same. `split` derives an independent stream from a label, so that a
 * new draw in one part shifts no other.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter: number;
  private readonly identity: number;

  constructor(seed: number) {
    this.identity = seed >>> 0;
    this.a = 0x9e37_79b9 ^ this.identity;
    this.b = mix(this.identity ^ 0x243f_6a88);
    this.c = mix(this.b ^ 0xb7e1_5162);
    this.counter = 1;
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** An independent stream; does not draw from this one. */
  split(label: string): Random {
    let h = this.identity ^ 0x811c_9dc5;
    for (let i = 0; i < label.length; i++) {
      h = Math.imul(h ^ label.charCodeAt(i), 0x0100_0193);
      h ^= h >>> 15;
    }
    return new Random(mix(h));
  }

  /** 0 .. 2^32-1. */
  u32(): number {
    const t = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    this.c |= 0;
    return t >>> 0;
  }

  /** Integer in [0, below). */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound);
  }

  /** Integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** In [0, 1), 32 bits of it. */
  fraction(): number {
    return this.u32() / 0x1_0000_0000;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = items[i]!;
      items[i] = items[j]!;
      items[j] = kept;
    }
    return items;
  }

  /** Non-secret bytes, for simulated entropy. */
  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = this.u32() >>> 24;
    return out;
  }
}

function mix(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb_352d);
  h = Math.imul(h ^ (h >>> 15), 0x846c_a68b);
  return (h ^ (h >>> 16)) >>> 0;
}
