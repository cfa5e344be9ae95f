/**
 * Packets that start at this node: to itself over a queue, so that nothing is delivered within the
 * call that sent it, and to others through the forwarder, with the route that policy asks for.
 */
import type { Forwarder, ForwardOutcome, OutgoingPacket } from '../forwarding/index.ts';
import { SourceSigner } from '../forwarding/index.ts';
import type { Crypto, Instant, NodeAddress } from '../kernel/index.ts';
import { BoundedQueue } from '../kernel/index.ts';
import type { LinkStateRouting } from '../routing/index.ts';
import type { TrustStore } from '../security/index.ts';
import type { PacketOutlet } from '../sockets/index.ts';
import { PATH_HOPS_MAX, ROUTE_NONE } from '../wire/index.ts';
import type { NodeIdentity } from './contract.ts';
import type { NodeDeliveries } from './deliveries.ts';
import type { LoopbackPacket } from './loopback.ts';
import { loopbackPacket } from './loopback.ts';
import type { NodeRelays } from './relays.ts';

/** A packet to this very node waits here until the call that sent it is over. */
const LOOPBACK_PACKETS_MAX = 1024;

export interface OwnPacketsOptions {
  readonly self: NodeAddress;
  readonly epoch: number;
  readonly routing: LinkStateRouting;
  readonly forwarder: Forwarder;
  readonly crypto: Crypto;
  readonly identity: Pick<NodeIdentity, 'signingSeed'>;
  readonly trust: TrustStore;
}

/** What the socket layer is shown besides. */
export interface OwnSurroundings {
  readonly deliveries: NodeDeliveries;
  readonly relays: NodeRelays;
  readonly leastLatency: NonNullable<PacketOutlet['leastLatency']>;
  readonly now: () => Instant;
}

export class OwnPackets {
  /** Overflow: refused as unreachable. */
  readonly loopback: BoundedQueue<LoopbackPacket> = new BoundedQueue({
    capacity: LOOPBACK_PACKETS_MAX,
    overflow: 'reject',
  });
  /** Packets of signed flows go through here. */
  readonly signer: SourceSigner;
  private readonly options: OwnPacketsOptions;

  constructor(options: OwnPacketsOptions) {
    this.options = options;
    const { self, crypto, identity, trust, forwarder } = options;
    this.signer = new SourceSigner({
      self,
      crypto,
      signer: crypto.signer(identity.signingSeed),
      networkId: trust.networkId,
      headerOf: (packet) => forwarder.headerOf(packet),
      send: (packet, payload, now) => {
        forwarder.send(packet, payload, now);
      },
    });
  }

  /** The packet path as the socket layer sees it. */
  network({ deliveries, relays, leastLatency, now }: OwnSurroundings): PacketOutlet {
    const { self, routing } = this.options;
    const { choice, dissemination } = routing;
    return {
      send: (packet, payload, at) => this.send(packet, payload, at),
      isFull: (packet, at) => deliveries.isFull(packet, at),
      pinnedRoute: (address) => routing.path(address),
      defaultRoute: (address, lane) => relays.defaultRoute(address, lane),
      chooseRoute: (spec) => choice.chooser.open({ ...spec, key: (spec.key ^ self) >>> 0 }),
      releaseRoute: (route) => choice.chooser.close(route),
      graphVersion: () => dissemination.version,
      graph: (request) => dissemination.plan(request, now()),
      leastLatency,
      permitsPath: (to, lane, path) => choice.permitsPath(to, lane, path),
    };
  }

  send(packet: OutgoingPacket, payload: Uint8Array, now: Instant): ForwardOutcome {
    const { self, epoch } = this.options;
    if (packet.destination !== self) return this.sendAway(packet, payload, now);
    return this.loopback.push(loopbackPacket(packet, payload, epoch)) ? 'sent' : 'unreachable';
  }

  isReachable(address: NodeAddress, lane: number): boolean {
    const { self, routing } = this.options;
    if (address === self) return true;
    const route = routing.choice.defaultRoute(address, lane);
    if (route === undefined) return false;
    return route.form !== ROUTE_NONE || routing.nextHop(address) !== 0;
  }

  /** Where policy may stamp a route on packets that left room for none, the room is kept. */
  pathMtu(address: NodeAddress): number {
    const { routing } = this.options;
    const mtu = routing.pathMtu(address);
    const least = routing.choice.chooser.mtuTo(address);
    const tightest = Math.min(mtu || least, least || mtu);
    return routing.choice.policy.isOpen ? tightest : Math.max(0, tightest - 4 * PATH_HOPS_MAX);
  }

  /** Control packets and answers ask for no route: policy may give them one here. */
  private sendAway(packet: OutgoingPacket, payload: Uint8Array, now: Instant): ForwardOutcome {
    const { choice } = this.options.routing;
    if (choice.policy.isOpen || packet.route.form !== ROUTE_NONE)
      return this.leave(packet, payload, now);
    const route = choice.defaultRoute(packet.destination, packet.lane);
    return route === undefined ? 'unreachable' : this.leave({ ...packet, route }, payload, now);
  }

  private leave(packet: OutgoingPacket, payload: Uint8Array, now: Instant): ForwardOutcome {
    if (packet.service.isSigned !== true) return this.options.forwarder.send(packet, payload, now);
    this.signer.sign(packet, payload, now);
    return 'sent';
  }
}
