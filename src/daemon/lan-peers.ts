/**
 * Members heard on the local network: soft state. Who has not been heard for three announcements is
 * forgotten; who comes when there are enough is refused. What is announced is not believed: a peer is one
 * only once the directory of members knows its address, and what goes to it goes over a link.
 */
import type { NodeAddress, UnderlayAddress } from '../kernel/index.ts';
import { underlayAddress } from '../kernel/index.ts';
import type { LanAnnouncement } from '../wire/index.ts';

export const LAN_PEERS_MAX = 32;
export const LAN_ANNOUNCE_MS = 10_000;
const LIFE_MS = 3.5 * LAN_ANNOUNCE_MS;

export interface LanPeer {
  readonly address: NodeAddress;
  readonly remote: UnderlayAddress;
}

/** `new`: it should hear of this node soon. */
export type Heard = 'new' | 'known' | 'own' | 'other-network' | 'full';

export class LanPeers {
  private readonly self: { readonly address: NodeAddress; readonly networkId: string };
  private readonly peers = new Map<NodeAddress, LanPeer & { heardAt: number }>();

  /** `networkId` in hexadecimal. */
  constructor(self: { readonly address: NodeAddress; readonly networkId: string }) {
    this.self = self;
  }

  /** `host`: where the datagram came from; `nowMs` of a clock that only goes forward. */
  hear(
    announced: Omit<LanAnnouncement, 'networkId'> & { networkId: string },
    host: string,
    nowMs: number,
  ): Heard {
    const { address, port, networkId } = announced;
    if (networkId !== this.self.networkId) return 'other-network';
    if (address === this.self.address) return 'own';
    const isNew = !this.peers.has(address);
    if (isNew && this.peers.size >= LAN_PEERS_MAX) return 'full';
    this.peers.set(address, { address, remote: underlayAddress(host, port), heardAt: nowMs });
    return isNew ? 'new' : 'known';
  }

  /** Forgets the silent. */
  expire(nowMs: number): void {
    for (const [address, { heardAt }] of this.peers)
      if (nowMs - heardAt > LIFE_MS) this.peers.delete(address);
  }

  /** Ascending by address. */
  list(): readonly LanPeer[] {
    return [...this.peers.values()].sort((a, b) => a.address - b.address);
  }
}
