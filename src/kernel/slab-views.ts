/**
 * Views into slabs that are asked for again and again: packets of one size come at the same places of
 * the same slab. Making a view costs some 100 bytes and more time than copying a small packet does.
 * What is remembered is checked, never trusted: another slab costs a new view.
 */

/** A power of two. */
const PLACES = 4_096;

export class SlabViews {
  private readonly views: (Uint8Array | undefined)[] = new Array(PLACES).fill(undefined);
  // Of each view. Asking the view itself for them costs four calls into the engine.
  private readonly slabs: (Uint8Array | undefined)[] = new Array(PLACES).fill(undefined);
  private readonly starts = new Uint32Array(PLACES);
  private readonly ends = new Uint32Array(PLACES);

  /** [at, end) of the slab. */
  of(slab: Uint8Array, at: number, end: number): Uint8Array {
    const place = Math.imul(at, 0x9e37_79b1) >>> 20;
    if (this.slabs[place] === slab && this.starts[place] === at && this.ends[place] === end)
      return this.views[place]!;
    const made = slab.subarray(at, end);
    this.views[place] = made;
    this.slabs[place] = slab;
    this.starts[place] = at;
    this.ends[place] = end;
    return made;
  }
}
