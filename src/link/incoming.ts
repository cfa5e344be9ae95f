/**
 * Opens what the underlay delivers: every sealed packet of a batch in one call, in place. What is
 * not authentic, not new or not for a session of ours is counted and nothing else: no answer, no
 * memory. Packets reach the sink in the order they came, authentic and for the first time. A node that
 * cannot keep up opens what matters and drops the rest (`shedding.ts`).
 */
import type { AeadBatch, Counters, Crypto, DatagramBatch, Instant } from '../kernel/index.ts';
import { createAeadBatch } from '../kernel/index.ts';
import {
  headOfSealed,
  isSealedPacket,
  PACKET_SEALED,
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD_BYTES,
  sealedCounter,
  sealedDropPrecedence,
  sealedReceiver,
} from '../wire/index.ts';
import type { Session } from './session.ts';
import { Shedding } from './shedding.ts';

export interface IncomingSink {
  /** Datagram `i` of the batch is not a sealed packet. */
  handshake(batch: DatagramBatch, i: number, now: Instant): void;
  /**
   * Datagram `i`, opened: frames at [at, end) of its slab. `gap`: counters skipped before it, less those
   * that were dropped here or have come past it; -1 when it is behind one that came earlier in order.
   */
  packet(session: Session, batch: DatagramBatch, i: number, gap: number, now: Instant): void;
}

export interface IncomingOptions {
  readonly crypto: Crypto;
  readonly counters: Counters;
  readonly packets: number;
  readonly sessions: ReadonlyMap<number, Session>;
  readonly sink: IncomingSink;
}

export class Incoming {
  private readonly options: IncomingOptions;
  private readonly opening: AeadBatch;
  private readonly sessions: Session[] = [];
  /** Of the last packet: packets come in runs. */
  private latest: Session | undefined;
  private readonly shedding: Shedding;
  private readonly places: Uint32Array;
  private readonly counters: Float64Array;

  constructor(options: IncomingOptions) {
    this.options = options;
    this.opening = createAeadBatch(options.packets);
    this.shedding = new Shedding(options.counters);
    this.places = new Uint32Array(options.packets);
    this.counters = new Float64Array(options.packets);
  }

  receive(batch: DatagramBatch, now: Instant): void {
    const { slab, offsets, lengths } = batch;
    const sheds = this.shedding.from(batch);
    for (let i = 0; i < batch.count; i++) {
      const at = offsets[i]!;
      const length = lengths[i]!;
      if (length > 0 && slab[at] !== PACKET_SEALED) this.options.sink.handshake(batch, i, now);
      else this.gather(batch, i, sheds, now);
    }
    this.open(batch, now);
  }

  /** `sheds`: the least precedence that is dropped instead. */
  private gather(batch: DatagramBatch, i: number, sheds: number, now: Instant): void {
    const { slab } = batch;
    const at = batch.offsets[i]!;
    const length = batch.lengths[i]!;
    if (!isSealedPacket(slab, at, length))
      return this.options.counters.add('link.packet.malformed');
    const session = this.session(sealedReceiver(slab, at));
    if (session === undefined) return this.options.counters.add('link.packet.unknown-session');
    const dropPrecedence = sealedDropPrecedence(slab, at);
    if (dropPrecedence >= sheds) return this.shedding.shed(session, dropPrecedence, now);
    const counter = sealedCounter(slab, at);
    if (counter < 0) return this.options.counters.add('link.packet.malformed');
    if (!session.replay.check(counter)) return this.options.counters.add('link.packet.replayed');
    if (this.opening.count === this.places.length) this.open(batch, now);
    const { opening } = this;
    const n = opening.count++;
    opening.keys[n] = session.receive;
    opening.slabs[n] = slab;
    opening.heads[n] = headOfSealed(dropPrecedence);
    opening.offsets[n] = at + SEALED_HEADER_BYTES;
    opening.lengths[n] = length - SEALED_OVERHEAD_BYTES;
    this.sessions[n] = session;
    this.places[n] = i;
    this.counters[n] = counter;
  }

  private session(index: number): Session | undefined {
    const { latest } = this;
    if (latest !== undefined && latest.localIndex === index && !latest.isClosed) return latest;
    const found = this.options.sessions.get(index);
    this.latest = found;
    return found;
  }

  private open(batch: DatagramBatch, now: Instant): void {
    const { opening, options } = this;
    const { count } = opening;
    if (count === 0) return;
    options.crypto.openBatch(opening);
    opening.count = 0;
    for (let n = 0; n < count; n++) {
      const session = this.sessions[n]!;
      if (opening.results[n] !== 1) {
        options.counters.add('link.packet.bad-tag');
        continue;
      }
      const counter = this.counters[n]!;
      if (session.isClosed || !session.replay.accept(counter)) {
        options.counters.add(session.isClosed ? 'link.packet.closed' : 'link.packet.replayed');
        continue;
      }
      const gap = batch.isUrgent ? ahead(session, counter) : lost(session, counter);
      options.sink.packet(session, batch, this.places[n]!, gap, now);
    }
  }
}

/**
 * How many packets the link has lost in front of this one; -1 where it is behind one that came in order. State: it
 * is the last in order.
 */
function lost(session: Session, counter: number): number {
  const missing = counter - session.inOrder - 1;
  if (missing < 0) return -1;
  session.inOrder = counter;
  if (missing === 0 || session.accounted === 0) return missing;
  const accounted = Math.min(missing, session.accounted);
  session.accounted -= accounted;
  return missing - accounted;
}

/** What lies in front of this packet is still to come, and tells then what was lost. */
function ahead(session: Session, counter: number): number {
  if (counter < session.inOrder) return -1;
  session.accounted++;
  return 0;
}
