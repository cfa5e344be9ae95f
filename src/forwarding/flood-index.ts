/** Copies of flooded packets that wait for one link, by name: one whose neighbour has it is taken out. */
import type { NodeAddress } from '../kernel/index.ts';
import type { DataHeader } from '../wire/index.ts';
import type { QueuedPacket } from './packet-line.ts';

export interface FloodName {
  readonly source: NodeAddress;
  readonly epoch: number;
  readonly flow: number;
  readonly sequence: number;
  /** What bears a source's name unsigned is another packet than the one it has signed. */
  readonly isSigned: boolean;
}

/** Exact in a double: 49 bits. */
export const floodFlow = ({ source, flow, isSigned }: Omit<FloodName, 'sequence'>): number =>
  (isSigned ? 2 ** 48 : 0) + source * 0x1_0000 + flow;

export const floodName = (header: Readonly<DataHeader>): FloodName => ({
  source: header.source,
  epoch: header.epoch,
  flow: header.flow,
  sequence: header.sequence,
  isSigned: header.proofWords > 0,
});

export class FloodIndex {
  private readonly flows = new Map<number, Map<number, QueuedPacket>>();

  add(packet: QueuedPacket): void {
    const key = floodFlow(packet);
    const known = this.flows.get(key);
    if (known !== undefined) known.set(packet.sequence, packet);
    else this.flows.set(key, new Map([[packet.sequence, packet]]));
  }

  find(name: FloodName): QueuedPacket | undefined {
    const packet = this.flows.get(floodFlow(name))?.get(name.sequence);
    return packet?.epoch === name.epoch ? packet : undefined;
  }

  delete(packet: QueuedPacket): void {
    const key = floodFlow(packet);
    const known = this.flows.get(key);
    // A packet taken back goes out in a new lap, and may stand here twice.
    if (known?.get(packet.sequence) !== packet) return;
    known.delete(packet.sequence);
    if (known.size === 0) this.flows.delete(key);
  }
}
