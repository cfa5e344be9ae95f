/** Copies of flooded packets that wait for one link, by name: one whose neighbour has it is taken out. */
import type { NodeAddress } from '../kernel/index.ts';
import type { QueuedPacket } from './packet-line.ts';

export interface FloodName {
  readonly source: NodeAddress;
  readonly epoch: number;
  readonly flow: number;
  readonly sequence: number;
}

/** Exact in a double: 48 bits. */
const flowOf = ({ source, flow }: FloodName): number => source * 0x1_0000 + flow;

export class FloodIndex {
  private readonly flows = new Map<number, Map<number, QueuedPacket>>();

  add(packet: QueuedPacket): void {
    const key = flowOf(packet);
    const known = this.flows.get(key);
    if (known !== undefined) known.set(packet.sequence, packet);
    else this.flows.set(key, new Map([[packet.sequence, packet]]));
  }

  find(name: FloodName): QueuedPacket | undefined {
    const packet = this.flows.get(flowOf(name))?.get(name.sequence);
    return packet?.epoch === name.epoch ? packet : undefined;
  }

  delete(packet: QueuedPacket): void {
    const key = flowOf(packet);
    const known = this.flows.get(key);
    // A packet taken back goes out in a new lap, and may stand here twice.
    if (known?.get(packet.sequence) !== packet) return;
    known.delete(packet.sequence);
    if (known.size === 0) this.flows.delete(key);
  }
}
