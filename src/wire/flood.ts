/**
 * Frames that carry records through the network, neighbour by neighbour (`routing/flooding.ts`).
 *
 * A *record* is what one origin has to say under one key (type, origin, part), replaced as a whole by
 * any record of the same key with a higher (epoch, sequence). Who may say it is the record type's
 * business: link state is signed by its origin, certificates and the manifest prove themselves.
 *
 * FLOOD, one record, at most 1152 bytes: with sealing (32), frame header (3) and room for a hello it fits
 * a datagram of 1232, the least that a link passes:
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | record type   | part          | age, tenths of a second       |  0
 *   +---------------+---------------+---------------+---------------+
 *   |                            origin                             |  4
 *   +---------------------------------------------------------------+
 *   |                             epoch                             |  8
 *   +---------------------------------------------------------------+
 *   |                           sequence                            | 12
 *   +---------------------------------------------------------------+
 *   |   body, to the end of the frame                               | 16
 *
 * Age counts from the record's making and is rounded up at every hop, so that no record can live for
 * ever by travelling. It is the only field a forwarding node changes and the only one not signed.
 *
 * A *version* is 14 bytes: type (1), part (1), origin (4), epoch (4), sequence (4).
 *
 * FLOOD_ACK: one to 82 versions.
 *
 * SYNC: what two neighbours say to find out which records the other lacks.
 *
 *   +---------------+---------------+-------------------------------+
 *   | kind          | 0             | chunk number                  |  0
 *   +---------------+---------------+-------------------------------+
 *
 *   kind 1, digest: first key (6), last key (6), then versions in ascending order of key: every record
 *           the sender has with a key in that range. A key is type (1), origin (4), part (1).
 *   kind 2, digest received: nothing more; chunk number repeats the digest's.
 *   kind 3, summary: record count (4), hash of all versions (8); chunk number 1 where it answers the
 *           other's summary, else 0.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { ByteReader, ByteWriter } from '../kernel/index.ts';

export const RECORD_BYTES_MAX = 1152;
export const RECORD_HEADER_BYTES = 16;
export const RECORD_BODY_BYTES_MAX: number = RECORD_BYTES_MAX - RECORD_HEADER_BYTES;

/** Record types, append-only. */
export const RECORD_LINK_STATE = 1;
export const RECORD_CERTIFICATE = 2;
export const RECORD_MANIFEST = 3;

/** One tenth of a second, in microseconds. */
export const AGE_UNIT = 100_000;
export const AGE_MAX: number = 0xffff * AGE_UNIT;

const VERSION_BYTES = 14;
export const VERSIONS_PER_ACK_MAX: number = Math.floor(RECORD_BYTES_MAX / VERSION_BYTES);
const DIGEST_HEADER_BYTES = 16;
export const VERSIONS_PER_DIGEST_MAX: number = Math.floor(
  (RECORD_BYTES_MAX - DIGEST_HEADER_BYTES) / VERSION_BYTES,
);

export interface RecordVersion {
  readonly type: number;
  readonly part: number;
  /** 0 for records that belong to the network as a whole. */
  readonly origin: NodeAddress;
  readonly epoch: number;
  readonly sequence: number;
}

export interface FloodFrame extends RecordVersion {
  /** Microseconds since the record was made; whole tenths of a second on the wire, rounded up. */
  readonly age: number;
  readonly body: Uint8Array;
}

/** 48 bits, ordered by type, origin, part; also how keys go on the wire. */
export type RecordKey = number;

export const RECORD_KEY_MAX: RecordKey = 0xffff_ffff_ffff;

export const recordKey = (r: { type: number; origin: number; part: number }): RecordKey =>
  r.type * 0x100_0000_0000 + r.origin * 0x100 + r.part;

/** Negative, zero or positive as `a` is older than, the same as, or newer than `b`. */
export const compareVersions = (
  a: { epoch: number; sequence: number },
  b: { epoch: number; sequence: number },
): number => (a.epoch === b.epoch ? a.sequence - b.sequence : a.epoch - b.epoch);

export function encodeFlood(record: FloodFrame): Uint8Array {
  const age = Math.min(0xffff, Math.ceil(record.age / AGE_UNIT));
  return new ByteWriter(RECORD_HEADER_BYTES + record.body.length)
    .u8(record.type)
    .u8(record.part)
    .u16(age)
    .u32(record.origin)
    .u32(record.epoch)
    .u32(record.sequence)
    .raw(record.body)
    .finish();
}

/** The body is a copy. Undefined for a truncated or oversized record. */
export function decodeFlood(bytes: Uint8Array, at: number, end: number): FloodFrame | undefined {
  if (end - at > RECORD_BYTES_MAX) return undefined;
  const r = new ByteReader(bytes, at, end);
  const type = r.u8();
  const part = r.u8();
  const age = r.u16() * AGE_UNIT;
  const origin = r.u32() as NodeAddress;
  const epoch = r.u32();
  const sequence = r.u32();
  const body = r.copy(r.remaining);
  if (!r.finish()) return undefined;
  return { type, part, age, origin, epoch, sequence, body };
}

