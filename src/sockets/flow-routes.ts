/**
 * The routes that a socket's packets carry, by its routing scheme and destination.
 *
 * `best`: none, each node decides, or what policy stamps. `flood`: to every neighbour at every node.
 * `explicit`: the one given, which must lead to the destination. `pinned`: the best one when the first
 * packet left, for as long as the socket lives and whatever happens to it since. Both only where policy
 * permits all of it: a node on the way would drop what it does not. `metric`: chosen for
 * this flow, and renewed by whoever chose it. The others are dissemination graphs, made for the flow's
 * deadline and asked for again whenever the network's state has moved on: a number is compared for
 * each packet, nothing is computed.
 *
 * A flow with a reserved rate has that on the links of one path: while it does, its packets bear the path even
 * where they would bear none, so that no node on the way sends them where nothing is reserved.
 */
import { DISJOINT_PATHS_MAX } from '../forwarding/index.ts';
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { between } from '../kernel/index.ts';
import type { ChosenRoute, DisseminationPlan, DisseminationRequest } from '../routing/index.ts';
import type { PacketService, RouteBlock } from '../wire/index.ts';
import {
  FLOOD_ROUTE,
  PATH_HOPS_MAX,
  pathBlock,
  pathHop,
  ROUTE_NONE,
  SERVICE_DEFAULT,
} from '../wire/index.ts';
import type { FlowRouting, GraphStatus, PacketOutlet, SocketRefusal } from './socket-types.ts';

/** Destinations of one socket whose routes are kept. Overflow: the oldest is made anew. */
export const FLOW_ROUTES_MAX = 256;

/** What of a flow its routes depend on. */
export interface FlowIdentity {
  readonly lane?: number;
  readonly service?: Readonly<PacketService>;
  /** Tells this flow from others of the node. */
  readonly key?: number;
}

/** What tells a flow's packets apart, and where they go now; undefined: no way. */
export interface FlowRoute {
  readonly flow: number;
  readonly route: RouteBlock | undefined;
  /** Where its routes come from; undefined: it was opened by the other end. */
  readonly routes: FlowRoutes | undefined;
}

/** A route that stays the same. */
interface Fixed {
  readonly route: RouteBlock;
  readonly path: readonly NodeAddress[];
  version: number;
  isPermitted: boolean;
}

interface Planned {
  version: number;
  /** Undefined: no way to the destination at that time. */
  plan: DisseminationPlan | undefined;
}

export class FlowRoutes {
  readonly routing: FlowRouting;
  private readonly network: PacketOutlet;
  private readonly flow: FlowIdentity;
  private readonly fixed = new Map<NodeAddress, Fixed>();
  private readonly chosen = new Map<NodeAddress, ChosenRoute>();
  private readonly planned = new Map<NodeAddress, Planned>();
  /** Bits a second, where any are reserved. */
  private readonly rates = new Map<NodeAddress, number>();

  constructor(routing: FlowRouting | undefined, network: PacketOutlet, flow: FlowIdentity = {}) {
    this.flow = flow;
    this.routing = routing ?? { scheme: 'best' };
    this.network = network;
  }

  /** Undefined: no way to the destination by this scheme. */
  routeTo(destination: NodeAddress, port?: number): RouteBlock | undefined {
    const { routing } = this;
    switch (routing.scheme) {
      case 'best':
        if (this.rates.size > 0 && this.rates.has(destination))
          return (
            this.byMetric(KEPT_PATH, destination, port) ??
            this.network.defaultRoute(destination, this.lane)
          );
        return this.network.defaultRoute(destination, this.lane);
      case 'flood':
        return FLOOD_ROUTE;
      case 'explicit':
        return routing.route[routing.route.length - 1] === destination
          ? this.fixedTo(destination, () => routing.route)
          : undefined;
      case 'metric':
        return this.byMetric(routing, destination, port);
      case 'pinned':
        return this.fixedTo(destination, () => this.bestNow(destination));
      default:
        return this.planTo(destination)?.route;
    }
  }

  /** Whether the route is a dissemination graph. */
  get isGraph(): boolean {
    const { scheme } = this.routing;
    return scheme === 'disjoint' || scheme === 'targeted' || scheme === 'time-constrained';
  }

  /** Destinations that this socket has sent to along a graph, with that of the last packet. */
  graphs(now: Instant): { request: DisseminationRequest; graph: GraphStatus }[] {
    const found: { request: DisseminationRequest; graph: GraphStatus }[] = [];
    for (const [destination, { plan }] of this.planned)
      if (plan !== undefined)
        found.push({ request: this.requestFor(destination), graph: statusOf(plan, now) });
    return found;
  }

  /** The route that is chosen for packets to a destination, where one is. */
  chosenTo(destination: NodeAddress): ChosenRoute | undefined {
    const chosen = this.chosen.get(destination);
    return chosen?.isLive === true ? chosen : undefined;
  }

  /** So much is reserved for packets to a destination, bits a second; 0: nothing any more. */
  reserve(destination: NodeAddress, rate: number): void {
    if (rate > 0) this.rates.set(destination, rate);
    else this.rates.delete(destination);
    const chosen = this.chosen.get(destination);
    if (chosen === undefined) return;
    chosen.rate = rate;
    if (rate > 0 || this.routing.scheme !== 'best') return;
    this.network.releaseRoute(chosen);
    this.chosen.delete(destination);
  }

