/**
 * The routes that a socket's packets carry, by its routing scheme. `best`: none, each node decides.
 * `explicit`: the one given, which must lead to the destination. `pinned`: the best one when the first
 * packet left, for as long as the socket lives and whatever happens to it since. `metric`: chosen for
 * this flow, and renewed by whoever chose it.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { ChosenRoute } from '../routing/index.ts';
import type { PacketService, RouteBlock } from '../wire/index.ts';
import { PATH_HOPS_MAX, pathBlock, ROUTE_NONE, SERVICE_DEFAULT } from '../wire/index.ts';
import type { FlowRouting, PacketOutlet } from './socket-types.ts';

/** Destinations of one socket whose routes are kept. Overflow: the oldest is pinned anew. */
export const PINNED_ROUTES_MAX = 256;

/** What of a flow its routes depend on. */
export interface FlowIdentity {
  readonly lane?: number;
  readonly service?: Readonly<PacketService>;
  /** Tells this flow from others of the node. */
  readonly key?: number;
}

export class FlowRoutes {
  private readonly routing: FlowRouting;
  private readonly network: PacketOutlet;
  private given: RouteBlock | undefined;
  private readonly flow: FlowIdentity;
  private readonly pinned = new Map<NodeAddress, RouteBlock>();
  private readonly chosen = new Map<NodeAddress, ChosenRoute>();

  constructor(routing: FlowRouting | undefined, network: PacketOutlet, flow: FlowIdentity = {}) {
    this.flow = flow;
    this.routing = routing ?? { scheme: 'best' };
    this.network = network;
  }

  /** Undefined: no way to the destination by this scheme. */
  routeTo(destination: NodeAddress, port?: number): RouteBlock | undefined {
    const { routing } = this;
    if (routing.scheme === 'best') return this.network.defaultRoute(destination, this.lane);
    if (routing.scheme === 'explicit')
      return routing.route[routing.route.length - 1] === destination
        ? this.explicit(routing.route)
        : undefined;
    if (routing.scheme === 'metric') return this.byMetric(routing, destination, port);
    const known = this.pinned.get(destination);
    if (known !== undefined) return known;
    const route = this.bestNow(destination);
    if (route === undefined) return undefined;
    if (this.pinned.size >= PINNED_ROUTES_MAX)
      for (const oldest of this.pinned.keys()) {
        this.pinned.delete(oldest);
        break;
      }
    this.pinned.set(destination, route);
    return route;
  }

  /** The socket is closed: nobody needs to keep its routes up to date. */
  release(): void {
    for (const chosen of this.chosen.values()) this.network.releaseRoute(chosen);
    this.chosen.clear();
  }

  private get lane(): number {
    return this.flow.lane ?? 0;
  }

  private bestNow(destination: NodeAddress): RouteBlock | undefined {
    const stamped = this.network.defaultRoute(destination, this.lane);
    if (stamped?.form !== ROUTE_NONE) return stamped;
    const hops = this.network.pinnedRoute(destination);
    if (hops === undefined || hops.length === 0 || hops.length > PATH_HOPS_MAX) return undefined;
    return pathBlock(hops);
  }

  private byMetric(
    routing: FlowRouting & { readonly scheme: 'metric' },
    destination: NodeAddress,
    port: number | undefined,
  ): RouteBlock | undefined {
    let chosen = this.chosen.get(destination);
    if (chosen?.isLive !== true) {
      if (this.chosen.size >= PINNED_ROUTES_MAX) this.release();
      chosen = this.network.chooseRoute({
        destination,
        lane: this.lane,
        metric: routing.metric,
        hops: routing.hops ?? 'any',
        isSpread: routing.isSpread ?? false,
        service: this.flow.service ?? SERVICE_DEFAULT,
        key: this.flow.key ?? 0,
        ...(port === undefined ? {} : { port }),
      });
      this.chosen.set(destination, chosen);
    }
    chosen.uses++;
    return chosen.route;
  }

  private explicit(hops: readonly NodeAddress[]): RouteBlock {
    this.given ??= pathBlock(hops);
    return this.given;
  }
}

export const isRoutingSound = (routing: FlowRouting | undefined): boolean =>
  routing?.scheme !== 'explicit' ||
  (routing.route.length > 0 && routing.route.length <= PATH_HOPS_MAX);
