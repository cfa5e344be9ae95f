/**
 * What destinations have said has arrived, by flow: copies of it that still come by go no further.
 * A destination is believed about packets to itself alone.
 *
 * Bound: `DELIVERED_KNOWN_MAX` flows. Overflow: the flow told of longest ago is forgotten, whose copies pass.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { DataHeader, DeliveredFlow } from '../wire/index.ts';
import { isDelivered } from '../wire/index.ts';

export const DELIVERED_KNOWN_MAX = 4_096;

/** 49 bits: exact in a double. */
const keyOf = (source: NodeAddress, flow: number, isSigned: boolean): number =>
  2 * (source * 0x1_0000 + flow) + (isSigned ? 1 : 0);

export class DeliveredFlows {
  private readonly known = new Map<number, { destination: NodeAddress; flow: DeliveredFlow }>();

  learn(destination: NodeAddress, flow: DeliveredFlow): void {
    const key = keyOf(flow.source, flow.flow, flow.isSigned);
    this.known.delete(key);
    this.known.set(key, { destination, flow });
    if (this.known.size > DELIVERED_KNOWN_MAX) this.known.delete(this.known.keys().next().value!);
  }

  has(header: Readonly<DataHeader>): boolean {
    const { source, destination, epoch, flow, sequence, proofWords } = header;
    const known = this.known.get(keyOf(source, flow, proofWords > 0));
    if (known?.destination !== destination || known.flow.epoch !== epoch) return false;
    return isDelivered(known.flow, sequence);
  }
}
