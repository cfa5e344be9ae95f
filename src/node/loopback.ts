/** A packet that a node sends to itself: it never becomes bytes, and has the header it would have had. */
import type { OutgoingPacket } from '../forwarding/index.ts';
import type { DataHeader } from '../wire/index.ts';
import { blankDataHeader, copyService, HOP_LIMIT_DEFAULT } from '../wire/index.ts';

export interface LoopbackPacket {
  readonly header: DataHeader;
  readonly payload: Uint8Array;
}

export function loopbackPacket(
  packet: OutgoingPacket,
  payload: Uint8Array,
  epoch: number,
): LoopbackPacket {
  const header = blankDataHeader();
  header.source = packet.destination;
  header.destination = packet.destination;
  header.epoch = epoch;
  header.flow = packet.flow;
  header.sequence = packet.sequence;
  header.lane = packet.lane;
  header.kind = packet.kind;
  header.hopLimit = packet.hopLimit ?? HOP_LIMIT_DEFAULT;
  copyService(packet.service, header);
  return { header, payload: payload.slice() };
}
