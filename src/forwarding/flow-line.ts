/**
 * The packets of one flow that must not be lost and wait for one link, in the order they came. A line
 * is never pushed out of: above its mark the node tells whoever brings its packets to hold back
 * (`back-pressure.ts`), below half of it to go on.
 *
 * A flood's packets leave each link in another order, by a hash of the packet and the link: what one
 * link sends first reaches the other neighbours meanwhile, and need not be sent to them (`known-copies.ts`).
 * Where all links sent the oldest first, copies of one packet would meet at every node.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { RECOVERY_FAIR_RELIABLE, ROUTE_FLOOD } from '../wire/index.ts';
import type { QueuedPacket } from './packet-line.ts';

/** Which flow at a link. For the fair reliable lane all of a source's flows to one destination are one. */
export interface FlowName {
  readonly source: NodeAddress;
  readonly destination: NodeAddress;
  /** 0 stands for all labels of the pair. */
  readonly flow: number;
}

/** 48 bits under a source: exact in a double. */
export const flowKey = (destination: NodeAddress, flow: number, recovery: number): number =>
  destination * 0x1_0000 + (recovery === RECOVERY_FAIR_RELIABLE ? 0 : flow);

const COMPACT_AT = 64;
/** Among so many of the oldest the order is the link's own. */
const LOOK_AHEAD = 32;
/** The oldest goes every so often whatever its hash: none waits for ever. */
const OLDEST_EVERY = 4;

export class FlowLine implements FlowName {
  readonly source: NodeAddress;
  readonly destination: NodeAddress;
  readonly flow: number;
  readonly key: number;
  bytes = 0;
  /** The neighbour has no room for this flow at the moment. */
  isPaused = false;
  private readonly salt: number;
  /** Of a flood: what `peek` said. */
  private chosen: QueuedPacket | undefined;
  private taken = 0;
  private items: QueuedPacket[] = [];
  private head = 0;

  /** `salt`: one for each link of each node. */
  constructor(name: FlowName, key: number, salt = 0) {
    this.salt = salt;
    this.source = name.source;
    this.destination = name.destination;
    this.flow = name.flow;
    this.key = key;
  }

  get length(): number {
    return this.items.length - this.head;
  }

  /** What leaves next. */
  peek(): QueuedPacket | undefined {
    const oldest = this.items[this.head];
    if (oldest === undefined || oldest.routeForm !== ROUTE_FLOOD) return oldest;
    this.chosen ??= this.choose(oldest);
    return this.chosen;
  }

  push(packet: QueuedPacket): void {
    this.items.push(packet);
    this.bytes += packet.length;
  }

  /** Takes out a packet that waits here. */
  remove(packet: QueuedPacket): void {
    this.chosen = undefined;
    this.items.splice(this.items.indexOf(packet, this.head), 1);
    this.bytes -= packet.length;
  }

  /** Takes out all that `isWanted` is false of. */
  sift(isWanted: (packet: QueuedPacket) => boolean): QueuedPacket[] {
    const out: QueuedPacket[] = [];
    const left: QueuedPacket[] = [];
    for (const packet of this.items.slice(this.head)) (isWanted(packet) ? left : out).push(packet);
    if (out.length === 0) return out;
    this.chosen = undefined;
    this.items = left;
    this.head = 0;
    for (const { length } of out) this.bytes -= length;
    return out;
  }

  shift(): QueuedPacket | undefined {
    const packet = this.peek();
    if (packet === undefined) return undefined;
    this.chosen = undefined;
    this.taken++;
    if (packet !== this.items[this.head]) {
      this.remove(packet);
      return packet;
    }
    this.head++;
    this.bytes -= packet.length;
    if (this.head >= COMPACT_AT && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return packet;
  }

  private choose(oldest: QueuedPacket): QueuedPacket {
    if (this.taken % OLDEST_EVERY === 0) return oldest;
    const { items, head, salt } = this;
    const end = Math.min(items.length, head + LOOK_AHEAD);
    let best = oldest;
    for (let i = head + 1; i < end; i++)
      if (rank(items[i]!, salt) < rank(best, salt)) best = items[i]!;
    return best;
  }
}

const rank = ({ sequence }: QueuedPacket, salt: number): number =>
  Math.imul(sequence ^ salt, 0x9e37_79b1) >>> 28;
