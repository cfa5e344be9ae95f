/**
 * A captured node: it has a member's keys and does what a member must not. For tests of what a network
 * withstands, and only in networks whose manifest says that they are labs.
 *
 * It does its worst to packets that pass it: drops, holds back, overtakes, repeats, alters. Past its own
 * duplicate window, so that others have to find the copies. It claims other latencies for its links than
 * they have, and fills links with packets of its own or in another member's name. What it cannot do is
 * what its keys do not let it: open what is sealed end to end, sign another's link state, claim links whose
 * other end does not confirm them.
 */

import type { Forwarder } from '../forwarding/index.ts';
import type { Duration, Instant, NodeAddress, Random } from '../kernel/index.ts';
import { assert, writeU32 } from '../kernel/index.ts';
import type { LinkLayer, LinkMetrics } from '../link/index.ts';
import type { LinkStateRouting } from '../routing/index.ts';
import {
  blankDataHeader,
  DATA_HEADER_BYTES,
  decodeDataHeader,
  encodeDataHeader,
  NO_ROUTE,
} from '../wire/index.ts';

/** Shares are of packets that pass, 0 to 1. */
export interface TurncoatOptions {
  /** Behaves for this long after its start. Default: not at all. */
  readonly after?: Duration;
  readonly drop?: number;
  /** Holds every packet back for this long. */
  readonly delay?: Duration;
  /** Share held back until `reorderBy` later. */
  readonly reorder?: number;
  readonly reorderBy?: Duration;
  /** Share sent a second time at once, to every neighbour. */
  readonly duplicate?: number;
  /** Share sent again a second later, to every neighbour. */
  readonly replay?: number;
  /** Share sent to every neighbour with a bit changed, header included. */
  readonly corrupt?: number;
  /** Latency claimed for each of its links. */
  readonly claimLatency?: Duration;
  readonly flood?: FloodOptions;
}

export interface FloodOptions {
  readonly bitsPerSecond: number;
  /** A member, by address or by name; nothing is sent while the name is not known. */
  readonly to: NodeAddress | string;
  /** Whose packets they say they are. Default: its own. */
  readonly as?: NodeAddress | string;
  readonly priority?: number;
  readonly recovery?: number;
  readonly epoch?: number;
  /** `all`: under the first labels in turn, which sockets have, to be taken for their packets. */
  readonly flow?: 'own' | 'all';
}

export interface TurncoatParts {
  readonly self: NodeAddress;
  readonly epoch: number;
  readonly isLab: boolean;
  readonly random: Random;
  readonly links: LinkLayer;
  readonly routing: LinkStateRouting;
  /** The packet path of a node that behaves. */
  readonly forwarder: Forwarder;
}

interface Held {
  readonly at: number;
  readonly from: NodeAddress;
  readonly frame: Uint8Array;
  readonly isCopy: boolean;
}

const REORDER_BY = 100_000;
/** Of what it spreads. Turncoats that repeat each other's packets would fill the network, and go on for ever. */
const SPREAD_HOPS = 3;
const REPLAY_AFTER = 1_000_000;
const HELD_MAX = 65_536;
const FLOOD_FRAME_BYTES = 1_000;
const FLOOD_INTERVAL = 1_000;
/** Labels counted from the top, away from those that sockets take. */
const FLOOD_FLOW = 0xffff;
const LABELS_TRIED = 8;

export class Turncoat {
  private readonly options: TurncoatOptions;
  private readonly around: TurncoatParts;
  private readonly header = blankDataHeader();
  private readonly held: Held[] = [];
  private readonly since: number;
  private floodAt: number;
  private floodDebt = 0;
  private sequence = 0;

  /** Asserts that the network is a lab. */
  constructor(options: TurncoatOptions, around: TurncoatParts, now: Instant) {
    assert(around.isLab, 'turncoats exist in networks made as labs only');
    this.options = options;
    this.around = around;
    this.since = now + (options.after ?? 0);
    this.floodAt =
      options.flood === undefined ? Number.POSITIVE_INFINITY : this.since + FLOOD_INTERVAL;
  }

