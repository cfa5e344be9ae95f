/**
 * Makes inputs for fuzzing out of valid messages: one in eight is random bytes, the others are a seed
 * with one to four changes. Changes are those that decoders go wrong on: lengths at their bounds,
 * truncation, repeated and missing parts, two messages spliced.
 *
 * Every input lies somewhere inside one slab, with rubbish on both sides, so that a decoder which
 * reads past its bound reads something that looks like data.
 */
import { Random } from '../../dist/kernel/index.js';

const SLAB_BYTES = 1 << 16;
const MARGIN = 64;
const RANDOM_BYTES_MAX = 512;
const GROWTH_BYTES_MAX = 64;
const WORDS = [
  0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

export class Mutator {
  constructor(seed) {
    this.random = new Random(seed);
    this.slab = this.random.bytes(SLAB_BYTES);
    this.at = 0;
    this.end = 0;
  }

  /** Lays the next input down at [at, end) of the slab. */
  next(seeds) {
    const { random } = this;
    this.at = MARGIN + random.below(8);
    if (seeds.length === 0 || random.chance(0.125))
      return this.fill(random.below(RANDOM_BYTES_MAX));
    this.put(random.pick(seeds));
    for (let changes = 1 + random.below(4); changes > 0; changes--) this.change(seeds);
  }

  /** The input as an array of its own length. */
  view() {
    return this.slab.subarray(this.at, this.end);
  }

  /** Changes bytes of [at, end) in place and leaves the length alone. */
  spoil(bytes, at, end) {
    if (end <= at) return;
    for (let changes = 1 + this.random.below(4); changes > 0; changes--)
      this.overwrite(bytes, at, end);
  }

  put(bytes) {
    this.slab.set(bytes, this.at);
    this.end = this.at + bytes.length;
  }

  fill(count) {
    this.end = this.at + count;
    for (let i = this.at; i < this.end; i++) this.slab[i] = this.random.u32() >>> 24;
  }

  change(seeds) {
    const { random, slab, at, end } = this;
    const size = end - at;
    switch (random.below(8)) {
      case 0:
        this.end = at + random.below(size + 1);
        return;
      case 1: {
        const grown = random.below(GROWTH_BYTES_MAX);
        if (end + grown > SLAB_BYTES - MARGIN) return;
        for (let i = 0; i < grown; i++) slab[end + i] = random.u32() >>> 24;
        this.end = end + grown;
        return;
      }
      case 2: {
        if (size < 2) return;
        const gone = 1 + random.below(Math.min(16, size - 1));
        const from = at + random.below(size - gone);
        slab.copyWithin(from, from + gone, end);
        this.end = end - gone;
        return;
      }
      case 3: {
        if (size === 0 || end + GROWTH_BYTES_MAX > SLAB_BYTES - MARGIN) return;
        const twice = 1 + random.below(Math.min(GROWTH_BYTES_MAX, size));
        const from = at + random.below(size - twice + 1);
        slab.copyWithin(from + twice, from, end);
        this.end = end + twice;
        return;
      }
      case 4: {
        const other = random.pick(seeds);
        const cut = random.below(Math.min(size, other.length) + 1);
        slab.set(other.subarray(cut), at + cut);
        this.end = at + other.length;
        return;
      }
      default:
        this.overwrite(slab, at, end);
    }
  }

  overwrite(bytes, at, end) {
    const { random } = this;
    const size = end - at;
    if (size === 0) return;
    const where = at + random.below(size);
    const kind = random.below(4);
    if (kind === 0) bytes[where] ^= 1 << random.below(8);
    else if (kind === 1) bytes[where] = random.u32() >>> 24;
    else {
      const word = random.pick(WORDS);
      const width = Math.min(1 << random.below(3), end - where);
      for (let i = 0; i < width; i++) bytes[where + i] = word >>> (8 * (width - 1 - i));
    }
  }
}
