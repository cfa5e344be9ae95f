/**
 * The packet path of one node. A packet comes off a link as a view into an opened slab, is checked,
 * classified by its flow, and leaves as a copy in the outgoing slab of the next link, where it is
 * sealed with its batch; or it is delivered here. Nothing is allocated per packet.
 *
 * A packet is forwarded at most once by any node: the flow's duplicate window sees to it, so that
 * routes which disagree for the moment (link state still travelling) cost a packet and never a
 * loop. Refused packets are counted by reason; the source hears of two of them (hop limit, no route)
 * through notices that are rate limited per node.
 *
 * It decides nothing about routes: `routes.nextHop` does, or the route that the source stamped.
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import { Counters } from '../kernel/index.ts';
import type { DataHeader, DataHeaderFault } from '../wire/index.ts';
import {
  blankDataHeader,
  dataHeaderBytes,
  decodeDataHeader,
  encodeDataHeader,
  HOP_LIMIT_DEFAULT,
  routeHop,
} from '../wire/index.ts';
import type { FlowEntry, FlowTableOptions } from './flow-table.ts';
import { FlowTable } from './flow-table.ts';

/** Where packets leave: the link room, seen from here. */
export interface LinkOutlet {
  /** The slab that `reserveData` hands out places in. */
  readonly outgoingSlab: Uint8Array;
  /** Offset for a data frame of `bytes` towards the neighbour, or -1. */
  reserveData(neighbour: NodeAddress, bytes: number, now: Instant): number;
  /** Why the last `reserveData` returned -1. */
  readonly lastRefusal: 'link-down' | 'too-big';
}

export interface RouteLookup {
  /** 0 when there is no way. */
  nextHop(destination: NodeAddress): NodeAddress | 0;
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

export interface OutgoingPacket {
  readonly destination: NodeAddress;
  readonly kind: number;
  readonly lane: number;
  readonly hopLimit?: number;
  readonly flow: number;
  readonly sequence: number;
  /** Empty: each node decides. Otherwise every node after this one, destination last. */
  readonly route: readonly NodeAddress[];
}

export type ForwardOutcome = 'sent' | 'unreachable' | 'too-big';

export interface ForwarderOptions extends FlowTableOptions {
  readonly self: NodeAddress;
  readonly epoch: number;
  readonly links: LinkOutlet;
  readonly routes: RouteLookup;
  readonly sink: ForwarderSink;
  readonly observer?: ForwarderObserver;
}

export class Forwarder {
  readonly flows: FlowTable;
  readonly counters: Counters = new Counters();
  private readonly options: ForwarderOptions;
  private readonly header = blankDataHeader();

  constructor(options: ForwarderOptions) {
    this.options = options;
    this.flows = new FlowTable(options);
  }

  /** A data frame at [at, end) of an opened packet from `from`. */
  receive(from: NodeAddress, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    const header = this.header;
    const fault: DataHeaderFault | undefined = decodeDataHeader(header, bytes, at, end);
    if (fault !== undefined) return this.drop(undefined, fault);
    const { self } = this.options;
    if (header.source === self) return this.drop(header, 'own-packet-returned');
    const entry = this.flows.entry(header.source, header.flow, header.epoch, now);
    if (!this.admit(entry, end - at, now)) return;
    const payloadOffset = at + dataHeaderBytes(header);
    if (header.destination === self) {
      this.options.observer?.packetDelivered?.(header);
      this.options.sink.deliver(header, bytes, at, payloadOffset, end, now);
      return;
    }
    this.forward(from, bytes, at, payloadOffset, end, now);
  }

  /** Sends a packet that starts here. `payload` is copied. */
  send(packet: OutgoingPacket, payload: Uint8Array, now: Instant): ForwardOutcome {
    const { self, epoch, links, routes } = this.options;
    const { route, destination } = packet;
    const next = route.length > 0 ? route[0]! : routes.nextHop(destination);
    if (next === 0) return this.refuseLocal('unreachable', 'no-route');
    const header = this.header;
    header.hopLimit = packet.hopLimit ?? HOP_LIMIT_DEFAULT;
    header.lane = packet.lane;
    header.kind = packet.kind;
    header.source = self;
    header.destination = destination;
    header.epoch = epoch;
    header.flow = packet.flow;
    header.sequence = packet.sequence;
    header.routeLength = route.length;
    header.routeIndex = route.length > 0 ? 1 : 0;
    const headerBytes = dataHeaderBytes(header);
    const at = links.reserveData(next, headerBytes + payload.length, now);
    if (at < 0) {
      return links.lastRefusal === 'too-big'
        ? this.refuseLocal('too-big', 'too-big')
        : this.refuseLocal('unreachable', 'link-down');
    }
    encodeDataHeader(links.outgoingSlab, at, header, route);
    links.outgoingSlab.set(payload, at + headerBytes);
    this.counters.add('packets-sent');
    this.options.observer?.packetSent?.(header);
    return 'sent';
  }

  private admit(entry: FlowEntry, bytes: number, now: Instant): boolean {
    const header = this.header;
    if (header.epoch !== entry.epoch) {
      if (header.epoch < entry.epoch) {
        this.drop(header, 'stale-epoch');
        return false;
      }
      entry.epoch = header.epoch;
      entry.window.reset();
    }
    if (!entry.window.admit(header.sequence)) {
      entry.duplicates++;
      this.drop(header, 'duplicate');
      return false;
    }
    entry.destination = header.destination;
    entry.lane = header.lane;
    entry.packets++;
    entry.bytes += bytes;
    entry.lastUsed = now;
    return true;
  }

  private forward(
    from: NodeAddress,
    bytes: Uint8Array,
    at: number,
    payloadOffset: number,
    end: number,
    now: Instant,
  ): void {
    const header = this.header;
    const { links, routes, sink, observer } = this.options;
    if (header.hopLimit <= 1) {
      this.drop(header, 'hop-limit-exceeded');
      sink.notice('hop-limit-exceeded', header, bytes, payloadOffset, end, now);
      return;
    }
    const isStamped = header.routeLength > 0;
    if (isStamped && header.routeIndex >= header.routeLength) return this.drop(header, 'bad-route');
    const next = isStamped
      ? routeHop(bytes, at, header.routeIndex)
      : routes.nextHop(header.destination);
    if (next === 0) {
      this.drop(header, 'no-route');
      sink.notice('unreachable', header, bytes, payloadOffset, end, now);
      return;
    }
    // Routes disagree for the moment; where it came from would only drop it as a duplicate.
    if (next === from) return this.drop(header, 'would-return');
    const out = links.reserveData(next, end - at, now);
    if (out < 0)
      return this.drop(header, links.lastRefusal === 'too-big' ? 'too-big' : 'link-down');
    const slab = links.outgoingSlab;
    copyInto(slab, out, bytes, at, end);
    slab[out + 1] = header.hopLimit - 1;
    if (isStamped) slab[out + 19] = header.routeIndex + 1;
    this.counters.add('packets-forwarded');
    observer?.packetForwarded?.(header, from, next);
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

function copyInto(to: Uint8Array, at: number, from: Uint8Array, start: number, end: number): void {
  to.set(from.subarray(start, end), at);
}
