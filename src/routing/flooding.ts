/**
 * Reliable flooding of records: every node that a chain of links leads to gets the newest record of
 * every key, and each link carries it as seldom as possible.
 *
 * The idea is that of OSPF (RFC 2328 section 13) and IS-IS: what is newer than what is held is taken,
 * acknowledged, and passed to every neighbour but the one it came from; what is equal counts as that
 * neighbour's acknowledgement; to who sends something older, the newer is sent back. What a neighbour
 * still has to acknowledge is kept as a set of keys, not of packets: a retransmission always carries
 * the newest record, and a neighbour that is slow costs no memory.
 *
 * When a link comes up both ends send a digest of the versions they hold, a chunk at a time, each
 * acknowledged; each end then sends what the other lacks. Parted halves of a network become one again
 * at the cost of 14 bytes a record. Where only one end took the link for dead, the other sees by the
 * chunks' numbers that its neighbour began anew, and answers with its own digest. A hash of all versions is compared every refresh interval and a
 * digest follows when it differs, so no loss and no refusal (a wrong clock, a full table) is for ever.
 *
 * Whether a record is true is not known here: `FloodingSink.admit` says what becomes of it.
 */
import type { Counters, Duration, Instant, NodeAddress, Random } from '../kernel/index.ts';
import { between, bytesEqual, later, soonest } from '../kernel/index.ts';
import type { FloodFrame, RecordKey, RecordVersion, SyncFrame } from '../wire/index.ts';
import {
  AGE_MAX,
  compareVersions,
  decodeFlood,
  decodeFloodAck,
  decodeSync,
  encodeFlood,
  encodeSync,
  FRAME_FLOOD,
  FRAME_FLOOD_ACK,
  FRAME_SYNC,
  RECORD_CERTIFICATE,
  RECORD_LINK_STATE,
  RECORD_MANIFEST,
  recordKey,
} from '../wire/index.ts';
import { FloodNeighbour } from './flood-neighbour.ts';
import type { AdjacencyMetrics, RoutingLimits, RoutingTimers } from './options.ts';
import { DIRECT_FLOOD_FROM, lifetimeOf } from './options.ts';
import type { RecordStore, StoredRecord } from './record-store.ts';

/**
 * accept: take it and pass it on. hold: acknowledge, the parent keeps it until it can be judged.
 * refuse: acknowledge, so that the neighbour stops. ignore: do not acknowledge; it is to come again.
 */
export type Admission = 'accept' | 'hold' | 'refuse' | 'ignore';

export interface FloodingSink {
  /** False when the link would not take it; it is retransmitted like a lost one. */
  sendFrame(neighbour: NodeAddress, frameType: number, body: Uint8Array): boolean;
  /** Judges a record that is newer than the one held under its key. */
  admit(
    record: FloodFrame,
    held: StoredRecord | undefined,
    from: NodeAddress,
    now: Instant,
  ): Admission;
  /** A record of the version that is held, with another body. True: it replaces the one held. */
  conflict(record: FloodFrame, held: StoredRecord, from: NodeAddress, now: Instant): boolean;
  /** Whether a neighbour gets a link-state record just accepted without this node's help; `flood-cover.ts`. */
  isToldElsewhere(record: StoredRecord, neighbour: NodeAddress): boolean;
  /** Taken into the store and on its way to the other neighbours. */
  accepted(record: StoredRecord, now: Instant): void;
  /** Its time is over; it has left the store. */
  expired(record: StoredRecord, now: Instant): void;
  malformed(what: string, from: NodeAddress, now: Instant): void;
}

export class Flooding {
  private readonly neighbours = new Map<NodeAddress, FloodNeighbour>();
  private readonly store: RecordStore;
  private readonly sink: FloodingSink;
  private readonly counters: Counters;
  private readonly random: Random;
  private readonly timers: RoutingTimers;
  private readonly limits: RoutingLimits;
  private readonly lifetime: Duration;
  private sweepAt: Instant | undefined;

  constructor(options: {
    store: RecordStore;
    sink: FloodingSink;
    counters: Counters;
    random: Random;
    timers: RoutingTimers;
    limits: RoutingLimits;
  }) {
    this.store = options.store;
    this.sink = options.sink;
    this.counters = options.counters;
    this.random = options.random;
    this.timers = options.timers;
    this.limits = options.limits;
    this.lifetime = lifetimeOf(options.timers);
  }

