/**
 * The packet path of one node. A packet comes off a link as a view into an opened slab, is checked,
 * classified by its flow, and leaves as a copy in the outgoing slab of the next link, where it is
 * sealed with its batch; or it is delivered here. Views and records are reused from packet to packet.
 *
 * A packet is forwarded at most once by any node: the flow's duplicate window sees to it, so that
 * routes which disagree for the moment (link state still travelling) cost a packet and never a
 * loop. Refused packets are counted by reason; the source hears of two of them (hop limit, no route)
 * through notices that are rate limited per node. A signed packet has to be its source's own first
 * (`signed/`), and has a window apart from what anybody can send in its source's name.
 *
 * It decides nothing about routes: `next-hops.ts` reads what the source stamped, or asks routing. A
 * packet with a deadline carries its age, to which each node adds the link it came over.
 */
import type { CounterCell, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { Counters, SlabViews } from '../kernel/index.ts';
import type { DataHeader, DataHeaderFault } from '../wire/index.ts';
import {
  blankDataHeader,
  copyService,
  DATA_HEADER_BYTES,
  DATA_ROUTE_INDEX_AT,
  dataHeaderBytes,
  decodeDataHeader,
  encodeDataHeader,
  FLOOD_ROUTE,
  HOP_LIMIT_DEFAULT,
  isReliable,
  KIND_NODE_CONTROL,
  ROUTE_FLOOD,
  ROUTE_NONE,
  ROUTE_PATH,
  ROUTE_WORDS_MAX,
  writeAge,
  writeFrameHop,
} from '../wire/index.ts';
import type { DuplicateWindow } from './duplicate-window.ts';
import type { FlowEntry, FlowTableOptions } from './flow-table.ts';
import { FlowTable } from './flow-table.ts';
import { LANE_NUMBER_MAX } from './lane.ts';
import { Laps } from './laps.ts';
import { NAMED_LANES } from './named-lanes.ts';
import type { RouteLookup } from './next-hops.ts';
import { NextHops } from './next-hops.ts';
import type { ForwardOutcome, OutgoingPacket } from './outgoing-packet.ts';
import type { QueuedPacket } from './packet-line.ts';
import type { PolicyGate } from './policy-memo.ts';
import { OPEN_GATE } from './policy-memo.ts';
import type { ProofJudge } from './signed/index.ts';
import { isEndToEnd } from './unacknowledged.ts';

/** Where packets leave: the link room, seen from here. */
export interface LinkOutlet {
  /** The slab that `reserveData` hands out places in. */
  readonly outgoingSlab: Uint8Array;
  /**
   * Offset for a data frame of `bytes` towards the neighbour, or -1. `header` is the packet's: what it
   * asks of the link. The frame must be written before the next call.
   */
  reserveData(
    neighbour: NodeAddress,
    bytes: number,
    header: Readonly<DataHeader>,
    now: Instant,
  ): number;
  /** Why the last `reserveData` returned -1. */
  readonly lastRefusal: 'link-down' | 'too-big' | 'overload';
  /** Those whose links are up, in order of address. */
  neighbours(): readonly NodeAddress[];
  /** One way over the link, as measured; 0 when it is not up. */
  latency(neighbour: NodeAddress): Duration;
  /** Set before a packet is reserved: who brought it, 0 for this node. */
  from?: NodeAddress | 0;
  /** A neighbour has brought a copy of a flood's packet, the first here or not. */
  floodHeard?(from: NodeAddress, header: Readonly<DataHeader>, now: Instant): void;
  /** A flood's packet is new here. */
  floodSpreads?(from: NodeAddress, header: Readonly<DataHeader>, now: Instant): void;
  /** Whether a neighbour is known to have the packet of a flood. */
  hasCopy?(neighbour: NodeAddress, header: Readonly<DataHeader>): boolean;
  /** Keeps a packet that must not be lost until there is a way for it, or the link to `to` is back. */
  strand?(
    bytes: Uint8Array,
    at: number,
    end: number,
    header: Readonly<DataHeader>,
    to: NodeAddress | 0,
    now: Instant,
  ): void;
}

/** What becomes of packets that their destination acknowledges (`isEndToEnd`). */
export interface EndToEndPath {
  /** One of this node's has left. `head`: its header and route; both are the caller's. */
  sent(header: Readonly<DataHeader>, head: Uint8Array, payload: Uint8Array, now: Instant): void;
  /** One has come to this node, for the first time or again. */
  arrived(header: Readonly<DataHeader>, window: DuplicateWindow, now: Instant): void;
  /** Whether the destination has said that it has it. */
  hasArrived(header: Readonly<DataHeader>): boolean;
}

export interface ForwarderSink {
  /** A packet for this node. Views into the slab; valid during the call. */
  deliver(
    header: DataHeader,
    bytes: Uint8Array,
    frameOffset: number,
    payloadOffset: number,
    end: number,
    now: Instant,
  ): void;
  /** A passing packet could not go on; its source should hear of it. */
  notice(
    kind: 'hop-limit-exceeded' | 'unreachable',
    header: DataHeader,
    bytes: Uint8Array,
    payloadOffset: number,
    end: number,
    now: Instant,
  ): void;
}

/** What checkers and traces are told. All optional, none in production. */
export interface ForwarderObserver {
  packetSent?(header: DataHeader): void;
  packetForwarded?(header: DataHeader, from: NodeAddress, to: NodeAddress): void;
  packetDelivered?(header: DataHeader): void;
  packetDropped?(header: DataHeader | undefined, reason: string): void;
}

export interface ForwarderOptions extends FlowTableOptions {
  readonly self: NodeAddress;
  readonly epoch: number;
  readonly links: LinkOutlet;
  readonly routes: RouteLookup;
  /** Absent: everything is permitted. */
  readonly policy?: PolicyGate;
  /** Absent: signed packets are refused. */
  readonly proofs?: Pick<ProofJudge, 'refusal'>;
  readonly sink: ForwarderSink;
  readonly endToEnd?: EndToEndPath;
  readonly observer?: ForwarderObserver;
  /** Shared with what stands between it and the links. */
  readonly counters?: Counters;
}

/** Sequence numbers remembered of a flow that must not be lost: what waits on the way comes late. */
const RELIABLE_WINDOW_BITS = 8_192;

/** By number: 1 where a packet that is not signed is refused. */
const SIGNED_LANES = new Uint8Array(LANE_NUMBER_MAX + 1);
for (const lane of NAMED_LANES) if (lane.signed) SIGNED_LANES[lane.number] = 1;

export class Forwarder {
  readonly flows: FlowTable;
  readonly counters: Counters;
  private readonly forwarded: CounterCell;
  private readonly sent: CounterCell;
  private readonly options: ForwarderOptions;
  private readonly nextHops: NextHops;
  private readonly gate: PolicyGate;
  private readonly laps = new Laps();
  private readonly views = new SlabViews();
  private readonly header = blankDataHeader();
  /** A header with its route, as it will be sent: next hops are found in it. */
  private readonly own = new Uint8Array(DATA_HEADER_BYTES + 4 * ROUTE_WORDS_MAX);
  private readonly bare = this.own.subarray(0, DATA_HEADER_BYTES);

  constructor(options: ForwarderOptions) {
    this.options = options;
    const { self, routes, links } = options;
    this.gate = options.policy ?? OPEN_GATE;
    this.counters = options.counters ?? new Counters();
    this.forwarded = this.counters.cell('packets-forwarded');
    this.sent = this.counters.cell('packets-sent');
    this.flows = new FlowTable(options);
    this.nextHops = new NextHops({ self, routes, neighbours: () => links.neighbours() });
  }

  /** A data frame at [at, end) of an opened packet from `from`; `isRepair` when it came again. */
  receive(
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
    isRepair = false,
  ): void {
    const header = this.header;
    const fault: DataHeaderFault | undefined = decodeDataHeader(header, bytes, at, end);
    if (fault !== undefined) return this.drop(undefined, fault);
    const { self, links } = this.options;
    if (header.source === self && !this.isLapped(header)) {
      if (this.mayLap(header)) return this.strand(bytes, at, end, now);
      return this.drop(header, 'own-packet-returned');
    }
    const isSigned = header.proofWords > 0;
    if (isSigned) {
      if (!this.isProven(from, bytes, at, end, now)) return;
    } else if (SIGNED_LANES[header.lane] === 1) return this.drop(header, 'not-signed');
    const isFlood = isNamed(header);
    if (isFlood) links.floodHeard?.(from, header, now);
    const entry = this.flows.entry(header.source, header.flow, now, isSigned);
    // Before the packet counts as seen: it may come over a link that it may use.
    if (!this.gate.isOpen && !entry.policy.arrival(this.gate, header, from, self))
      return this.drop(header, 'denied-by-policy');
    const isNew = this.admit(entry, from, bytes, at, end, now);
    if (this.isAcknowledged(entry)) this.options.endToEnd?.arrived(header, entry.window, now);
    if (!isNew) return;
    if (isFlood) links.floodSpreads?.(from, header, now);
    if (isRepair) entry.recovered++;
    if (header.deadline > 0) header.age = (header.age + links.latency(from)) as Duration;
    const payloadOffset = at + dataHeaderBytes(header);
    if (header.destination === self) {
      if (header.deadline > 0 && header.age > header.deadline) entry.late++;
      this.options.observer?.packetDelivered?.(header);
      const payloadEnd = end - 4 * header.proofWords;
      this.options.sink.deliver(header, bytes, at, payloadOffset, payloadEnd, now);
      return;
    }
    this.forward(entry, from, bytes, at, payloadOffset, end, now);
  }

  /**
   * Whether a signed packet is its source's own. What changes on the way is not signed, and not believed
   * where it could make this node drop the packet and then its true copy as a duplicate: the hop limit of
   * a packet whose source leads it, the age.
   */
  private isProven(
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    const header = this.header;
    const seen = this.flows.find(header.source, header.flow, true);
    // Copies of what was proven cost nothing, where nobody waits to hear of them.
    const isCopy = seen?.epoch === header.epoch && seen.window.has(header.sequence);
    const { proofs, links } = this.options;
    if (isCopy && header.lap === 0 && !this.mayLap(header) && !this.isAcknowledged(seen)) {
      // A copy that was made up keeps the packet from the neighbour that made it.
      if (isNamed(header)) links.floodHeard?.(from, header, now);
      return this.dropDuplicate(seen);
    }
    const refusal =
      proofs === undefined ? 'bad-proof' : proofs.refusal(header, from, bytes, at, end, now);
    if (refusal !== undefined) {
      this.drop(header, refusal);
      return false;
    }
    header.age = 0 as Duration;
    if (header.routeForm !== ROUTE_NONE && header.kind !== KIND_NODE_CONTROL)
      header.hopLimit = HOP_LIMIT_DEFAULT;
    return true;
  }

  /**
   * Whether the source is to hear that this node, the destination, has the packet. Not by what anybody
   * sends in its name, where it signs.
   */
  private isAcknowledged(entry: FlowEntry): boolean {
    const { header } = this;
    if (header.destination !== this.options.self || !isEndToEnd(header)) return false;
    if (header.epoch !== entry.epoch) return false;
    return entry.isSigned || this.flows.find(entry.source, entry.flow, true) === undefined;
  }

  /** The frame of a packet that starts here, up to its payload. Valid until the next call. */
  headerOf(packet: OutgoingPacket): Uint8Array {
    this.encode(packet);
    return this.own.subarray(0, dataHeaderBytes(this.header));
  }

  /** Sends a packet that starts here. `payload` is copied. */
  send(packet: OutgoingPacket, payload: Uint8Array, now: Instant): ForwardOutcome {
    const { header } = this;
    this.encode(packet);
    const fault = this.nextHops.find(header, this.own, 0, 0);
    if (fault !== undefined) return this.refuseLocal('unreachable', fault);
    if (!this.gate.isOpen && !this.dropDenied(header))
      return this.refuseLocal('unreachable', 'denied-by-policy');
    if (packet.route.form === ROUTE_PATH) this.own[DATA_ROUTE_INDEX_AT] = 1;
    const outcome = this.emit(header, payload, now);
    if (outcome === 'sent') {
      this.options.observer?.packetSent?.(header);
      if (isEndToEnd(header))
        this.options.endToEnd?.sent(header, this.ownHead(header), payload, now);
    }
    return outcome;
  }

  /** State: `header` and the frame in `own` are the packet's. */
  private encode(packet: OutgoingPacket): void {
    const { self, epoch } = this.options;
    const { route } = packet;
    const header = this.header;
    header.hopLimit = packet.hopLimit ?? HOP_LIMIT_DEFAULT;
    header.lane = packet.lane;
    header.kind = packet.kind;
    header.source = self;
    header.destination = packet.destination;
    header.epoch = epoch;
    header.flow = packet.flow;
    header.sequence = packet.sequence;
    header.age = 0 as Duration;
    header.lap = 0;
    header.proofWords = packet.proofWords ?? 0;
    copyService(packet.service, header);
    header.routeForm = route.form;
    header.routeWords = route.bytes.length >>> 2;
    header.routeIndex = 0;
    encodeDataHeader(this.own, 0, header, route);
  }

  /** Sends a packet of this node again, as `EndToEndPath.sent` was given it: everywhere, in this lap. */
  repeat(frame: Uint8Array, lap: number, now: Instant): void {
    const header = this.header;
    if (decodeDataHeader(header, frame, 0, frame.length) !== undefined) return;
    const payload = frame.subarray(dataHeaderBytes(header));
    header.lap = lap;
    header.routeIndex = 0;
    // A signed one keeps the route it was signed with.
    const bytes = frame.subarray(DATA_HEADER_BYTES, dataHeaderBytes(header));
    const route = header.proofWords > 0 ? { form: header.routeForm, bytes } : FLOOD_ROUTE;
    header.routeForm = route.form;
    header.routeWords = route.bytes.length >>> 2;
    encodeDataHeader(this.own, 0, header, route);
    if (this.nextHops.find(header, this.own, 0, 0) !== undefined) return;
    if (route.form === ROUTE_PATH) this.own[DATA_ROUTE_INDEX_AT] = 1;
    if (this.gate.isOpen || this.dropDenied(header)) this.emit(header, payload, now);
  }

  /** State: one copy towards each next hop; sent when any could go. */
  private emit(header: DataHeader, payload: Uint8Array, now: Instant): ForwardOutcome {
    const { links } = this.options;
    const headerBytes = dataHeaderBytes(header);
    const head = this.ownHead(header);
    const entry = this.flows.entry(header.source, header.flow, now, header.proofWords > 0);
    entry.epoch = header.epoch;
    let isSent = false;
    links.from = 0;
    for (const next of this.nextHops.hops) {
      const at = links.reserveData(next, headerBytes + payload.length, header, now);
      if (at < 0) {
        // Taken and dropped: there was not room for all, as on any congested link.
        if (links.lastRefusal === 'overload') isSent = true;
        entry.dropped++;
        continue;
      }
      const slab = links.outgoingSlab;
      slab.set(head, at);
      slab.set(payload, at + headerBytes);
      entry.copies++;
      isSent = true;
    }
    if (!isSent)
      return links.lastRefusal === 'too-big'
        ? this.refuseLocal('too-big', 'too-big')
        : this.refuseLocal('unreachable', 'link-down');
    this.sent.value++;
    this.use(entry, headerBytes + payload.length, now);
    return 'sent';
  }

  private ownHead(header: DataHeader): Uint8Array {
    const bytes = dataHeaderBytes(header);
    return bytes === DATA_HEADER_BYTES ? this.bare : this.own.subarray(0, bytes);
  }

  /** State: next hops that policy keeps from this node's own packet are gone; false: all are. */
  private dropDenied(header: DataHeader): boolean {
    const { hops } = this.nextHops;
    const { self } = this.options;
    let kept = 0;
    for (const hop of hops) if (this.gate.permits(header, self, hop)) hops[kept++] = hop;
    hops.length = kept;
    return kept > 0;
  }

  private admit(
    entry: FlowEntry,
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    const header = this.header;
    if (header.epoch !== entry.epoch && !this.beginsEpoch(entry)) return false;
    if (isReliable(header.recovery)) {
      entry.window.grow(RELIABLE_WINDOW_BITS);
      if (!this.admitReliable(entry, from, bytes, at, end, now)) return false;
    } else if (!entry.window.admit(header.sequence)) return this.dropDuplicate(entry);
    this.use(entry, end - at, now);
    return true;
  }

  private use(entry: FlowEntry, bytes: number, now: Instant): void {
    const { header } = this;
    entry.destination = header.destination;
    entry.routeForm = header.routeForm;
    if (entry.lane !== header.lane) {
      this.flows.accounting.settle(entry);
      entry.lane = header.lane;
    }
    entry.packets++;
    entry.bytes += bytes;
    entry.lastUsed = now;
  }

  /**
   * A packet that must not be lost and comes again is dropped where the same neighbour brings it. From
   * another it may be a copy, or the packet itself on a way that leads in a circle while routes disagree:
   * it is kept for a moment and tried again in its next lap.
   */
  private admitReliable(
    entry: FlowEntry,
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    const header = this.header;
    const isLater =
      header.destination !== this.options.self &&
      header.lap > 0 &&
      (header.routeForm === ROUTE_NONE || isEndToEnd(header));
    const first = isLater ? this.laps.admit(header, from) : entry.from;
    if (isLater ? first === undefined : entry.window.admit(header.sequence)) {
      entry.from = from;
      return true;
    }
    const isCircle = first !== from && header.destination !== this.options.self;
    if (!isCircle || !this.mayLap(header)) return this.dropDuplicate(entry);
    this.strand(bytes, at, end, now);
    return false;
  }

  private dropDuplicate(entry: FlowEntry): boolean {
    entry.duplicates++;
    this.drop(this.header, 'duplicate');
    return false;
  }

  /** Whether a packet may go round again: not where its source has put it on certain links. */
  private mayLap(header: Readonly<DataHeader>): boolean {
    return isReliable(header.recovery) && header.routeForm === ROUTE_NONE && header.hopLimit > 1;
  }

  /** A packet that a node took back from a link: it may pass again, and over its own source. */
  private isLapped(header: Readonly<DataHeader>): boolean {
    return header.lap > 0 && isReliable(header.recovery) && header.routeForm === ROUTE_NONE;
  }

  /**
   * The source has restarted, or is new here. State: the flow begins again. Not beyond the epoch that the
   * source has signed: a forged one would have its packets dropped as stale.
   */
  private beginsEpoch(entry: FlowEntry): boolean {
    const header = this.header;
    if (header.epoch < entry.epoch) {
      this.drop(header, 'stale-epoch');
      return false;
    }
    if (header.epoch > (this.options.routes.signedEpoch?.(header.source) ?? header.epoch)) {
      this.drop(header, 'epoch-not-signed');
      return false;
    }
    entry.epoch = header.epoch;
    entry.window.reset();
    return true;
  }

  /**
   * Sends a packet on that a link gave back, or that had no way before; false: none yet. One that its
   * source has put on certain links waits for its link.
   */
  resend(packet: QueuedPacket, now: Instant): boolean {
    const { header } = this;
    const { frame, length } = packet;
    const { links, routes, self, observer } = this.options;
    if (decodeDataHeader(header, frame, 0, length) !== undefined) return true;
    const next = header.routeForm === ROUTE_NONE ? routes.nextHop(header.destination) : packet.to;
    if (next === 0 || (!this.gate.isOpen && !this.gate.permits(header, self, next))) return false;
    links.from = packet.from;
    const at = links.reserveData(next, length, header, now);
    if (at < 0) return links.lastRefusal === 'too-big';
    links.outgoingSlab.set(this.views.of(frame, 0, length), at);
    this.laps.admit(header, 0);
    this.counters.add('packets-resent');
    observer?.packetForwarded?.(header, packet.from || self, next);
    return true;
  }

  private forward(
    entry: FlowEntry,
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    payloadOffset: number,
    end: number,
    now: Instant,
  ): void {
    const header = this.header;
    const { links, sink, observer, self } = this.options;
    if (header.hopLimit <= 1) {
      entry.dropped++;
      this.drop(header, 'hop-limit-exceeded');
      sink.notice('hop-limit-exceeded', header, bytes, payloadOffset, end, now);
      return;
    }
    if (isEndToEnd(header) && this.options.endToEnd?.hasArrived(header) === true)
      return this.drop(header, 'arrived');
    const fault = this.nextHops.find(header, bytes, at, from);
    if (fault !== undefined) {
      if (isReliable(header.recovery) && (fault === 'no-route' || fault === 'would-return'))
        return this.strand(bytes, at, end, now);
      // A graph or a flood ends somewhere.
      if (fault !== 'graph-ends') entry.dropped++;
      this.drop(header, fault);
      if (fault === 'no-route') sink.notice('unreachable', header, bytes, payloadOffset, end, now);
      return;
    }
    links.from = from;
    const frame = this.views.of(bytes, at, end);
    const { hops } = this.nextHops;
    // By number: an iterator would make an object for each hop.
    for (let i = 0; i < hops.length; i++) {
      const next = hops[i]!;
      if (!this.gate.isOpen && !entry.policy.departure(this.gate, header, self, next)) {
        // A flood goes wherever it may; that it goes no further is no loss.
        if (header.routeForm === ROUTE_FLOOD) continue;
        entry.dropped++;
        this.drop(header, 'denied-by-policy');
        continue;
      }
      if (isNamed(header) && links.hasCopy?.(next, header) === true) continue;
      const out = links.reserveData(next, end - at, header, now);
      if (out < 0) {
        const isKept = isReliable(header.recovery) && !isEndToEnd(header);
        if (isKept && links.lastRefusal === 'link-down') this.strand(bytes, at, end, now, next);
        else {
          entry.dropped++;
          this.drop(header, links.lastRefusal);
        }
        continue;
      }
      const slab = links.outgoingSlab;
      slab.set(frame, out);
      writeFrameHop(slab, out, header);
      if (header.deadline > 0) writeAge(slab, out, header.age);
      entry.copies++;
      this.forwarded.value++;
      observer?.packetForwarded?.(header, from, next);
    }
  }

  /** State: the packet is kept, with one hop less, until there is a way, or its link `to` is back. */
  private strand(
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
    to: NodeAddress | 0 = 0,
  ): void {
    const { links } = this.options;
    const { header } = this;
    if (links.strand === undefined) return this.drop(header, 'no-route');
    writeFrameHop(bytes, at, header);
    links.strand(bytes, at, end, header, to, now);
  }

  private refuseLocal(outcome: ForwardOutcome, reason: string): ForwardOutcome {
    this.counters.add(`send-refused.${reason}`);
    return outcome;
  }

  private drop(header: DataHeader | undefined, reason: string): void {
    this.counters.add(`dropped.${reason}`);
    this.options.observer?.packetDropped?.(header, reason);
  }
}

/** Whether neighbours tell each other of the packet: a flood's, in its first lap. */
const isNamed = (header: Readonly<DataHeader>): boolean =>
  header.routeForm === ROUTE_FLOOD && header.lap === 0;
