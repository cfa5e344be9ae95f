/**
 * Stands between the forwarder and the links. Towards a link that is not throttled a packet goes
 * straight into the link's slab, as if this were not here. Towards one that is, it waits in a buffer of
 * its own until its turn (`fair-queue.ts`, `link-shaper.ts`).
 *
 * Counters, under `forwarding.`: `queued`, `dropped.overload` (bound of a link's queue), `dropped.late`
 * (could not arrive within its deadline any more), `dropped.link-down`.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type { DataHeader } from '../wire/index.ts';
import { blankDataHeader, decodeDataHeader, writeAge } from '../wire/index.ts';
import type { LinkOutlet } from './forwarder.ts';
import { LinkShaper } from './link-shaper.ts';
import type { QueuedPacket } from './packet-line.ts';

/** What a throttled link is asked besides. */
export interface PacedLinks extends LinkOutlet {
  /** Largest data frame; 0 when the link is not up. */
  frameBytesMax(neighbour: NodeAddress): number;
  /** All that the link has put on the wire since it came up, headers of UDP and IP included. */
  wireBytes(neighbour: NodeAddress): number;
}

export interface FairOutletOptions {
  readonly links: PacedLinks;
  readonly counters: Counters;
  /** Quanta of a source in each round. Default 1 for all. */
  readonly weightOf?: (source: NodeAddress) => number;
  /** A packet that waited is gone. The header is reused. */
  readonly dropped?: (header: DataHeader, reason: string) => void;
}

/** What waits towards one neighbour. */
export interface LinkQueueStatus {
  readonly neighbour: NodeAddress;
  /** Bits per second; 0: not throttled. */
  readonly capacity: number;
  readonly packets: number;
  readonly bytes: number;
  /** Sources with packets waiting. */
  readonly sources: number;
}

/** Largest data frame of any link, and the quantum of the round robin. */
export const QUANTUM_BYTES = 1_500;
const POOLED_FRAMES_MAX = 1_024;

export class FairOutlet implements LinkOutlet {
  private readonly options: FairOutletOptions;
  private readonly links: PacedLinks;
  private readonly shapers = new Map<NodeAddress, LinkShaper>();
  private readonly pool: Uint8Array[] = [];
  private readonly header = blankDataHeader();
  /** Buffer of the packet reserved last, when it waits. */
  private staged: Uint8Array | undefined;
  private refusal: 'link-down' | 'too-big' | 'overload' | undefined;

  constructor(options: FairOutletOptions) {
    this.options = options;
    this.links = options.links;
  }

  get outgoingSlab(): Uint8Array {
    return this.staged ?? this.links.outgoingSlab;
  }

  get lastRefusal(): 'link-down' | 'too-big' | 'overload' {
    return this.refusal ?? this.links.lastRefusal;
  }

  neighbours(): readonly NodeAddress[] {
    return this.links.neighbours();
  }

  latency(neighbour: NodeAddress): Duration {
    return this.links.latency(neighbour);
  }

  reserveData(
    neighbour: NodeAddress,
    bytes: number,
    header: Readonly<DataHeader>,
    now: Instant,
  ): number {
    this.staged = undefined;
    this.refusal = undefined;
    const shaper = this.shapers.size === 0 ? undefined : this.shapers.get(neighbour);
    if (shaper === undefined || this.isIdle(shaper, now))
      return this.links.reserveData(neighbour, bytes, header, now);
    return this.wait(shaper, bytes, header, now);
  }

  /** The link came up with this capacity in bits per second; 0: not throttled. */
  linkUp(neighbour: NodeAddress, capacity: number, now: Instant): void {
    const before = this.shapers.get(neighbour);
    if (before?.capacity === capacity) return;
    if (before !== undefined) this.linkDown(neighbour);
    if (capacity <= 0) return;
    const { weightOf } = this.options;
    const queue = { quantum: QUANTUM_BYTES, ...(weightOf === undefined ? {} : { weightOf }) };
    const sent = this.links.wireBytes(neighbour);
    const shaper = new LinkShaper(neighbour, capacity, sent, queue);
    shaper.isFree(sent, now);
    this.shapers.set(neighbour, shaper);
  }

