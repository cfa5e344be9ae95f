/**
 * What a link may have to send again: copies of data frames, by session and packet counter. Counters
 * of a session ascend, and a session that follows another gets the keys after it, so that the ring is
 * ordered by one number and a packet is found by halving; a change of keys loses nothing. Only
 * packets that asked for it are here, so others on the link cost no place.
 *
 * Both rings start small and double while what would be overwritten might still be wanted; at their
 * bounds the oldest go (`evicted`).
 */
import type { Duration, Instant } from '../../kernel/index.ts';

export interface KeptPacket {
  readonly session: number;
  readonly counter: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly length: number;
  /** Until when it may be wanted. */
  readonly until: Instant;
  readonly protocol: number;
}

/** A session's counters as keys: key = base + counter. */
interface Run {
  readonly session: number;
  readonly base: number;
}

const RUNS_MAX = 4;
const RECORDS_FIRST = 256;
const BYTES_FIRST = 32_768;
/** Of all the arrays below, for one packet. */
const RECORD_BYTES = 43;

export class History {
  private readonly packetsMax: number;
  private readonly bytesMax: number;
  private runs: Run[] = [];
  private keys = new Float64Array(RECORDS_FIRST);
  private sessions = new Uint32Array(RECORDS_FIRST);
  private counters = new Float64Array(RECORDS_FIRST);
  private keptAt = new Float64Array(RECORDS_FIRST);
  private until = new Float64Array(RECORDS_FIRST);
  private places = new Uint32Array(RECORDS_FIRST);
  private lengths = new Uint16Array(RECORDS_FIRST);
  private protocols = new Uint8Array(RECORDS_FIRST);
  private bytes = new Uint8Array(BYTES_FIRST);
  /** Numbers of the oldest record and of the next; places in the arrays are these modulo their size. */
  private first = 0;
  private next = 0;
  private write = 0;
  private lastKey = -1;
  /** Packets forgotten while they might still have been wanted. */
  evicted = 0;

  constructor(options: { packetsMax: number; bytesMax: number }) {
    this.packetsMax = options.packetsMax;
    this.bytesMax = options.bytesMax;
  }

  get packets(): number {
    return this.next - this.first;
  }

  /** Memory held, whether used or not. */
  get bytesHeld(): number {
    return this.bytes.length + this.keys.length * RECORD_BYTES;
  }

  /** Copies a packet. Counters of one session ascend. */
  keep(packet: KeptPacket, now: Instant): void {
    const { length } = packet;
    if (length > this.bytesMax) return;
    if (this.packets === this.keys.length) this.makeRecordRoom(now);
    const place = this.room(length, now);
    const i = this.next % this.keys.length;
    this.lastKey = this.baseOf(packet.session, packet.counter) + packet.counter;
    this.keys[i] = this.lastKey;
    this.sessions[i] = packet.session;
    this.counters[i] = packet.counter;
    this.keptAt[i] = now;
    this.until[i] = packet.until;
    this.places[i] = place;
    this.lengths[i] = length;
    this.protocols[i] = packet.protocol;
    this.bytes.set(packet.bytes.subarray(packet.at, packet.at + length), place);
    this.write = place + length;
    this.next++;
  }

  /** Number of the packet's record, for the questions below; -1 when it is not here. */
  find(session: number, counter: number): number {
    for (const run of this.runs) {
      if (run.session !== session) continue;
      const found = this.search(run.base + counter);
      if (found < 0) continue;
      const i = found % this.keys.length;
      // A session that came back has two runs, and the keys of one are not those of the other.
      if (this.sessions[i] === session && this.counters[i] === counter) return found;
    }
    return -1;
  }

  /** Whether a packet was sent after all that are kept. */
  isAfter(session: number, counter: number): boolean {
    const current = this.runs[0];
    return current?.session !== session || current.base + counter > this.lastKey;
  }

  /** Whether a record that was found is still here. */
  has(record: number): boolean {
    return record >= this.first && record < this.next;
  }

  /** A view, valid until the next `keep`. */
  frame(record: number): Uint8Array {
    const i = record % this.keys.length;
    return this.bytes.subarray(this.places[i]!, this.places[i]! + this.lengths[i]!);
  }

  heldFor(record: number, now: Instant): Duration {
    return (now - this.keptAt[record % this.keys.length]!) as Duration;
  }

  wantedUntil(record: number): Instant {
    return this.until[record % this.keys.length]! as Instant;
  }

  protocol(record: number): number {
    return this.protocols[record % this.keys.length]!;
  }

  private baseOf(session: number, counter: number): number {
    const current = this.runs[0];
    if (current?.session === session) return current.base;
    const base = this.lastKey + 1 - counter;
    this.runs = [{ session, base }, ...this.runs.slice(0, RUNS_MAX - 1)];
    return base;
  }

  private search(key: number): number {
    let low = this.first;
    let high = this.next - 1;
    while (low <= high) {
      const middle = Math.floor((low + high) / 2);
      const there = this.keys[middle % this.keys.length]!;
      if (there === key) return middle;
      if (there < key) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** Where `length` bytes may be written, in one piece; forgets what lies there. */
  private room(length: number, now: Instant): number {
    for (;;) {
      if (this.packets === 0) this.write = 0;
      const oldest = this.packets === 0 ? -1 : this.places[this.first % this.keys.length]!;
      const end = this.bytes.length;
      if (oldest < 0 && length <= end) return 0;
      if (this.write > oldest && this.write + length <= end) return this.write;
      if (this.write > oldest && length < oldest) return 0;
      if (this.write < oldest && this.write + length < oldest) return this.write;
      if (this.isWanted(now) && 2 * end <= this.bytesMax) this.grow();
      else if (oldest >= 0) this.forgetOldest(now);
      else this.bytes = new Uint8Array(Math.min(this.bytesMax, 2 * end));
    }
  }

  private makeRecordRoom(now: Instant): void {
    const size = this.keys.length;
    if (!this.isWanted(now) || 2 * size > this.packetsMax) return this.forgetOldest(now);
    const { first } = this;
    const grown = <T extends Float64Array | Uint32Array | Uint16Array | Uint8Array>(old: T): T => {
      const made = new (old.constructor as new (n: number) => T)(2 * size);
      for (let n = first; n < this.next; n++) made[n % (2 * size)] = old[n % size]!;
      return made;
    };
    this.sessions = grown(this.sessions);
    this.counters = grown(this.counters);
    this.keptAt = grown(this.keptAt);
    this.until = grown(this.until);
    this.places = grown(this.places);
    this.lengths = grown(this.lengths);
    this.protocols = grown(this.protocols);
    this.keys = grown(this.keys);
  }

  /** Twice the bytes, what is kept moved to the front. */
  private grow(): void {
    const made = new Uint8Array(2 * this.bytes.length);
    let at = 0;
    for (let n = this.first; n < this.next; n++) {
      const frame = this.frame(n);
      made.set(frame, at);
      this.places[n % this.keys.length] = at;
      at += frame.length;
    }
    this.bytes = made;
    this.write = at;
  }

  private isWanted(now: Instant): boolean {
    return this.packets > 0 && this.until[this.first % this.keys.length]! > now;
  }

  private forgetOldest(now: Instant): void {
    if (this.isWanted(now)) this.evicted++;
    this.first++;
  }
}
