/**
 * What flooding remembers of one neighbour: which keys it still has to acknowledge, which versions it
 * is to have acknowledged, and how far the digest for it has come. Bounded by the number of records.
 */
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { later, soonest } from '../kernel/index.ts';
import type { RecordKey, RecordVersion, SyncFrame } from '../wire/index.ts';
import {
  compareVersions,
  encodeFloodAck,
  RECORD_KEY_MAX,
  recordKey,
  VERSIONS_PER_ACK_MAX,
  VERSIONS_PER_DIGEST_MAX,
} from '../wire/index.ts';
import type { AdjacencyMetrics, RoutingLimits, RoutingTimers } from './options.ts';
import type { RecordStore } from './record-store.ts';

const CHUNK_NUMBERS = 0x1_0000;
/** Sendings of digest chunks that may be lost in a row. */
const CHUNKS_LOST_MAX = 256;

/** Allowance for timers of either end that fire late. */
const TIMER_SLACK = 20_000;

interface InFlight {
  attempts: number;
  dueAt: Instant;
}

export class FloodNeighbour {
  readonly address: NodeAddress;
  /** Half the round-trip time: what a record ages on the way. */
  latency = 0;
  ackAt: Instant | undefined;
  retransmitAt: Instant | undefined;
  digestAt: Instant | undefined;
  summaryAt: Instant | undefined;

  private readonly timers: RoutingTimers;
  private readonly inFlightMax: number;
  private retransmitAfter: number;
  private readonly waiting = new Set<RecordKey>();
  private readonly inFlight = new Map<RecordKey, InFlight>();
  private acks: RecordVersion[] = [];
  private digestFirst: RecordKey = 0;
  private digestLast: RecordKey = RECORD_KEY_MAX;
  private digestChunkNumber: number;
  private lastChunkHeard: number | undefined;
  private digestAttempts = 0;

  /** `firstChunk`: drawn, so that the neighbour can tell a new count of chunks from the former. */
  constructor(
    address: NodeAddress,
    timers: RoutingTimers,
    limits: RoutingLimits,
    firstChunk: number,
  ) {
    this.address = address;
    this.digestChunkNumber = firstChunk % CHUNK_NUMBERS;
    this.timers = timers;
    this.inFlightMax = limits.inFlightMax;
    this.retransmitAfter = timers.retransmitMax;
  }

  measured(metrics: AdjacencyMetrics): void {
    const { retransmitMin, retransmitMax, ackDelay } = this.timers;
    const wait = 1.5 * metrics.rtt + 4 * metrics.jitter + ackDelay + TIMER_SLACK;
    this.latency = Math.round(metrics.rtt / 2);
    this.retransmitAfter = Math.round(Math.min(retransmitMax, Math.max(retransmitMin, wait)));
  }

  /** Records not acknowledged yet, on their way or not. */
  get owedCount(): number {
    return this.waiting.size + this.inFlight.size;
  }

  /** A record of this key, old or new, is to be sent; what is on its way is out of date. */
  owe(key: RecordKey): void {
    this.waiting.add(key);
    if (this.inFlight.delete(key)) this.rearm();
  }

  /** Nothing of this key is to be sent any more. */
  forget(key: RecordKey): void {
    this.waiting.delete(key);
    if (this.inFlight.delete(key)) this.rearm();
  }

  /** The waiting key of the highest type, undefined when the window is full or nothing waits. */
  nextToSend(): RecordKey | undefined {
    if (this.waiting.size === 0 || this.inFlight.size >= this.inFlightMax) return undefined;
    let highest = -1;
    for (const key of this.waiting) if (key > highest) highest = key;
    return highest;
  }

  /** Backs off to `retransmitMax`, never gives up: when the link dies the neighbour is forgotten. */
  sent(key: RecordKey, now: Instant): void {
    const attempts = this.inFlight.get(key)?.attempts ?? 0;
    this.waiting.delete(key);
    this.inFlight.set(key, { attempts: attempts + 1, dueAt: later(now, this.backoff(attempts)) });
    this.rearm();
  }