/** At most `VERSIONS_PER_ACK_MAX`. */
export function encodeFloodAck(versions: readonly RecordVersion[]): Uint8Array {
  const w = new ByteWriter(versions.length * VERSION_BYTES);
  for (const v of versions) writeVersion(w, v);
  return w.finish();
}

export function decodeFloodAck(
  bytes: Uint8Array,
  at: number,
  end: number,
): readonly RecordVersion[] | undefined {
  const size = end - at;
  if (size === 0 || size > RECORD_BYTES_MAX || size % VERSION_BYTES !== 0) return undefined;
  return readVersions(new ByteReader(bytes, at, end), size / VERSION_BYTES);
}

export type SyncFrame =
  | {
      readonly kind: 'digest';
      readonly chunk: number;
      readonly first: RecordKey;
      readonly last: RecordKey;
      readonly versions: readonly RecordVersion[];
    }
  | { readonly kind: 'digest-received'; readonly chunk: number }
  | {
      readonly kind: 'summary';
      readonly isAnswer: boolean;
      readonly count: number;
      readonly hashHigh: number;
      readonly hashLow: number;
    };

const SYNC_DIGEST = 1;
const SYNC_DIGEST_RECEIVED = 2;
const SYNC_SUMMARY = 3;

export function encodeSync(frame: SyncFrame): Uint8Array {
  const w = new ByteWriter(64);
  switch (frame.kind) {
    case 'digest':
      w.u8(SYNC_DIGEST).u8(0).u16(frame.chunk);
      writeKey(w, frame.first);
      writeKey(w, frame.last);
      for (const v of frame.versions) writeVersion(w, v);
      break;
    case 'digest-received':
      w.u8(SYNC_DIGEST_RECEIVED).u8(0).u16(frame.chunk);
      break;
    case 'summary':
      w.u8(SYNC_SUMMARY)
        .u8(0)
        .u16(frame.isAnswer ? 1 : 0);
      w.u32(frame.count).u32(frame.hashHigh).u32(frame.hashLow);
      break;
  }
  return w.finish();
}

export function decodeSync(bytes: Uint8Array, at: number, end: number): SyncFrame | undefined {
  const r = new ByteReader(bytes, at, end);
  const kind = r.u8();
  if (r.u8() !== 0) return undefined;
  const chunk = r.u16();
  switch (kind) {
    case SYNC_DIGEST:
      return decodeDigest(r, chunk);
    case SYNC_DIGEST_RECEIVED:
      return r.finish() ? { kind: 'digest-received', chunk } : undefined;
    case SYNC_SUMMARY: {
      const isAnswer = chunk === 1;
      const count = r.u32();
      const frame = {
        kind: 'summary',
        isAnswer,
        count,
        hashHigh: r.u32(),
        hashLow: r.u32(),
      } as const;
      return r.finish() && chunk <= 1 ? frame : undefined;
    }
    default:
      return undefined;
  }
}

/** Rejects a digest whose versions are not in ascending order or leave its range. */
function decodeDigest(r: ByteReader, chunk: number): SyncFrame | undefined {
  const first = readKey(r);
  const last = readKey(r);
  const count = r.remaining / VERSION_BYTES;
  if (!r.ok || first > last || count > VERSIONS_PER_DIGEST_MAX || !Number.isInteger(count))
    return undefined;
  const versions = readVersions(r, count);
  if (versions === undefined) return undefined;
  let before = first - 1;
  for (const v of versions) {
    const key = recordKey(v);
    if (key <= before || key > last) return undefined;
    before = key;
  }
  return { kind: 'digest', chunk, first, last, versions };
}

export function writeVersion(w: ByteWriter, v: RecordVersion): void {
  w.u8(v.type).u8(v.part).u32(v.origin).u32(v.epoch).u32(v.sequence);
}

function readVersions(r: ByteReader, count: number): RecordVersion[] | undefined {
  const versions: RecordVersion[] = [];
  for (let i = 0; i < count; i++) {
    const type = r.u8();
    const part = r.u8();
    const origin = r.u32() as NodeAddress;
    versions.push({ type, part, origin, epoch: r.u32(), sequence: r.u32() });
  }
  return r.finish() ? versions : undefined;
}

const writeKey = (w: ByteWriter, key: RecordKey): ByteWriter =>
  w.u16(Math.floor(key / 0x1_0000_0000)).u32(key % 0x1_0000_0000);

const readKey = (r: ByteReader): RecordKey => r.u16() * 0x1_0000_0000 + r.u32();
