/**
 * The deterministic subset of CBOR (RFC 8949, section 4.2) that signed objects are written in:
 * unsigned integers below 2^53, byte strings, text strings, arrays, maps, and the two booleans;
 * shortest-form heads, definite lengths, map keys in ascending order without repeats. One value has
 * one encoding, so that a signature covers a meaning and not one of its spellings.
 *
 *   head byte: | major type (3 bits) | 0..23, or 24 / 25 / 26 / 27: 1 / 2 / 4 / 8 bytes follow |
 *
 *   major 0 unsigned   2 bytes   3 text   4 array   5 map   7 false 0xf4, true 0xf5
 *
 * The reader is a typed cursor: the caller knows what it expects and asks for it. There is no
 * generic tree and no recursion, so a hostile input costs at most the one pass over its bytes. The
 * first thing that is not as it should be latches `ok` to false and all later reads give nothing.
 *
 * Maps here have unsigned keys below 24 or text keys. Deterministic order is that of the encoded
 * keys' bytes, which for small unsigned keys is numeric and for text is by length, then by bytes.
 */
import { ByteReader, ByteWriter, compareBytes, utf8Decode, utf8Encode } from '../kernel/index.ts';

const MAJOR_UNSIGNED = 0;
const MAJOR_BYTES = 2;
const MAJOR_TEXT = 3;
const MAJOR_ARRAY = 4;
const MAJOR_MAP = 5;
const FALSE = 0xf4;
const TRUE = 0xf5;

export class CborWriter {
  private readonly out = new ByteWriter();

  get length(): number {
    return this.out.length;
  }

  /** `n`: an integer, 0 .. 2^53-1. */
  unsigned(n: number): this {
    return this.head(MAJOR_UNSIGNED, n);
  }

  bytes(value: Uint8Array): this {
    this.head(MAJOR_BYTES, value.length);
    this.out.raw(value);
    return this;
  }

  text(value: string): this {
    const encoded = utf8Encode(value);
    this.head(MAJOR_TEXT, encoded.length);
    this.out.raw(encoded);
    return this;
  }

  boolean(value: boolean): this {
    this.out.u8(value ? TRUE : FALSE);
    return this;
  }

  /** The caller writes `count` items next. */
  array(count: number): this {
    return this.head(MAJOR_ARRAY, count);
  }

  /** The caller writes `count` pairs next, keys in deterministic order. */
  map(count: number): this {
    return this.head(MAJOR_MAP, count);
  }

  /** Text to text, sorted here. */
  textMap(entries: Readonly<Record<string, string>>): this {
    const names = Object.keys(entries).sort(compareTextKeys);
    this.map(names.length);
    for (const name of names) this.text(name).text(entries[name]!);
    return this;
  }

  finish(): Uint8Array {
    return this.out.finish();
  }

  private head(major: number, n: number): this {
    const type = major << 5;
    if (n < 24) this.out.u8(type | n);
    else if (n < 0x100) this.out.u8(type | 24).u8(n);
    else if (n < 0x1_0000) this.out.u8(type | 25).u16(n);
    else if (n < 0x1_0000_0000) this.out.u8(type | 26).u32(n);
    else this.out.u8(type | 27).u64(n);
    return this;
  }
}

export class CborReader {
  private readonly input: ByteReader;

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.input = new ByteReader(bytes, offset, end);
  }

  /** False from the first item that was not what was asked for, or not in its one right form. */
  get ok(): boolean {
    return this.input.ok;
  }

  /** Marks the input as unacceptable: for bounds and rules that only the caller knows. */
  reject(): void {
    this.input.reject();
  }

  /** Rejects a value above `max`. Zero after an error. */
  unsigned(max: number = Number.MAX_SAFE_INTEGER): number {
    const n = this.head(MAJOR_UNSIGNED);
    if (n > max) this.reject();
    return this.ok ? n : 0;
  }

  /** A copy. Rejects fewer than `min` or more than `max` bytes. Empty after an error. */
  bytes(bounds: { min: number; max: number }): Uint8Array {
    return this.string(MAJOR_BYTES, bounds.min, bounds.max);
  }

  /** Exactly `count` bytes, as a copy. */
  fixedBytes(count: number): Uint8Array {
    return this.string(MAJOR_BYTES, count, count);
  }

  /** Well-formed UTF-8 of at most `bytesMax` bytes. Empty after an error. */
  text(bytesMax: number): string {
    const text = utf8Decode(this.string(MAJOR_TEXT, 0, bytesMax));
    if (text === undefined) this.reject();
    return this.ok ? text! : '';
  }

  boolean(): boolean {
    const byte = this.input.u8();
    if (byte !== FALSE && byte !== TRUE) this.reject();
    return this.ok && byte === TRUE;
  }

  /** The number of items that follow. Zero after an error, so loops over it end. */
  array(countMax: number): number {
    return this.count(MAJOR_ARRAY, countMax);
  }

  /** The number of pairs that follow. Zero after an error. */
  map(countMax: number): number {
    return this.count(MAJOR_MAP, countMax);
  }

  /** Reads the unsigned map key `n`, and rejects any other: for maps whose keys are all required. */
  key(n: number): void {
    if (this.unsigned() !== n) this.reject();
  }

  /** Text to text, with no prototype; rejects keys out of order, repeated or empty. */
  textMap(bounds: {
    countMax: number;
    keyBytesMax: number;
    valueBytesMax: number;
  }): Readonly<Record<string, string>> {
    const out: Record<string, string> = Object.create(null);
    const count = this.map(bounds.countMax);
    let previous: string | undefined;
    for (let i = 0; i < count && this.ok; i++) {
      const key = this.text(bounds.keyBytesMax);
      const value = this.text(bounds.valueBytesMax);
      const isInOrder = previous === undefined || compareTextKeys(previous, key) < 0;
      if (!isInOrder || key === '') this.reject();
      if (this.ok) out[key] = value;
      previous = key;
    }
    return out;
  }

  /** Rejects trailing bytes and tells whether everything was as it should be. */
  finish(): boolean {
    return this.input.finish();
  }

  private count(major: number, max: number): number {
    const n = this.head(major);
    if (n > max) this.reject();
    return this.ok ? n : 0;
  }

  private string(major: number, min: number, max: number): Uint8Array {
    const length = this.head(major);
    if (length < min || length > max) this.reject();
    return this.ok ? this.input.copy(length) : new Uint8Array(0);
  }

  private head(major: number): number {
    const first = this.input.u8();
    if (first >> 5 !== major) this.reject();
    const short = first & 31;
    if (short < 24) return short;
    const [value, least] = this.longHead(short);
    if (value < least) this.reject();
    return value;
  }

  /** The value and the least one that has no shorter form. */
  private longHead(short: number): readonly [number, number] {
    if (short === 24) return [this.input.u8(), 24];
    if (short === 25) return [this.input.u16(), 0x100];
    if (short === 26) return [this.input.u32(), 0x1_0000];
    if (short === 27) return [this.input.u64(), 0x1_0000_0000];
    this.reject();
    return [0, 0];
  }
}

/** RFC 8949 4.2.1 on encoded text keys: a longer key has the greater head, so length decides first. */
function compareTextKeys(a: string, b: string): number {
  const left = utf8Encode(a);
  const right = utf8Encode(b);
  return left.length - right.length || compareBytes(left, right);
}
