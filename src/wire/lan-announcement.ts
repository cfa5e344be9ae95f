/**
 * How members on one local network find each other: a datagram to a multicast group, in the clear. It
 * proves nothing and promises nothing. Who hears it learns an address to open a link to, and the
 * handshake of the link shows whether a member answers there. Where it is comes from the datagram's own source.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   |   0x4f766c61 ("Ovla")                                         |  0
 *   +---------------+---------------+-------------------------------+
 *   | version, 1    | zero          | UDP port of the overlay       |  4
 *   +---------------+---------------+-------------------------------+
 *   |   overlay address                                             |  8
 *   +---------------------------------------------------------------+
 *   |   network id (16)                                             | 12
 *   +---------------------------------------------------------------+
 */
import type { NodeAddress } from '../kernel/index.ts';
import { ByteReader, ByteWriter, isNodeAddress } from '../kernel/index.ts';

export const LAN_ANNOUNCEMENT_BYTES = 28;
const MAGIC = 0x4f76_6c61;
const VERSION = 1;
const NETWORK_ID_BYTES = 16;

export interface LanAnnouncement {
  readonly address: NodeAddress;
  /** 1 .. 65535. */
  readonly port: number;
  /** 16 bytes. */
  readonly networkId: Uint8Array;
}

export const encodeLanAnnouncement = (announcement: LanAnnouncement): Uint8Array =>
  new ByteWriter(LAN_ANNOUNCEMENT_BYTES)
    .u32(MAGIC)
    .u8(VERSION)
    .u8(0)
    .u16(announcement.port)
    .u32(announcement.address)
    .raw(announcement.networkId)
    .finish();

/** Undefined for anything but one whole announcement of this version. */
export function decodeLanAnnouncement(bytes: Uint8Array): LanAnnouncement | undefined {
  const r = new ByteReader(bytes);
  const isOurs = r.u32() === MAGIC && r.u8() === VERSION && r.u8() === 0;
  const port = r.u16();
  const address = r.u32();
  const networkId = r.copy(NETWORK_ID_BYTES);
  if (!r.finish() || !isOurs || port === 0 || !isNodeAddress(address)) return undefined;
  return { address, port, networkId };
}