  linkDown(neighbour: NodeAddress): void {
    const shaper = this.shapers.get(neighbour);
    if (shaper === undefined) return;
    this.shapers.delete(neighbour);
    for (const packet of shaper.queue.clear()) this.drop(packet, 'link-down');
  }

  nextTimeout(): Instant | undefined {
    if (this.shapers.size === 0) return undefined;
    let next: Instant | undefined;
    for (const { queue, freeFrom } of this.shapers.values())
      if (queue.length > 0 && (next === undefined || freeFrom < next)) next = freeFrom;
    return next;
  }

  /** Sends what may leave by now. */
  timeout(now: Instant): void {
    for (const shaper of this.shapers.values()) this.drain(shaper, now);
  }

  status(): LinkQueueStatus[] {
    return [...this.shapers.values()].map(({ neighbour, capacity, queue }) => ({
      neighbour,
      capacity,
      packets: queue.length,
      bytes: queue.bytes,
      sources: queue.backlogged,
    }));
  }

  private isIdle(shaper: LinkShaper, now: Instant): boolean {
    const isFree = shaper.isFree(this.links.wireBytes(shaper.neighbour), now);
    return shaper.queue.length === 0 && isFree;
  }

  private wait(
    shaper: LinkShaper,
    bytes: number,
    header: Readonly<DataHeader>,
    now: Instant,
  ): number {
    const most = this.links.frameBytesMax(shaper.neighbour);
    if (bytes > most) return this.refuse(most === 0 ? 'link-down' : 'too-big');
    const packet = this.packet(bytes, header, now);
    this.options.counters.add('queued');
    const out = shaper.queue.push(packet);
    if (out === packet) {
      // The forwarder counts and reports what it could not hand over.
      this.release(packet.frame);
      return this.refuse('overload');
    }
    if (out !== undefined) this.drop(out, 'overload');
    this.staged = packet.frame;
    return 0;
  }

  private drain(shaper: LinkShaper, now: Instant): void {
    const { neighbour, queue } = shaper;
    const { links, header } = this;
    this.staged = undefined;
    while (queue.length > 0 && shaper.isFree(links.wireBytes(neighbour), now)) {
      const packet = queue.next(true);
      if (packet === undefined) return;
      if (packet.dueAt < now + links.latency(neighbour)) {
        this.drop(packet, 'late');
        continue;
      }
      const { frame, length } = packet;
      decodeDataHeader(header, frame, 0, length);
      if (header.deadline > 0) {
        header.age = (packet.age + now - packet.queuedAt) as Duration;
        writeAge(frame, 0, header.age);
      }
      const at = links.reserveData(neighbour, length, header, now);
      if (at < 0) {
        this.drop(packet, links.lastRefusal);
        continue;
      }
      links.outgoingSlab.set(length === frame.length ? frame : frame.subarray(0, length), at);
      this.release(frame);
    }
  }

  private packet(bytes: number, header: Readonly<DataHeader>, now: Instant): QueuedPacket {
    return {
      frame: this.pool.pop() ?? new Uint8Array(QUANTUM_BYTES),
      length: bytes,
      source: header.source,
      destination: header.destination,
      flow: header.flow,
      lane: header.lane,
      recovery: header.recovery,
      priority: header.priority,
      dueAt: header.deadline > 0 ? now + header.deadline - header.age : Number.POSITIVE_INFINITY,
      queuedAt: now,
      age: header.age,
      turn: 0,
      from: 0 as NodeAddress,
    };
  }

  private drop(packet: QueuedPacket, reason: string): void {
    this.options.counters.add(`dropped.${reason}`);
    const { dropped } = this.options;
    if (dropped !== undefined) {
      decodeDataHeader(this.header, packet.frame, 0, packet.length);
      dropped(this.header, reason);
    }
    this.release(packet.frame);
  }

  private release(frame: Uint8Array): void {
    if (this.pool.length < POOLED_FRAMES_MAX) this.pool.push(frame);
  }

  private refuse(reason: 'link-down' | 'too-big' | 'overload'): number {
    this.refusal = reason;
    return -1;
  }
}
