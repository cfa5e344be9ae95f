/** A value for each packet name, found without building a string for it. */
import type { PacketName } from '../../node/index.ts';

const FLOWS = 0x1_0000;

export class PacketTable<V> {
  /** Source -> epoch and flow -> sequence. */
  private readonly sources = new Map<number, Map<number, Map<number, V>>>();

  get(packet: PacketName): V | undefined {
    return this.packets(packet).get(packet.sequence);
  }

  set(packet: PacketName, value: V): void {
    this.packets(packet).set(packet.sequence, value);
  }

  private packets({ source, epoch, flow }: PacketName): Map<number, V> {
    let flows = this.sources.get(source);
    if (flows === undefined) {
      flows = new Map();
      this.sources.set(source, flows);
    }
    const key = epoch * FLOWS + flow;
    let packets = flows.get(key);
    if (packets === undefined) {
      packets = new Map();
      flows.set(key, packets);
    }
    return packets;
  }
}
