/**
 * Stands between the forwarder and the links. Towards a link that is not throttled a packet goes
 * straight into the link's slab, as if this were not here. Towards one that is, it waits in a buffer of
 * its own until its turn (`fair-queue.ts`, `link-shaper.ts`).
 *
 * A packet that must not be lost always has a buffer of its own, which goes to the link and comes back
 * when the neighbour has the packet. What a dead link held and what has no way at the moment is stranded
 * (`stranded.ts`); flows that wait too long are held back at whoever brings them (`back-pressure.ts`).
 *
 * Counters, under `forwarding.`: `queued`, `dropped.overload` (bound of a link's queue), `dropped.late`
 * (could not arrive within its deadline any more), `dropped.link-down`, `stranded`. The first two drops also by link
 * and lane (`queue-drops.ts`).
 */
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { soonest } from '../kernel/index.ts';
import type { DataHeader, DeliveredFlow, PausedFlow } from '../wire/index.ts';
import {
  blankDataHeader,
  decodeDataHeader,
  decodeHave,
  encodeHave,
  FRAME_HAVE,
  isDelivered,
  isReliable,
  RECOVERY_FAIR_RELIABLE,
  writeAge,
} from '../wire/index.ts';
import { BackPressure, RELIABLE_BYTES_MAX } from './back-pressure.ts';
import { type FloodName, floodName } from './flood-index.ts';
import { flowKey } from './flow-line.ts';
import type { LinkOutlet } from './forwarder.ts';
import { KnownCopies } from './known-copies.ts';
import { LinkShaper } from './link-shaper.ts';
import type { QueuedPacket } from './packet-line.ts';
import type { QueueDropReason } from './queue-drops.ts';
import { QueueDropCounts } from './queue-drops.ts';
import { Stranded } from './stranded.ts';
import { isEndToEnd, WINDOW_BYTES } from './unacknowledged.ts';

/** What is asked of links with packets that must not be lost. */
export interface KeepingLinks {
  hasReliableRoom(neighbour: NodeAddress, now: Instant): boolean;
  reliableRoomAt(neighbour: NodeAddress): number;
  sendReliable(neighbour: NodeAddress, packet: QueuedPacket, now: Instant): boolean;
  reliableIdle(neighbour: NodeAddress): void;
  holdFlows(neighbour: NodeAddress, flows: readonly PausedFlow[], now: Instant): void;
}

/** What links are asked besides, when packets wait for them. */
export interface PacedLinks extends Omit<LinkOutlet, 'latency'> {
  readonly facts: {
    latency(neighbour: NodeAddress): Duration;
    /** Largest data frame; 0 when the link is not up. */
    frameBytesMax(neighbour: NodeAddress): number;
    /** All that it has put on the wire since it came up, headers of UDP and IP included. */
    wireBytes(neighbour: NodeAddress): number;
  };
  readonly reliable: KeepingLinks;
  sendControl(neighbour: NodeAddress, frameType: number, body: Uint8Array, now: Instant): boolean;
}

export interface FairOutletOptions {
  readonly links: PacedLinks;
  readonly counters: Counters;
  /** Default 0. */
  readonly self?: NodeAddress;
  /** Quanta of a source in each round. Default 1 for all. */
  readonly weightOf?: (source: NodeAddress) => number;
  /** Whether a packet is within what its flow has reserved; asked of packets that may be lost. */
  readonly isReserved?: (
    neighbour: NodeAddress,
    header: Readonly<DataHeader>,
    frameBytes: number,
    now: Instant,
  ) => boolean;
  /** A packet that waited is gone. The header is reused. */
  readonly dropped?: (header: DataHeader, reason: string) => void;
  /** Finds a way for a packet that a link gave back; false: none at the moment. */
  readonly resend?: (packet: QueuedPacket, now: Instant) => boolean;
  /** An own flow whose packets were refused as `isFull` has room again. */
  readonly drained?: (flow: PausedFlow, now: Instant) => void;
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
/** A flow that a neighbour has not named again for this long may go on. */
const PAUSE_LIFE = 350_000;

export class FairOutlet implements LinkOutlet {
  readonly pressure: BackPressure;
  readonly stranded: Stranded;
  readonly drops: QueueDropCounts = new QueueDropCounts();
  private readonly known: KnownCopies;
  private readonly options: FairOutletOptions;
  private readonly links: PacedLinks;
  private readonly shapers = new Map<NodeAddress, LinkShaper>();
  private readonly pool: Uint8Array[] = [];
  private readonly header = blankDataHeader();
  /** Shapers with packets that must not be lost, to be looked at when the call is over. */
  private readonly ready = new Set<LinkShaper>();
  /** Buffer of the packet reserved last, when it waits. */
  private staged: Uint8Array | undefined;
  private refusal: 'link-down' | 'too-big' | 'overload' | undefined;
  /** Who brought the packet that is being forwarded; 0: it starts here. */
  from: NodeAddress | 0 = 0;

