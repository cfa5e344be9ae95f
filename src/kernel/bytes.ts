/**
 * Bounded cursors over bytes, big-endian. The reader latches its first error instead of throwing:
 * a decoder reads straight through and asks `ok` once at the end, and no read ever passes the
 * bound, whatever the peer sent.
 */

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  offset: number;
  /** False from the first read that would have passed the end or broken a stated bound. */
  ok = true;

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = Math.min(end, bytes.length);
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  /** Marks the input as unacceptable; all later reads return zeros. */
  reject(): void {
    this.ok = false;
  }

  private take(count: number): number {
    if (!this.ok || count < 0 || this.end - this.offset < count) {
      this.ok = false;
      return -1;
    }
    const at = this.offset;
    this.offset = at + count;
    return at;
  }

  u8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : this.bytes[at]!;
  }

  u16(): number {
    const at = this.take(2);
    if (at < 0) return 0;
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : readU32(this.bytes, at);
  }

  /** Unsigned 64-bit; rejects values above 2^53-1, which no field of ours can mean. */
  u64(): number {
    const high = this.u32();
    const low = this.u32();
    if (high > 0x1f_ffff) {
      this.ok = false;
      return 0;
    }
    return high * 0x1_0000_0000 + low;
  }

  /** A copy, so that it outlives the slab. Empty after an error. */
  copy(count: number): Uint8Array {
    const at = this.take(count);
    return at < 0 ? new Uint8Array(0) : this.bytes.slice(at, at + count);
  }

  /** A view into the input. Empty after an error. */
  view(count: number): Uint8Array {
    const at = this.take(count);
    return at < 0 ? new Uint8Array(0) : this.bytes.subarray(at, at + count);
  }

  rest(): Uint8Array {
    return this.view(this.remaining);
  }

  /** Rejects trailing bytes and tells whether everything was as it should be. */
  finish(): boolean {
    if (this.offset !== this.end) this.ok = false;
    return this.ok;
  }
}

/** Writes into a buffer that grows; `finish` returns a copy of exactly what was written. */
export class ByteWriter {
  private buffer: Uint8Array;
  length = 0;

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity);
  }

  /** Claims `count` bytes; the buffer may be a new one afterwards, so ask before touching it. */
  private room(count: number): number {
    const at = this.length;
    const wanted = at + count;
    if (wanted > this.buffer.length) {
      const grown = new Uint8Array(Math.max(wanted, this.buffer.length * 2));
      grown.set(this.buffer);
      this.buffer = grown;
    }
    this.length = wanted;
    return at;
  }

  u8(n: number): this {
    const at = this.room(1);
    this.buffer[at] = n;
    return this;
  }

  u16(n: number): this {
    const at = this.room(2);
    this.buffer[at] = n >>> 8;
    this.buffer[at + 1] = n;
    return this;
  }

  u32(n: number): this {
    const at = this.room(4);
    writeU32(this.buffer, at, n);
    return this;
  }

  /** `n` up to 2^53-1. */
  u64(n: number): this {
    this.u32(Math.floor(n / 0x1_0000_0000));
    return this.u32(n >>> 0);
  }

  raw(bytes: Uint8Array): this {
    const at = this.room(bytes.length);
    this.buffer.set(bytes, at);
    return this;
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}

export const readU32 = (b: Uint8Array, at: number): number =>
  ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;

export const readU16 = (b: Uint8Array, at: number): number => (b[at]! << 8) | b[at + 1]!;

export function writeU32(b: Uint8Array, at: number, n: number): void {
  b[at] = n >>> 24;
  b[at + 1] = n >>> 16;
  b[at + 2] = n >>> 8;
  b[at + 3] = n;
}

export function writeU16(b: Uint8Array, at: number, n: number): void {
  b[at] = n >>> 8;
  b[at + 1] = n;
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const p of parts) total += p.length;
  const out = new Uint8Array(total);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += bytes[i]!.toString(16).padStart(2, '0');
  return text;
}

/** Undefined unless the text is an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** UTF-8 encoding of well-formed text; a lone surrogate becomes U+FFFD, as in the Encoding Standard. */
export function utf8Encode(text: string): Uint8Array {
  const out = new ByteWriter(text.length + 8);
  for (const character of text) {
    let c = character.codePointAt(0)!;
    if (c >= 0xd800 && c <= 0xdfff) c = 0xfffd;
    if (c < 0x80) out.u8(c);
    else if (c < 0x800) out.u8(0xc0 | (c >> 6)).u8(0x80 | (c & 63));
    else if (c < 0x10000) {
      out
        .u8(0xe0 | (c >> 12))
        .u8(0x80 | ((c >> 6) & 63))
        .u8(0x80 | (c & 63));
    } else {
      out.u8(0xf0 | (c >> 18)).u8(0x80 | ((c >> 12) & 63));
      out.u8(0x80 | ((c >> 6) & 63)).u8(0x80 | (c & 63));
    }
  }
  return out.finish();
}

/** Strict UTF-8 (RFC 3629): undefined for overlong forms, surrogates and truncation. */
export function utf8Decode(bytes: Uint8Array): string | undefined {
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i]!;
    const size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size === 0 || first > 0xf4 || i + size > bytes.length) return undefined;
    let c = size === 1 ? first : first & (0xff >> (size + 1));
    for (let j = 1; j < size; j++) {
      const next = bytes[i + j]!;
      if ((next & 0xc0) !== 0x80) return undefined;
      c = (c << 6) | (next & 63);
    }
    if (
      (size === 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
      (size === 4 && (c < 0x10000 || c > 0x10ffff))
    )
      return undefined;
    text += String.fromCodePoint(c);
    i += size;
  }
  return text;
}