  dueForRetransmission(now: Instant): RecordKey[] {
    const due: RecordKey[] = [];
    for (const [key, { dueAt }] of this.inFlight) if (dueAt <= now) due.push(key);
    return due.sort((a, b) => b - a);
  }

  /** True when the acknowledgements fill a frame and are to go now. */
  acknowledge(version: RecordVersion, now: Instant): boolean {
    this.acks.push(version);
    this.ackAt ??= later(now, this.timers.ackDelay);
    return this.acks.length >= VERSIONS_PER_ACK_MAX;
  }

  takeAcks(): Uint8Array | undefined {
    this.ackAt = undefined;
    if (this.acks.length === 0) return undefined;
    const body = encodeFloodAck(this.acks);
    this.acks = [];
    return body;
  }

  get isDigestRunning(): boolean {
    return this.digestAt !== undefined;
  }

  beginDigest(): void {
    this.digestFirst = 0;
    this.digestAttempts = 0;
  }

  /** The chunk to send now. Each sending has a number of its own: the store changes in between. */
  digestChunk(store: RecordStore, now: Instant): SyncFrame {
    const keys = store.keys();
    const versions: RecordVersion[] = [];
    this.digestLast = RECORD_KEY_MAX;
    for (const key of keys) {
      if (key < this.digestFirst) continue;
      if (versions.length === VERSIONS_PER_DIGEST_MAX) {
        this.digestLast = key - 1;
        break;
      }
      versions.push(store.get(key)!);
    }
    this.digestChunkNumber = (this.digestChunkNumber + 1) & 0xffff;
    this.digestAt = later(now, this.backoff(this.digestAttempts++));
    const { digestChunkNumber: chunk, digestFirst: first, digestLast: last } = this;
    return { kind: 'digest', chunk, first, last, versions };
  }

  /**
   * Whether the neighbour has begun to count anew: it took the link for dead and back up, which this
   * end did not. What reached it in between it does not know to owe us, so it needs our digest.
   */
  hasBegunAnew(chunk: number): boolean {
    const last = this.lastChunkHeard;
    this.lastChunkHeard = chunk;
    if (last === undefined) return false;
    return (chunk - last + CHUNK_NUMBERS) % CHUNK_NUMBERS > CHUNKS_LOST_MAX;
  }

  /** True when another chunk is to follow. */
  digestReceived(chunk: number): boolean {
    if (this.digestAt === undefined || chunk !== this.digestChunkNumber) return false;
    this.digestAttempts = 0;
    this.digestAt = undefined;
    if (this.digestLast === RECORD_KEY_MAX) return false;
    this.digestFirst = this.digestLast + 1;
    return true;
  }

  /** Keys in the digest's range of which the store has more than the digest lists. */
  missingFrom(digest: Extract<SyncFrame, { kind: 'digest' }>, store: RecordStore): RecordKey[] {
    const missing: RecordKey[] = [];
    let at = 0;
    for (const key of store.keys()) {
      if (key < digest.first || key > digest.last) continue;
      while (at < digest.versions.length && recordKey(digest.versions[at]!) < key) at++;
      const listed = digest.versions[at];
      const isListed = listed !== undefined && recordKey(listed) === key;
      if (!isListed || compareVersions(listed, store.get(key)!) < 0) missing.push(key);
    }
    return missing;
  }

  private backoff(attempts: number): Duration {
    const wait = this.retransmitAfter * 2 ** Math.min(attempts, 10);
    return Math.min(wait, this.timers.retransmitMax) as Duration;
  }

  private rearm(): void {
    let soon: Instant | undefined;
    for (const { dueAt } of this.inFlight.values()) soon = soonest(soon, dueAt);
    this.retransmitAt = soon;
  }
}