  constructor(options: FairOutletOptions) {
    this.options = options;
    this.links = options.links;
    this.pressure = new BackPressure({
      hold: (neighbour, flows, now) => this.links.reliable.holdFlows(neighbour, flows, now),
      drained: (flow, now) => options.drained?.(flow, now),
    });
    this.known = new KnownCopies({
      announce: (neighbour, runs, now) => {
        this.options.counters.add('copies-announced', runs.length);
        this.links.sendControl(neighbour, FRAME_HAVE, encodeHave(runs), now);
      },
    });
    this.stranded = new Stranded({
      resend: (packet, now) => options.resend?.(packet, now) === true,
      dropped: (packet, reason) => this.drop(packet, reason),
    });
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

  /** Sends a control frame to every neighbour but one. */
  tellAll(frameType: number, body: Uint8Array, but: NodeAddress | 0, now: Instant): void {
    for (const neighbour of this.neighbours())
      if (neighbour !== but) this.links.sendControl(neighbour, frameType, body, now);
  }

  latency(neighbour: NodeAddress): Duration {
    return this.links.facts.latency(neighbour);
  }

  reserveData(
    neighbour: NodeAddress,
    bytes: number,
    header: Readonly<DataHeader>,
    now: Instant,
  ): number {
    this.staged = undefined;
    this.refusal = undefined;
    if (isReliable(header.recovery)) return this.keep(neighbour, bytes, header, now);
    const shaper = this.shapers.size === 0 ? undefined : this.shapers.get(neighbour);
    if (shaper === undefined || shaper.capacity === 0 || this.isIdle(shaper, now))
      return this.links.reserveData(neighbour, bytes, header, now);
    return this.wait(shaper, bytes, header, now);
  }

  /** A neighbour has brought a copy of a flood's packet: none for it needs to be sent. */
  floodHeard(from: NodeAddress, header: Readonly<DataHeader>, now: Instant): void {
    if (this.shapers.size > 0) this.neighbourHas(from, floodName(header), now);
  }

  /** A flood's packet is new here: its name goes ahead of copies that have to wait. */
  floodSpreads(from: NodeAddress, header: Readonly<DataHeader>, now: Instant): void {
    for (const neighbour of this.shapers.keys()) {
      if (neighbour === from) continue;
      const isBusy = this.shapers.get(neighbour)!.queue.length > 0;
      // It came another way before the source's own copy, which waits there.
      const isSource = neighbour === header.source;
      if (isBusy || isSource || this.known.isAnnouncer(neighbour, now))
        this.known.announce(neighbour, floodName(header), now);
    }
  }

  /** Whether a neighbour has the packet already. */
  hasCopy(neighbour: NodeAddress, header: Readonly<DataHeader>): boolean {
    return this.shapers.size > 0 && this.known.has(neighbour, floodName(header));
  }

  /** A destination has packets of a flow: copies that wait here need not be sent. */
  delivered(destination: NodeAddress, flow: DeliveredFlow, now: Instant): void {
    const key = flowKey(destination, flow.flow, RECOVERY_FAIR_RELIABLE);
    const isWanted = (packet: QueuedPacket): boolean =>
      packet.flow !== flow.flow ||
      packet.epoch !== flow.epoch ||
      !isEndToEnd(packet) ||
      !isDelivered(flow, packet.sequence);
    for (const [neighbour, { queue }] of this.shapers) {
      for (const packet of queue.sift(flow, key, isWanted)) {
        this.options.counters.add('copies-spared');
        this.leaves(packet, neighbour, now);
        this.release(packet.frame);
      }
    }
  }

  /** A neighbour names packets that it has; malformed: dropped and counted. */
  receiveHave(from: NodeAddress, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    const runs = decodeHave(bytes, at, end);
    if (runs === undefined) return this.options.counters.add('have-malformed');
    this.known.announced(from, now);
    for (const { first, count, ...flow } of runs)
      for (let sequence = first; sequence < first + count; sequence++)
        this.neighbourHas(from, { ...flow, sequence }, now);
  }

  /** Whether an own flow is to wait until it is `drained`. */
  isFull(
    self: NodeAddress,
    flow: { destination: NodeAddress; flow: number },
    recovery: number,
    now: Instant,
  ): boolean {
    if (!isReliable(recovery)) return false;
    const key = flowKey(flow.destination, flow.flow, recovery);
    const { mark } = this.pressure;
    let waiting = this.pressure.bytes > RELIABLE_BYTES_MAX ? mark : this.stranded.bytesOf(self);
    for (const { queue } of this.shapers.values()) waiting += queue.flowBytes(self, key);
    if (waiting < mark) return false;
    this.pressure.want(
      { source: self, destination: flow.destination, flow: key % 0x1_0000 },
      key,
      now,
    );
    return true;
  }

  /** Keeps a packet that has no way at the moment. `frame`: what would have been sent. */
  strand(
    bytes: Uint8Array,
    at: number,
    end: number,
    header: Readonly<DataHeader>,
    to: NodeAddress | 0,
    now: Instant,
  ): void {
    const packet = this.packet(to, end - at, header, now);
    packet.frame.set(bytes.subarray(at, end));
    this.options.counters.add('stranded');
    this.stranded.add(packet, now);
  }

  /** The link came up, or has this capacity from now on, in bits per second; 0: not throttled. */
  linkUp(neighbour: NodeAddress, capacity: number, now: Instant): void {
    this.stranded.retryAt(now);
    const before = this.shapers.get(neighbour);
    if (before?.capacity === capacity) return;
    if (before === undefined) {
      if (capacity > 0) this.make(neighbour, capacity, now);
      return;
    }
    before.pace(capacity, this.links.facts.wireBytes(neighbour));
    this.ready.add(before);
  }

  linkDown(neighbour: NodeAddress, now: Instant): void {
    this.known.forget(neighbour);
    const shaper = this.shapers.get(neighbour);
    if (shaper === undefined) return;
    this.shapers.delete(neighbour);
    this.ready.delete(shaper);
    for (const packet of shaper.queue.clear()) {
      if (isReliable(packet.recovery)) this.giveBack(packet, now);
      else this.drop(packet, 'link-down');
    }
  }

  /** The neighbour has the packet: its buffer is free. */
  acknowledged(neighbour: NodeAddress, packet: QueuedPacket): void {
    this.release(packet.frame);
    const shaper = this.shapers.get(neighbour);
    if (shaper !== undefined && shaper.queue.reliableBytes > 0) this.ready.add(shaper);
  }

  /** A link that died gives back what may not have arrived. */
  returned(packets: readonly QueuedPacket[], now: Instant): void {
    for (const packet of packets) {
      if (isEndToEnd(packet)) {
        this.options.counters.add('left-to-source');
        this.release(packet.frame);
        continue;
      }
      this.options.counters.add('stranded');
      this.stranded.add(packet, now);
    }
  }

  /** A neighbour has no room for these flows, and has for all others. */
  held(neighbour: NodeAddress, flows: readonly PausedFlow[], now: Instant): void {
    const shaper = this.shapers.get(neighbour);
    if (shaper === undefined) return;
    const bySource = new Map<NodeAddress, Set<number>>();
    for (const { source, destination, flow } of flows) {
      const keys = bySource.get(source) ?? new Set();
      bySource.set(source, keys.add(destination * 0x1_0000 + flow));
    }
    if (flows.length === 0 && shaper.pausedUntil === Number.POSITIVE_INFINITY) return;
    shaper.pausedUntil = flows.length === 0 ? Number.POSITIVE_INFINITY : now + PAUSE_LIFE;
    shaper.queue.setPaused(bySource);
    this.ready.add(shaper);
  }

  nextTimeout(): Instant | undefined {
    let next = this.stranded.nextTimeout();
    if (this.shapers.size === 0) return next;
    const tellAt = this.known.nextTimeout();
    if (tellAt < Number.POSITIVE_INFINITY) next = soonest(next, tellAt as Instant);
    for (const { queue, wakeAt, pausedUntil } of this.shapers.values()) {
      if (queue.length === 0) continue;
      const at = Math.min(wakeAt, pausedUntil);
      if (at < Number.POSITIVE_INFINITY) next = soonest(next, Math.ceil(at) as Instant);
    }
    return next;
  }

  /** Sends what may leave by now. */
  timeout(now: Instant): void {
    for (const shaper of this.shapers.values()) {
      if (shaper.pausedUntil <= now) {
        shaper.pausedUntil = Number.POSITIVE_INFINITY;
        shaper.queue.setPaused(new Map());
        this.drain(shaper, now);
      } else if (shaper.wakeAt <= now) this.drain(shaper, now);
    }
    this.known.timeout(now);
    this.stranded.timeout(now);
    this.flush(now);
  }

  /** At the end of a call: sends what came to wait in it and need not. */
  flush(now: Instant): void {
    if (this.ready.size === 0) return;
    for (const shaper of this.ready) this.drain(shaper, now);
    this.ready.clear();
  }

  status(): LinkQueueStatus[] {
    return [...this.shapers.values()].map(({ neighbour, capacity, queue }) => ({
      neighbour,
      capacity,
      packets: queue.length,
      bytes: queue.bytes + queue.reliableBytes,
      sources: queue.backlogged,
    }));
  }

  private make(neighbour: NodeAddress, capacity: number, now: Instant): LinkShaper {
    const { weightOf } = this.options;
    const salt = Math.imul(neighbour ^ (this.options.self ?? 0), 0x85eb_ca6b);
    const queue = { salt, quantum: QUANTUM_BYTES, ...(weightOf === undefined ? {} : { weightOf }) };
    const sent = this.links.facts.wireBytes(neighbour);
    const shaper = new LinkShaper(neighbour, capacity, sent, queue);
    shaper.isFree(sent, now);
    this.shapers.set(neighbour, shaper);
    return shaper;
  }

  private isIdle(shaper: LinkShaper, now: Instant): boolean {
    const isFree = shaper.isFree(this.links.facts.wireBytes(shaper.neighbour), now);
    return shaper.queue.length === 0 && isFree;
  }

  private wait(
    shaper: LinkShaper,
    bytes: number,
    header: Readonly<DataHeader>,
    now: Instant,
  ): number {
    const most = this.links.facts.frameBytesMax(shaper.neighbour);
    if (bytes > most) return this.refuse(most === 0 ? 'link-down' : 'too-big');
    const packet = this.packet(shaper.neighbour, bytes, header, now);
    packet.isReserved = this.options.isReserved?.(shaper.neighbour, header, bytes, now) === true;
    this.options.counters.add('queued');
    const out = shaper.queue.push(packet);
    if (out === packet) {
      // The forwarder counts and reports what it could not hand over.
      this.release(packet.frame);
      return this.overloaded(shaper.neighbour, header.lane, bytes);
    }
    if (out !== undefined) this.dropFrom(shaper.neighbour, out, 'overload');
    shaper.wakeAt = Math.min(shaper.wakeAt, shaper.freeFrom);
    this.staged = packet.frame;
    return 0;
  }

  /** A packet that must not be lost: it waits at least until the call is over. */
  private keep(
    neighbour: NodeAddress,
    bytes: number,
    header: Readonly<DataHeader>,
    now: Instant,
  ): number {
    const most = this.links.facts.frameBytesMax(neighbour);
    if (bytes > most) return this.refuse(most === 0 ? 'link-down' : 'too-big');
    if (this.pressure.bytes > RELIABLE_BYTES_MAX)
      return this.overloaded(neighbour, header.lane, bytes);
    const shaper = this.shapers.get(neighbour) ?? this.make(neighbour, 0, now);
    const { source, destination } = header;
    const key = flowKey(destination, header.flow, header.recovery);
    const isWindowed = isEndToEnd(header);
    // Its source's window bounds the flow; who keeps to none loses what is above.
    if (isWindowed && shaper.queue.flowBytes(source, key) >= 2 * WINDOW_BYTES)
      return this.overloaded(neighbour, header.lane, bytes);
    const packet = this.packet(neighbour, bytes, header, now);
    shaper.queue.push(packet);
    this.ready.add(shaper);
    this.pressure.bytes += bytes;
    if (this.from !== 0 && !isWindowed) {
      const flow = { source, destination, flow: key % 0x1_0000 };
      const waiting = shaper.queue.flowBytes(source, key);
      this.pressure.grown(flow, key, waiting, this.from, now);
    }
    this.staged = packet.frame;
    return 0;
  }

  private drain(shaper: LinkShaper, now: Instant): void {
    const { neighbour, queue } = shaper;
    const { links } = this;
    this.staged = undefined;
    shaper.wakeAt = Number.POSITIVE_INFINITY;
    while (queue.length > 0) {
      if (!shaper.isFree(links.facts.wireBytes(neighbour), now)) {
        shaper.wakeAt = Math.max(now + 1, shaper.freeFrom);
        return;
      }
      const isOpen = queue.reliableBytes > 0 && links.reliable.hasReliableRoom(neighbour, now);
      const packet = queue.next(isOpen);
      if (packet === undefined) {
        if (!isOpen) shaper.wakeAt = Math.max(now + 1, links.reliable.reliableRoomAt(neighbour));
        return;
      }
      if (isReliable(packet.recovery)) this.sendKept(shaper, packet, now);
      else this.sendPlain(neighbour, packet, now);
    }
    links.reliable.reliableIdle(neighbour);
  }

  private sendKept(shaper: LinkShaper, packet: QueuedPacket, now: Instant): void {
    this.leaves(packet, shaper.neighbour, now);
    if (!this.links.reliable.sendReliable(shaper.neighbour, packet, now))
      this.returned([packet], now);
  }

  /** A packet that must not be lost has left the queue: its flow may have room again. */
  private leaves(packet: QueuedPacket, neighbour: NodeAddress, now: Instant): void {
    this.pressure.bytes -= packet.length;
    const key = flowKey(packet.destination, packet.flow, packet.recovery);
    const waiting = this.shapers.get(neighbour)?.queue.flowBytes(packet.source, key) ?? 0;
    this.pressure.shrunk(packet.source, key, waiting, now);
  }

  private neighbourHas(neighbour: NodeAddress, name: FloodName, now: Instant): void {
    this.known.learn(neighbour, name);
    const packet = this.shapers.get(neighbour)?.queue.cancel(name);
    if (packet === undefined) return;
    this.options.counters.add('copies-spared');
    if (isReliable(packet.recovery)) this.leaves(packet, neighbour, now);
    this.release(packet.frame);
  }

  private giveBack(packet: QueuedPacket, now: Instant): void {
    this.leaves(packet, packet.to as NodeAddress, now);
    this.returned([packet], now);
  }

  private sendPlain(neighbour: NodeAddress, packet: QueuedPacket, now: Instant): void {
    const { links, header } = this;
    if (packet.dueAt < now + links.facts.latency(neighbour))
      return this.dropFrom(neighbour, packet, 'late');
    const { frame, length } = packet;
    decodeDataHeader(header, frame, 0, length);
    if (header.deadline > 0) {
      header.age = (packet.age + now - packet.queuedAt) as Duration;
      writeAge(frame, 0, header.age);
    }
    const at = links.reserveData(neighbour, length, header, now);
    if (at < 0) return this.drop(packet, links.lastRefusal);
    links.outgoingSlab.set(length === frame.length ? frame : frame.subarray(0, length), at);
    this.release(frame);
  }

  private packet(
    to: NodeAddress | 0,
    bytes: number,
    header: Readonly<DataHeader>,
    now: Instant,
  ): QueuedPacket {
    return {
      frame: this.pool.pop() ?? new Uint8Array(QUANTUM_BYTES),
      length: bytes,
      source: header.source,
      destination: header.destination,
      flow: header.flow,
      epoch: header.epoch,
      sequence: header.sequence,
      routeForm: header.routeForm,
      isSigned: header.proofWords > 0,
      lap: header.lap,
      lane: header.lane,
      recovery: header.recovery,
      priority: header.priority,
      dueAt: header.deadline > 0 ? now + header.deadline - header.age : Number.POSITIVE_INFINITY,
      queuedAt: now,
      age: header.age,
      turn: 0,
      from: this.from,
      isReserved: false,
      to,
    };
  }

  /** In the queue in front of a link. */
  private dropFrom(neighbour: NodeAddress, packet: QueuedPacket, reason: QueueDropReason): void {
    this.drops.add(neighbour, packet.lane, packet.length, reason);
    this.drop(packet, reason);
  }

  private overloaded(neighbour: NodeAddress, lane: number, bytes: number): number {
    this.drops.add(neighbour, lane, bytes, 'overload');
    return this.refuse('overload');
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
