/**
 * Copies of payloads that outlive the slab they came in, laid behind each other in larger buffers. A
 * buffer of its own for each would cost several times the copy, and the collector as much again.
 *
 * A payload keeps the whole buffer it lies in, and so do its neighbours.
 */
const BUFFER_BYTES = 64 * 1024;
/** Longer ones get buffers of their own. */
const SHARED_BYTES_MAX = 8 * 1024;

export class PayloadArena {
  private buffer: Uint8Array = new Uint8Array(0);
  private used = 0;

  keep(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > SHARED_BYTES_MAX) return bytes.slice();
    if (this.used + length > this.buffer.length) {
      this.buffer = new Uint8Array(BUFFER_BYTES);
      this.used = 0;
    }
    const at = this.used;
    this.used = at + length;
    this.buffer.set(bytes, at);
    return this.buffer.subarray(at, this.used);
  }
}
