/**
 * Views into slabs that are asked for again and again: packets of one size come at the same places of
 * the same slab. Making a view costs some 100 bytes and more time than copying a small packet does.
 * What is remembered is checked, never trusted: a slab that is gone costs a new view.
 */

/** A power of two. */
const PLACES = 4_096;

export class SlabViews {
  private readonly views: (Uint8Array | undefined)[] = new Array(PLACES).fill(undefined);

  /** [at, end) of the slab. */
  of(slab: Uint8Array, at: number, end: number): Uint8Array {
    const place = Math.imul(at, 0x9e37_79b1) >>> 20;
    const known = this.views[place];
    if (
      known !== undefined &&
      known.byteOffset === slab.byteOffset + at &&
      known.length === end - at &&
      known.buffer === slab.buffer
    )
      return known;
    const made = slab.subarray(at, end);
    this.views[place] = made;
    return made;
  }
}
