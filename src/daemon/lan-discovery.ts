/**
 * Finds other members on the local network, so that the nodes of one site keep one performance database
 * between them without being told of each other. Every ten seconds this node says to a multicast group
 * which network it is of and at which port; who says the same is a peer (`lan-peers.ts`). To a peer that
 * is a member and has no link with this node one is opened; samples go over links, to peers that are
 * members, and are taken from nobody else.
 *
 * Without a network, without multicast or without peers nothing is shared and nothing fails: the group
 * is tried again with the next announcement.
 */
import { Counters, type NodeAddress, toHex } from '../kernel/index.ts';
import type { NeighbourOptions } from '../node/index.ts';
import { MulticastGroup } from '../underlay/index.ts';
import { decodeLanAnnouncement, encodeLanAnnouncement } from '../wire/index.ts';
import type { LanConfig } from './config.ts';
import { LAN_ANNOUNCE_MS, LanPeers } from './lan-peers.ts';
import type { Logger } from './log.ts';

const SPREAD = 0.2;
/** A new peer hears of this node this soon. */
const ANSWER_MS = 200;

export interface LanDiscoveryOptions {
  readonly config: Pick<LanConfig, 'group' | 'interface'>;
  readonly self: { readonly address: NodeAddress; readonly networkId: Uint8Array };
  /** Place of the IPv4 socket that members reach this node at, and its port; undefined: there is none. */
  readonly local: { readonly place: number; readonly port: number } | undefined;
  /** Undefined for who is no member. */
  readonly memberName: (address: NodeAddress) => string | undefined;
  readonly isLinked: (name: string) => boolean;
  /** Members to share the performance database with. */
  readonly share: (peers: readonly NodeAddress[]) => void;
  /** Members to have a link with. */
  readonly introduce: (neighbours: readonly NeighbourOptions[]) => void;
  readonly log: Logger;
}

export class LanDiscovery {
  private readonly options: LanDiscoveryOptions;
  private readonly peers: LanPeers;
  private readonly tally = new Counters();
  private readonly announcement: Uint8Array | undefined;
  /** Members that have no link but by this introduction. */
  private readonly introduced = new Set<NodeAddress>();
  private told = '';
  private group: MulticastGroup | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isAnswering = false;
  private isClosed = false;

  constructor(options: LanDiscoveryOptions) {
    this.options = options;
    const { self, local } = options;
    this.peers = new LanPeers({ address: self.address, networkId: toHex(self.networkId) });
    this.announcement =
      local === undefined ? undefined : encodeLanAnnouncement({ ...self, port: local.port });
  }

  start(): void {
    if (this.announcement === undefined)
      this.options.log.warn(
        {},
        '`lan.discover` needs an IPv4 address in `listen`: nothing is found',
      );
    else this.announce();
  }

  counters(): Readonly<Record<string, number>> {
    return this.tally.snapshot();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.group?.close();
  }

  private announce(): void {
    this.isAnswering = false;
    this.peers.expire(performance.now());
    this.settle();
    this.group ??= this.join();
    this.group.send(this.announcement!);
    this.arm(LAN_ANNOUNCE_MS * (1 + SPREAD * (Math.random() - 0.5)));
  }

  private arm(ms: number): void {
    clearTimeout(this.timer);
    if (!this.isClosed) this.timer = setTimeout(() => this.announce(), ms).unref();
  }

  private join(): MulticastGroup {
    const { config, log } = this.options;
    return new MulticastGroup({
      group: config.group.host,
      port: config.group.port,
      interface: config.interface,
      receive: (bytes, host) => this.receive(bytes, host),
      failed: (reason) => {
        this.group = undefined;
        this.tally.add('lan.group-failed');
        log.warn({ reason }, 'no multicast on the local network: trying again');
      },
    });
  }

  private receive(bytes: Uint8Array, host: string): void {
    const announced = decodeLanAnnouncement(bytes);
    if (announced === undefined) return this.tally.add('lan.malformed');
    const { networkId, ...rest } = announced;
    const heard = this.peers.hear(
      { ...rest, networkId: toHex(networkId) },
      host,
      performance.now(),
    );
    if (heard === 'full' || heard === 'other-network') this.tally.add(`lan.${heard}`);
    if (heard === 'new' || heard === 'known') this.settle();
    if (heard !== 'new' || this.isAnswering) return;
    this.isAnswering = true;
    this.arm(ANSWER_MS);
  }

  /** State: what the node is told follows who is there. */
  private settle(): void {
    const { memberName, isLinked, share, introduce, local, log } = this.options;
    const peers = this.peers.list().flatMap(({ address, remote }) => {
      const name = memberName(address);
      return name === undefined ? [] : [{ address, remote, name }];
    });
    for (const address of this.introduced)
      if (!peers.some((peer) => peer.address === address)) this.introduced.delete(address);
    for (const { address, name } of peers) if (!isLinked(name)) this.introduced.add(address);
    const neighbours = peers.flatMap(({ address, name, remote }) =>
      this.introduced.has(address) ? [{ name, remotes: [remote], local: local!.place }] : [],
    );
    const told = JSON.stringify([peers.map(({ address }) => address), neighbours]);
    if (told === this.told) return;
    this.told = told;
    log.info({ peers: peers.map(({ name }) => name) }, 'members on the local network');
    share(peers.map(({ address }) => address));
    introduce(neighbours);
  }
}
