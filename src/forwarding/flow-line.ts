/**
 * The packets of one flow that must not be lost and wait for one link, in the order they came. A line
 * is never pushed out of: above its mark the node tells whoever brings its packets to hold back
 * (`back-pressure.ts`), below half of it to go on.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { RECOVERY_FAIR_RELIABLE } from '../wire/index.ts';
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

export class FlowLine implements FlowName {
  readonly source: NodeAddress;
  readonly destination: NodeAddress;
  readonly flow: number;
  readonly key: number;
  bytes = 0;
  /** The neighbour has no room for this flow at the moment. */
  isPaused = false;
  private items: QueuedPacket[] = [];
  private head = 0;

  constructor(name: FlowName, key: number) {
    this.source = name.source;
    this.destination = name.destination;
    this.flow = name.flow;
    this.key = key;
  }

  get length(): number {
    return this.items.length - this.head;
  }

  peek(): QueuedPacket | undefined {
    return this.items[this.head];
  }

  push(packet: QueuedPacket): void {
    this.items.push(packet);
    this.bytes += packet.length;
  }

  /** Takes out a packet that waits here. */
  remove(packet: QueuedPacket): void {
    this.items.splice(this.items.indexOf(packet, this.head), 1);
    this.bytes -= packet.length;
  }

  /** Takes out all that `isWanted` is false of. */
  sift(isWanted: (packet: QueuedPacket) => boolean): QueuedPacket[] {
    const out: QueuedPacket[] = [];
    const left: QueuedPacket[] = [];
    for (const packet of this.items.slice(this.head)) (isWanted(packet) ? left : out).push(packet);
    if (out.length === 0) return out;
    this.items = left;
    this.head = 0;
    for (const { length } of out) this.bytes -= length;
    return out;
  }

  shift(): QueuedPacket | undefined {
    const packet = this.items[this.head];
    if (packet === undefined) return undefined;
    this.head++;
    this.bytes -= packet.length;
    if (this.head >= COMPACT_AT && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return packet;
  }
}