  /** State: starts to synchronise. False when there are too many neighbours. */
  neighbourUp(address: NodeAddress, metrics: AdjacencyMetrics, now: Instant): boolean {
    const known = this.neighbours.get(address);
    if (known !== undefined) {
      known.measured(metrics);
      return true;
    }
    if (this.neighbours.size >= this.limits.neighboursMax) {
      this.counters.add('neighbours-full');
      return false;
    }
    const neighbour = new FloodNeighbour(address, this.timers, this.limits, this.random.u32());
    neighbour.measured(metrics);
    this.neighbours.set(address, neighbour);
    neighbour.beginDigest();
    this.scheduleSummary(neighbour, now);
    this.sendDigestChunk(neighbour, now);
    return true;
  }

  neighbourDown(address: NodeAddress): void {
    this.neighbours.delete(address);
  }

  /** Takes a record of this node's own, or one the parent has judged itself, and floods it. */
  announce(record: FloodFrame, now: Instant, except?: NodeAddress): boolean {
    if (!this.store.hasRoomFor(recordKey(record))) {
      this.counters.add('records-full');
      return false;
    }
    this.take(this.stored(record, now), now, except);
    return true;
  }

  frame(
    from: NodeAddress,
    frameType: number,
    bytes: Uint8Array,
    offset: number,
    end: number,
    now: Instant,
  ): void {
    const neighbour = this.neighbours.get(from);
    if (neighbour === undefined) {
      this.counters.add('frame-without-adjacency');
      return;
    }
    switch (frameType) {
      case FRAME_FLOOD: {
        const record = decodeFlood(bytes, offset, end);
        if (record === undefined) return this.sink.malformed('malformed-record', from, now);
        return this.receiveRecord(neighbour, record, now);
      }
      case FRAME_FLOOD_ACK: {
        const versions = decodeFloodAck(bytes, offset, end);
        if (versions === undefined) return this.sink.malformed('malformed-ack', from, now);
        for (const version of versions) this.acknowledged(neighbour, version);
        return this.fillWindow(neighbour, now);
      }
      case FRAME_SYNC: {
        const sync = decodeSync(bytes, offset, end);
        if (sync === undefined) return this.sink.malformed('malformed-sync', from, now);
        return this.receiveSync(neighbour, sync, now);
      }
      default:
        this.sink.malformed('unknown-frame', from, now);
    }
  }

  /** Compares with every neighbour again, because records refused before may be welcome now. */
  resynchronise(now: Instant): void {
    for (const neighbour of this.neighbours.values()) {
      neighbour.beginDigest();
      this.sendDigestChunk(neighbour, now);
    }
  }

  timeout(now: Instant): void {
    if (this.sweepAt !== undefined && this.sweepAt <= now) this.sweep(now);
    for (const neighbour of this.neighbours.values()) {
      if (isDue(neighbour.ackAt, now)) this.sendAcks(neighbour);
      if (isDue(neighbour.retransmitAt, now)) this.retransmit(neighbour, now);
      if (isDue(neighbour.digestAt, now)) {
        this.counters.add('digest-retransmitted');
        this.sendDigestChunk(neighbour, now);
      }
      if (isDue(neighbour.summaryAt, now)) this.sendSummary(neighbour, now);
    }
  }

  nextTimeout(): Instant | undefined {
    let next = this.sweepAt;
    for (const n of this.neighbours.values()) {
      next = soonest(next, n.ackAt);
      next = soonest(next, n.retransmitAt);
      next = soonest(next, n.digestAt);
      next = soonest(next, n.summaryAt);
    }
    return next;
  }

  /** Records that neighbours have not acknowledged yet; for tests and status. */
  get unacknowledged(): number {
    let total = 0;
    for (const neighbour of this.neighbours.values()) total += neighbour.owedCount;
    return total;
  }

  /** Takes a record out of the store because its origin lost the right to it. */
  remove(key: RecordKey): StoredRecord | undefined {
    return this.store.delete(key);
  }

