/**
 * Packets that start at this node: to itself over a queue, so that nothing is delivered within the
 * call that sent it, and to others through the forwarder, with the route that policy asks for.
 */
import type { Forwarder, ForwardOutcome, OutgoingPacket } from '../forwarding/index.ts';
import type { Instant, NodeAddress } from '../kernel/index.ts';
import { BoundedQueue } from '../kernel/index.ts';
import type { LinkStateRouting } from '../routing/index.ts';
import { PATH_HOPS_MAX, ROUTE_NONE } from '../wire/index.ts';
import type { LoopbackPacket } from './loopback.ts';
import { loopbackPacket } from './loopback.ts';

/** A packet to this very node waits here until the call that sent it is over. */
const LOOPBACK_PACKETS_MAX = 1024;

export interface OwnPacketsOptions {
  readonly self: NodeAddress;
  readonly epoch: number;
  readonly routing: LinkStateRouting;
  readonly forwarder: Forwarder;
}

export class OwnPackets {
  /** Overflow: refused as unreachable. */
  readonly loopback: BoundedQueue<LoopbackPacket> = new BoundedQueue({
    capacity: LOOPBACK_PACKETS_MAX,
    overflow: 'reject',
  });
  private readonly options: OwnPacketsOptions;

  constructor(options: OwnPacketsOptions) {
    this.options = options;
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
    const { routing, forwarder } = this.options;
    const { choice } = routing;
    if (choice.policy.isOpen || packet.route.form !== ROUTE_NONE)
      return forwarder.send(packet, payload, now);
    const route = choice.defaultRoute(packet.destination, packet.lane);
    return route === undefined ? 'unreachable' : forwarder.send({ ...packet, route }, payload, now);
  }
}
