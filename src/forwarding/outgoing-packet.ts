/** A packet that starts at this node, without its payload. */
import type { NodeAddress } from '../kernel/index.ts';
import type { PacketService, RouteBlock } from '../wire/index.ts';

export interface OutgoingPacket {
  readonly destination: NodeAddress;
  readonly kind: number;
  readonly lane: number;
  readonly hopLimit?: number;
  readonly flow: number;
  readonly sequence: number;
  readonly service: Readonly<PacketService>;
  readonly route: RouteBlock;
  /** Of the proof that its payload ends with. Absent: it is not signed. */
  readonly proofWords?: number;
}

export type ForwardOutcome = 'sent' | 'unreachable' | 'too-big';