  private receiveRecord(neighbour: FloodNeighbour, record: FloodFrame, now: Instant): void {
    const key = recordKey(record);
    const held = this.store.get(key);
    const order = held === undefined ? 1 : compareVersions(record, held);
    if (order < 0) return this.receiveOlder(neighbour, record, now);
    if (order === 0) return this.receiveEqual(neighbour, record, held!, now);
    if (!isLasting(record) && record.age >= this.lifetime) {
      this.counters.add('record-too-old');
      return this.acknowledge(neighbour, record, now);
    }
    if (!this.store.hasRoomFor(key)) {
      this.counters.add('records-full');
      return this.acknowledge(neighbour, record, now);
    }
    const admission = this.sink.admit(record, held, neighbour.address, now);
    if (admission === 'ignore') return;
    this.acknowledge(neighbour, record, now);
    if (admission !== 'accept') return;
    this.counters.add('record-accepted');
    neighbour.forget(key);
    this.take(this.stored(record, now), now, neighbour.address);
  }

  /** The neighbour is behind: it need not send this again, and gets the newer one. */
  private receiveOlder(neighbour: FloodNeighbour, record: FloodFrame, now: Instant): void {
    this.counters.add('record-stale');
    this.acknowledge(neighbour, record, now);
    this.owe(neighbour, recordKey(record), now);
  }

  private receiveEqual(
    neighbour: FloodNeighbour,
    record: FloodFrame,
    held: StoredRecord,
    now: Instant,
  ): void {
    this.acknowledge(neighbour, record, now);
    if (bytesEqual(record.body, held.body)) {
      this.counters.add('record-duplicate');
      neighbour.forget(recordKey(record));
    } else if (this.sink.conflict(record, held, neighbour.address, now)) {
      this.take(this.stored(record, now), now, neighbour.address);
    } else {
      this.owe(neighbour, recordKey(record), now);
    }
    this.fillWindow(neighbour, now);
  }

  private take(record: StoredRecord, now: Instant, except: NodeAddress | undefined): void {
    this.store.put(record);
    if (record.expiresAt !== undefined) this.sweepAt = soonest(this.sweepAt, record.expiresAt);
    const key = recordKey(record);
    // Link state is taken up first: its own links say who is told already. Certificates go out first.
    const isLinkState = record.type === RECORD_LINK_STATE;
    if (isLinkState) this.sink.accepted(record, now);
    const isMesh = isLinkState && this.neighbours.size > DIRECT_FLOOD_FROM;
    for (const neighbour of this.neighbours.values())
      if (
        neighbour.address !== except &&
        !(isMesh && this.sink.isToldElsewhere(record, neighbour.address))
      )
        this.owe(neighbour, key, now);
    if (!isLinkState) this.sink.accepted(record, now);
  }

  private owe(neighbour: FloodNeighbour, key: RecordKey, now: Instant): void {
    neighbour.owe(key);
    this.fillWindow(neighbour, now);
  }

  /** Sends what is owed, highest record types first: certificates go before what they vouch for. */
  private fillWindow(neighbour: FloodNeighbour, now: Instant): void {
    for (let key = neighbour.nextToSend(); key !== undefined; key = neighbour.nextToSend()) {
      const record = this.store.get(key);
      if (record === undefined) neighbour.forget(key);
      else this.sendRecord(neighbour, key, record, now);
    }
  }

  private sendRecord(
    neighbour: FloodNeighbour,
    key: RecordKey,
    record: StoredRecord,
    now: Instant,
  ): void {
    const age =
      record.expiresAt === undefined ? 0 : between(record.madeAt, now) + neighbour.latency;
    neighbour.sent(key, now);
    this.counters.add('record-sent');
    const body = encodeFlood({ ...record, age: Math.min(age, AGE_MAX) });
    this.sink.sendFrame(neighbour.address, FRAME_FLOOD, body);
  }

  private retransmit(neighbour: FloodNeighbour, now: Instant): void {
    for (const key of neighbour.dueForRetransmission(now)) {
      const record = this.store.get(key);
      if (record === undefined) {
        neighbour.forget(key);
      } else {
        this.counters.add('record-retransmitted');
        this.sendRecord(neighbour, key, record, now);
      }
    }
    this.fillWindow(neighbour, now);
  }