  /** A data frame came in. */
  data(from: NodeAddress, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    const { header, around, options } = this;
    const { random } = around;
    const isOwn =
      now < this.since ||
      decodeDataHeader(header, bytes, at, end) !== undefined ||
      header.destination === around.self ||
      header.source === around.self;
    if (isOwn) return around.forwarder.receive(from, bytes, at, end, now);
    const chance = (share: number | undefined): boolean =>
      share !== undefined && random.chance(share);
    if (chance(options.drop)) return;
    if (chance(options.corrupt)) {
      const altered = bytes.slice(at, end);
      altered[1 + random.below(altered.length - 1)]! ^= 1 << random.below(8);
      return this.spread(altered, now);
    }
    const hold = (delay: number, isCopy: boolean): void => {
      if (this.held.length < HELD_MAX)
        this.held.push({ at: now + delay, from, frame: bytes.slice(at, end), isCopy });
    };
    if (chance(options.replay)) hold(REPLAY_AFTER, true);
    if (chance(options.duplicate)) this.spread(bytes.slice(at, end), now);
    if (chance(options.reorder)) return hold(options.reorderBy ?? REORDER_BY, false);
    if (options.delay !== undefined) return hold(options.delay, false);
    around.forwarder.receive(from, bytes, at, end, now);
  }

  /** What it tells the network of one of its links. */
  claims(metrics: LinkMetrics): LinkMetrics {
    const { claimLatency } = this.options;
    if (claimLatency === undefined) return metrics;
    const rtt = (2 * claimLatency) as Duration;
    return { ...metrics, rtt, rttMin: rtt, lossOutPpm: 0, lossInPpm: 0 };
  }

  nextTimeout(): Instant | undefined {
    let next = this.floodAt;
    for (const { at } of this.held) if (at < next) next = at;
    return next < Number.POSITIVE_INFINITY ? (next as Instant) : undefined;
  }

  timeout(now: Instant): void {
    for (let i = 0; i < this.held.length; ) {
      const { at, from, frame, isCopy } = this.held[i]!;
      if (at > now) {
        i++;
        continue;
      }
      this.held.splice(i, 1);
      if (isCopy) this.spread(frame, now);
      else this.around.forwarder.receive(from, frame, 0, frame.length, now);
    }
    if (this.floodAt > now) return;
    this.floodAt = now + FLOOD_INTERVAL;
    this.flood(this.options.flood!, now);
  }

  private addressOf(member: NodeAddress | string): NodeAddress | undefined {
    return typeof member === 'string' ? this.around.routing.addressOf(member) : member;
  }

  private spread(frame: Uint8Array, now: Instant): void {
    const { header } = this;
    if (decodeDataHeader(header, frame, 0, frame.length) !== undefined || header.hopLimit <= 1)
      return;
    frame[1] = Math.min(header.hopLimit - 1, SPREAD_HOPS);
    for (const neighbour of this.around.links.neighbours()) this.put(neighbour, frame, now);
  }

  /** Past the own scheduler: whatever the header says. */
  private put(neighbour: NodeAddress, frame: Uint8Array, now: Instant): void {
    const { links } = this.around;
    const at = links.reserveData(neighbour, frame.length, this.header, now);
    if (at >= 0) links.outgoingSlab.set(frame, at);
  }

  private flood(options: FloodOptions, now: Instant): void {
    const { around, header } = this;
    const to = this.addressOf(options.to);
    const source = options.as === undefined ? around.self : this.addressOf(options.as);
    if (to === undefined || source === undefined) return;
    this.floodDebt += (options.bitsPerSecond * FLOOD_INTERVAL) / 8_000_000;
    for (; this.floodDebt >= FLOOD_FRAME_BYTES; this.floodDebt -= FLOOD_FRAME_BYTES) {
      const next = around.routing.nextHop(to);
      if (next === 0) continue;
      Object.assign(header, blankDataHeader());
      header.hopLimit = 64;
      header.source = source;
      header.destination = to;
      header.epoch = options.epoch ?? around.epoch;
      header.flow = options.flow === 'all' ? this.sequence % LABELS_TRIED : FLOOD_FLOW;
      header.sequence = this.sequence++;
      header.priority = options.priority ?? 0;
      header.recovery = options.recovery ?? 0;
      const frame = new Uint8Array(FLOOD_FRAME_BYTES);
      encodeDataHeader(frame, 0, header, NO_ROUTE);
      writeU32(frame, DATA_HEADER_BYTES, header.sequence);
      this.put(next, frame, now);
    }
  }
}
