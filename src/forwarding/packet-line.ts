/**
 * The packets of one source that wait for one link, in the order in which they are to leave: priority
 * first, then the nearer deadline, then turns between the source's destinations, then arrival. A sorted
 * array with a moving head: packets nearly always join at its end, which costs one comparison.
 *
 * Pushed out is the lowest priority: of the priority lane its oldest packet, because there the newest
 * news is worth most (intrusion-tolerant priority messaging, see docs/fairness.md); of any other lane
 * the newest, because the flow behind it is better told at its end than torn at its front.
 */
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { RECOVERY_PRIORITY } from '../wire/index.ts';

export interface QueuedPacket {
  /** The frame lies at its front; the buffer may be longer. */
  frame: Uint8Array;
  length: number;
  source: NodeAddress;
  destination: NodeAddress;
  flow: number;
  epoch: number;
  sequence: number;
  routeForm: number;
  /** It is its source's own. What anybody can send in that name is another source's. */
  isSigned: boolean;
  lap: number;
  lane: number;
  recovery: number;
  priority: number;
  /** When its deadline is over; infinite without one. */
  dueAt: number;
  queuedAt: Instant;
  /** How long it had been on its way when it was queued. */
  age: Duration;
  /** Turn between the destinations of its source. */
  turn: number;
  /** Who brought it; 0: this node. */
  from: NodeAddress | 0;
  /** Within the rate that its flow has reserved on the link. */
  isReserved: boolean;
  /** The neighbour it waits for. */
  to: NodeAddress | 0;
}

/** Negative: `a` goes first. */
function compare(a: QueuedPacket, b: QueuedPacket): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.dueAt !== b.dueAt) return a.dueAt < b.dueAt ? -1 : 1;
  return a.turn - b.turn;
}

const COMPACT_AT = 256;

export class PacketLine {
  private items: QueuedPacket[] = [];
  private head = 0;
  /** Of all frames. */
  bytes = 0;
  /** The turn of the packet that left last, and the newest of each destination that waits. */
  private turnNow = 0;
  private readonly turns = new Map<NodeAddress, number>();

  get length(): number {
    return this.items.length - this.head;
  }

  /** The least priority that waits; infinite: nothing does. */
  get lowest(): number {
    return this.length === 0
      ? Number.POSITIVE_INFINITY
      : this.items[this.items.length - 1]!.priority;
  }

  peek(): QueuedPacket | undefined {
    return this.items[this.head];
  }

  push(packet: QueuedPacket): void {
    packet.turn = Math.max(this.turnNow, this.turns.get(packet.destination) ?? 0) + 1;
    this.turns.set(packet.destination, packet.turn);
    const { items } = this;
    this.bytes += packet.length;
    let low = this.head;
    let high = items.length;
    if (high === low || compare(items[high - 1]!, packet) <= 0) {
      items.push(packet);
      return;
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(items[middle]!, packet) <= 0) low = middle + 1;
      else high = middle;
    }
    items.splice(low, 0, packet);
  }

  shift(): QueuedPacket | undefined {
    const packet = this.items[this.head];
    if (packet === undefined) return undefined;
    this.head++;
    this.turnNow = packet.turn;
    if (this.head >= COMPACT_AT && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return this.left(packet);
  }

  /** Takes out a packet that waits here. */
  remove(packet: QueuedPacket): void {
    const { items } = this;
    let low = this.head;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(items[middle]!, packet) < 0) low = middle + 1;
      else high = middle;
    }
    // Equal are packets for several destinations in one turn.
    const at = items.indexOf(packet, low);
    if (at === this.head) this.head++;
    else items.splice(at, 1);
    this.left(packet);
  }

  /** Takes out what is worth least. */
  pushOut(): QueuedPacket | undefined {
    const { items } = this;
    const last = items[items.length - 1];
    if (this.length === 0 || last === undefined) return undefined;
    if (last.recovery !== RECOVERY_PRIORITY) {
      items.pop();
      return this.left(last);
    }
    let low = this.head;
    let high = items.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (items[middle]!.priority > last.priority) low = middle + 1;
      else high = middle;
    }
    const oldest = items[low]!;
    if (low === this.head) this.head++;
    else items.splice(low, 1);
    return this.left(oldest);
  }

  private left(packet: QueuedPacket): QueuedPacket {
    this.bytes -= packet.length;
    if (this.length === 0) {
      this.items.length = 0;
      this.head = 0;
      this.turnNow = 0;
      this.turns.clear();
    }
    return packet;
  }
}