  private acknowledged(neighbour: FloodNeighbour, version: RecordVersion): void {
    const key = recordKey(version);
    const held = this.store.get(key);
    if (held === undefined || compareVersions(version, held) >= 0) neighbour.forget(key);
  }

  private acknowledge(neighbour: FloodNeighbour, version: RecordVersion, now: Instant): void {
    if (neighbour.acknowledge(version, now)) this.sendAcks(neighbour);
  }

  private sendAcks(neighbour: FloodNeighbour): void {
    const body = neighbour.takeAcks();
    if (body !== undefined) this.sink.sendFrame(neighbour.address, FRAME_FLOOD_ACK, body);
  }

  private receiveSync(neighbour: FloodNeighbour, sync: SyncFrame, now: Instant): void {
    switch (sync.kind) {
      case 'digest': {
        const reply = { kind: 'digest-received', chunk: sync.chunk } as const;
        this.sendSync(neighbour, reply);
        if (neighbour.hasBegunAnew(sync.chunk) && !neighbour.isDigestRunning) {
          this.counters.add('neighbour-began-anew');
          neighbour.beginDigest();
          this.sendDigestChunk(neighbour, now);
        }
        for (const key of neighbour.missingFrom(sync, this.store)) neighbour.owe(key);
        return this.fillWindow(neighbour, now);
      }
      case 'digest-received':
        if (neighbour.digestReceived(sync.chunk)) this.sendDigestChunk(neighbour, now);
        return;
      case 'summary':
        return this.receiveSummary(neighbour, sync, now);
    }
  }

  /** Where the two ends differ each sends the other a digest; an answer is not answered again. */
  private receiveSummary(
    neighbour: FloodNeighbour,
    summary: Extract<SyncFrame, { kind: 'summary' }>,
    now: Instant,
  ): void {
    const { size, hashHigh, hashLow } = this.store;
    const isEqual = summary.hashHigh === hashHigh && summary.hashLow === hashLow;
    if (isEqual && summary.count === size) return;
    this.counters.add('summary-differs');
    if (!summary.isAnswer) this.sendSummaryFrame(neighbour, true);
    if (neighbour.isDigestRunning) return;
    neighbour.beginDigest();
    this.sendDigestChunk(neighbour, now);
  }

  private sendDigestChunk(neighbour: FloodNeighbour, now: Instant): void {
    const chunk = neighbour.digestChunk(this.store, now);
    if (chunk !== undefined) this.sendSync(neighbour, chunk);
  }

  private sendSummary(neighbour: FloodNeighbour, now: Instant): void {
    this.scheduleSummary(neighbour, now);
    this.sendSummaryFrame(neighbour, false);
  }

  private sendSummaryFrame(neighbour: FloodNeighbour, isAnswer: boolean): void {
    const { size, hashHigh, hashLow } = this.store;
    this.sendSync(neighbour, { kind: 'summary', isAnswer, count: size, hashHigh, hashLow });
  }

  private scheduleSummary(neighbour: FloodNeighbour, now: Instant): void {
    const { refreshInterval } = this.timers;
    const early = this.random.below(Math.max(1, Math.floor(refreshInterval / 4)));
    neighbour.summaryAt = later(now, (refreshInterval - early) as Duration);
  }

  private sendSync(neighbour: FloodNeighbour, frame: SyncFrame): void {
    this.sink.sendFrame(neighbour.address, FRAME_SYNC, encodeSync(frame));
  }

  private sweep(now: Instant): void {
    for (const record of this.store.expired(now)) {
      this.store.delete(recordKey(record));
      this.counters.add('record-expired');
      this.sink.expired(record, now);
    }
    this.sweepAt = this.store.soonestExpiry();
  }

  private stored(record: FloodFrame, now: Instant): StoredRecord {
    const { type, part, origin, epoch, sequence, body } = record;
    const madeAt = (now - record.age) as Instant;
    const expiresAt = isLasting(record) ? undefined : later(madeAt, this.lifetime);
    return { type, part, origin, epoch, sequence, body, madeAt, expiresAt };
  }
}

const isDue = (at: Instant | undefined, now: Instant): boolean => at !== undefined && at <= now;

/** Certificates and the manifest end by their own validity; everything else ages. */
const isLasting = (record: RecordVersion): boolean =>
  record.type === RECORD_CERTIFICATE || record.type === RECORD_MANIFEST;