  /** The socket is closed: nobody needs to keep its routes up to date. */
  release(): void {
    for (const chosen of this.chosen.values()) this.network.releaseRoute(chosen);
    this.chosen.clear();
  }

  private get lane(): number {
    return this.flow.lane ?? 0;
  }

  private planTo(destination: NodeAddress): DisseminationPlan | undefined {
    const version = this.network.graphVersion();
    const known = this.planned.get(destination);
    if (known !== undefined && known.version === version) return known.plan;
    const plan = this.network.graph(this.requestFor(destination));
    if (known === undefined) {
      forgetOldest(this.planned);
      this.planned.set(destination, { version, plan });
    } else {
      known.version = version;
      known.plan = plan;
    }
    return plan;
  }

  private requestFor(destination: NodeAddress): DisseminationRequest {
    const { routing, lane } = this;
    const deadline = this.flow.service?.deadline ?? (0 as Duration);
    if (routing.scheme === 'disjoint')
      return { destination, lane, scheme: 'disjoint', paths: routing.paths, deadline };
    const scheme = routing.scheme === 'time-constrained' ? 'time-constrained' : 'targeted';
    return { destination, lane, scheme, deadline };
  }

  /** State: `find` is asked once for each destination, permission whenever the network has changed. */
  private fixedTo(
    destination: NodeAddress,
    find: () => readonly NodeAddress[] | undefined,
  ): RouteBlock | undefined {
    const version = this.network.graphVersion();
    let known = this.fixed.get(destination);
    if (known === undefined) {
      const path = find();
      if (path === undefined || !isWithin(path.length, PATH_HOPS_MAX)) return undefined;
      known = { route: pathBlock(path), path, version: -1, isPermitted: false };
      forgetOldest(this.fixed);
      this.fixed.set(destination, known);
    }
    if (known.version !== version) {
      known.version = version;
      known.isPermitted = this.network.permitsPath(destination, this.lane, known.path);
    }
    return known.isPermitted ? known.route : undefined;
  }

  private bestNow(destination: NodeAddress): readonly NodeAddress[] | undefined {
    const stamped = this.network.defaultRoute(destination, this.lane);
    if (stamped === undefined) return undefined;
    return stamped.form === ROUTE_NONE ? this.network.pinnedRoute(destination) : pathOf(stamped);
  }

  private byMetric(
    routing: MetricRouting,
    destination: NodeAddress,
    port: number | undefined,
  ): RouteBlock | undefined {
    let chosen = this.chosen.get(destination);
    if (chosen?.isLive !== true) {
      if (this.chosen.size >= FLOW_ROUTES_MAX) this.release();
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
      chosen.rate = this.rates.get(destination) ?? 0;
      this.chosen.set(destination, chosen);
    }
    chosen.uses++;
    return chosen.route;
  }
}

type MetricRouting = FlowRouting & { readonly scheme: 'metric' };

/** As the network's routes, but chosen for the flow. */
const KEPT_PATH: MetricRouting = { scheme: 'metric', metric: { kind: 'default' } };

/** What is wrong with a flow's routing, before its destination is known; undefined: nothing. */
export function routingFault(flow: {
  readonly routing?: FlowRouting;
  readonly service?: Readonly<PacketService>;
}): SocketRefusal | undefined {
  const { routing, service } = flow;
  switch (routing?.scheme) {
    case 'explicit':
      return isWithin(routing.route.length, PATH_HOPS_MAX) ? undefined : 'bad-argument';
    case 'disjoint':
      return isWithin(routing.paths, DISJOINT_PATHS_MAX) ? undefined : 'bad-argument';
    case 'time-constrained':
      return (service?.deadline ?? 0) > 0 ? undefined : 'deadline-missing';
    default:
      return undefined;
  }
}

/** Whether the flow's deadline can be kept at all: not when light itself would be late. */
export function deadlineFault(
  to: NodeAddress,
  { service, lane = 0 }: FlowIdentity,
  network: PacketOutlet,
): SocketRefusal | undefined {
  const deadline = service?.deadline ?? 0;
  const least = deadline > 0 ? network.leastLatency(to, lane) : undefined;
  return least !== undefined && least > deadline ? 'deadline-too-short' : undefined;
}

const pathOf = ({ bytes }: RouteBlock): NodeAddress[] =>
  Array.from({ length: bytes.length / 4 }, (_, i) => pathHop(bytes, 0, i));

const isWithin = (n: number, most: number): boolean => Number.isInteger(n) && n >= 1 && n <= most;

const statusOf = (plan: DisseminationPlan, now: Instant): GraphStatus => ({
  kind: plan.kind,
  edges: plan.edges,
  paths: plan.paths,
  isShort: plan.isShort,
  latency: plan.latency,
  isInTime: plan.isInTime,
  since: between(plan.since, now),
  cause: plan.cause,
  switches: plan.switches,
});

function forgetOldest(map: Map<NodeAddress, unknown>): void {
  if (map.size < FLOW_ROUTES_MAX) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
