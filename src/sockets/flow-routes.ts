/**
 * The routes that a socket's packets carry, by its routing scheme. `best`: none, each node decides.
 * `explicit`: the one given, which must lead to the destination. `pinned`: the best one when the first
 * packet left, for as long as the socket lives and whatever happens to it since.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { RouteBlock } from '../wire/index.ts';
import { NO_ROUTE, PATH_HOPS_MAX, pathBlock } from '../wire/index.ts';
import type { FlowRouting, PacketOutlet } from './socket-types.ts';

/** Destinations of one socket whose routes are kept. Overflow: the oldest is pinned anew. */
export const PINNED_ROUTES_MAX = 256;

export class FlowRoutes {
  private readonly routing: FlowRouting;
  private readonly network: PacketOutlet;
  private given: RouteBlock | undefined;
  private readonly pinned = new Map<NodeAddress, RouteBlock>();

  constructor(routing: FlowRouting | undefined, network: PacketOutlet) {
    this.routing = routing ?? { scheme: 'best' };
    this.network = network;
  }

  /** Undefined: no way to the destination by this scheme. */
  routeTo(destination: NodeAddress): RouteBlock | undefined {
    const { routing } = this;
    if (routing.scheme === 'best') return NO_ROUTE;
    if (routing.scheme === 'explicit')
      return routing.route[routing.route.length - 1] === destination
        ? this.explicit(routing.route)
        : undefined;
    const known = this.pinned.get(destination);
    if (known !== undefined) return known;
    const hops = this.network.pinnedRoute(destination);
    if (hops === undefined || hops.length === 0 || hops.length > PATH_HOPS_MAX) return undefined;
    const route = pathBlock(hops);
    if (this.pinned.size >= PINNED_ROUTES_MAX)
      for (const oldest of this.pinned.keys()) {
        this.pinned.delete(oldest);
        break;
      }
    this.pinned.set(destination, route);
    return route;
  }

  private explicit(hops: readonly NodeAddress[]): RouteBlock {
    this.given ??= pathBlock(hops);
    return this.given;
  }
}

export const isRoutingSound = (routing: FlowRouting | undefined): boolean =>
  routing?.scheme !== 'explicit' ||
  (routing.route.length > 0 && routing.route.length <= PATH_HOPS_MAX);
