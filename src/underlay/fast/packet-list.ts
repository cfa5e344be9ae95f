/**
 * Packets to seal or open, as a list in memory that OpenSSL is called from, 64 bytes each:
 *
 *    0 cipher context   8 its parameters   16 text, with the counter in front where the cipher wants it so
 *   24 bytes from there on, the tag among them   28 result: negative where a tag is wrong
 *   32 record: 13 bytes of additional data, zeros; 16 further on the nonce, 12 bytes, zeros
 *
 * Trusts its caller for addresses and lengths; `fast-crypto.ts` checks them.
 */
import { AEAD_COUNTER_BYTES, AEAD_TAG_BYTES, type AeadAlgorithm } from '../../kernel/index.ts';
import type { Native } from './native.ts';

export type Direction = 'seal' | 'open';

/** One packet to seal or open. Its address is of memory that the caller holds. */
export interface ListedPacket {
  algorithm: AeadAlgorithm;
  direction: Direction;
  /** Address of the text, with the counter in front of it and room for the tag behind. */
  text: number;
  length: number;
  /** The counter, as this machine reads the eight bytes as two words. */
  counter0: number;
  counter1: number;
  head: number;
}

/** To be filled for one packet after the other. */
export const blankPacket = (): ListedPacket => ({
  algorithm: 'aes-128-gcm',
  direction: 'seal',
  text: 0,
  length: 0,
  counter0: 0,
  counter1: 0,
  head: 0,
});

export const LISTED_BYTES = 64;
/** Of a record, and where its parts are in it. */
export const RECORD_BYTES = 32;
export const RECORD_NONCE = 16;
const WORDS: number = LISTED_BYTES / 4;
const CONTEXT = 0;
const PARAMETERS = 2;
const TEXT = 4;
const BYTES = 6;
const RESULT = 7;
const RECORD = 8;
const TWO_32 = 0x1_0000_0000;

export class PacketList {
  readonly words: Int32Array;
  private readonly address: number;

  /** In `buffer` from byte `at` on, with room for `capacity` packets. */
  constructor(native: Native, buffer: ArrayBufferLike, at: number, capacity: number) {
    this.words = new Int32Array(buffer, at, capacity * WORDS);
    this.address = native.addressOf(buffer) + at;
  }

  addressOf(i: number): number {
    return this.address + i * LISTED_BYTES;
  }

  /** Writes packet i but for what `serve` writes. */
  enter(i: number, packet: Readonly<ListedPacket>): void {
    const { words } = this;
    const at = i * WORDS;
    const front = packet.algorithm === 'aes-128-gcm' ? AEAD_COUNTER_BYTES : 0;
    const size = front + packet.length;
    writeAddress(words, at + TEXT, packet.text - front);
    words[at + BYTES] = size + AEAD_TAG_BYTES;
    // OpenSSL takes the tag off the length that it is told where it is there already.
    const told = packet.direction === 'open' ? size + AEAD_TAG_BYTES : size;
    const { head } = packet;
    words[at + RECORD] = packet.counter0;
    words[at + RECORD + 1] = packet.counter1;
    words[at + RECORD + 2] =
      ((head >>> 16) & 0xff) | (head & 0xff00) | ((head & 0xff) << 16) | ((told >> 8) << 24);
    words[at + RECORD + 3] = told & 0xff;
    words[at + RECORD + 4] = 0;
    words[at + RECORD + 5] = packet.counter0;
    words[at + RECORD + 6] = packet.counter1;
    words[at + RECORD + 7] = 0;
  }

  /** By which context, with which parameters. */
  serve(i: number, context: number, parameters: number): void {
    writeAddress(this.words, i * WORDS + CONTEXT, context);
    writeAddress(this.words, i * WORDS + PARAMETERS, parameters);
  }

  context(i: number): number {
    return readAddress(this.words, i * WORDS + CONTEXT);
  }

  parameters(i: number): number {
    return readAddress(this.words, i * WORDS + PARAMETERS);
  }

  text(i: number): number {
    return readAddress(this.words, i * WORDS + TEXT);
  }

  bytes(i: number): number {
    return this.words[i * WORDS + BYTES]!;
  }

  copyRecord(i: number, into: Int32Array): void {
    const at = i * WORDS + RECORD;
    for (let word = 0; word < into.length; word++) into[word] = this.words[at + word]!;
  }

  isDone(i: number): boolean {
    return this.words[i * WORDS + RESULT]! >= 0;
  }

  /** Whether one of `count` packets from `from` on is not done. */
  hasFailed(from: number, count: number): boolean {
    for (let i = from; i < from + count; i++) if (!this.isDone(i)) return true;
    return false;
  }

  setResult(i: number, result: number): void {
    this.words[i * WORDS + RESULT] = result;
  }
}

function writeAddress(words: Int32Array, at: number, address: number): void {
  words[at] = address;
  words[at + 1] = Math.floor(address / TWO_32);
}

const readAddress = (words: Int32Array, at: number): number =>
  (words[at]! >>> 0) + words[at + 1]! * TWO_32;
