/**
 * The records this node holds, whatever their type, with what synchronisation needs: keys in order,
 * and a hash over all versions that two neighbours compare to see whether they hold the same.
 */
import type { Instant } from '../kernel/index.ts';
import type { RecordKey, RecordVersion } from '../wire/index.ts';
import { recordKey } from '../wire/index.ts';

export interface StoredRecord extends RecordVersion {
  readonly body: Uint8Array;
  /** When the record would have been made by this node's clock: age is `now` minus this. */
  readonly madeAt: Instant;
  /** Undefined for records that only their own validity ends. */
  readonly expiresAt: Instant | undefined;
}

export class RecordStore {
  private readonly records = new Map<RecordKey, StoredRecord>();
  private readonly recordsMax: number;
  private sorted: RecordKey[] | undefined;
  /** Exclusive-or of the hash of every version: order does not matter, and removal undoes adding. */
  hashHigh = 0;
  hashLow = 0;

  constructor(recordsMax: number) {
    this.recordsMax = recordsMax;
  }

  get size(): number {
    return this.records.size;
  }

  get(key: RecordKey): StoredRecord | undefined {
    return this.records.get(key);
  }

  hasRoomFor(key: RecordKey): boolean {
    return this.records.size < this.recordsMax || this.records.has(key);
  }

  /** Replaces whatever was under the record's key. The caller has asked `hasRoomFor`. */
  put(record: StoredRecord): void {
    const key = recordKey(record);
    const before = this.records.get(key);
    if (before === undefined) this.sorted = undefined;
    else this.mixIn(before);
    this.records.set(key, record);
    this.mixIn(record);
  }

  delete(key: RecordKey): StoredRecord | undefined {
    const record = this.records.get(key);
    if (record === undefined) return undefined;
    this.records.delete(key);
    this.sorted = undefined;
    this.mixIn(record);
    return record;
  }

  /** Ascending. Valid until the next change. */
  keys(): readonly RecordKey[] {
    this.sorted ??= [...this.records.keys()].sort((a, b) => a - b);
    return this.sorted;
  }

  /** Records whose time is over at `now`; removes none. */
  expired(now: Instant): StoredRecord[] {
    const found: StoredRecord[] = [];
    for (const record of this.records.values())
      if (record.expiresAt !== undefined && record.expiresAt <= now) found.push(record);
    return found;
  }

  soonestExpiry(): Instant | undefined {
    let soonest: Instant | undefined;
    for (const { expiresAt } of this.records.values())
      if (expiresAt !== undefined && (soonest === undefined || expiresAt < soonest))
        soonest = expiresAt;
    return soonest;
  }

  private mixIn(version: RecordVersion): void {
    this.hashHigh = (this.hashHigh ^ hashVersion(version, 0x6b43_a9b5)) >>> 0;
    this.hashLow = (this.hashLow ^ hashVersion(version, 0x1f83_d9ab)) >>> 0;
  }
}

/** Not secret and not collision proof: a miss costs one comparison of digests, later. */
function hashVersion(v: RecordVersion, seed: number): number {
  let h = seed;
  h = mix(h ^ ((v.type << 8) | v.part));
  h = mix(h ^ v.origin);
  h = mix(h ^ v.epoch);
  return mix(h ^ v.sequence);
}

function mix(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
