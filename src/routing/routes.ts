/**
 * The routes in use, one for each destination, and when and why each last changed. The packet path
 * reads `nextHop`; everything else here is for people.
 */
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { between, formatNodeAddress } from '../kernel/index.ts';
import type { Graph } from './graph.ts';
import { edgeBetween } from './graph.ts';
import type { LinkChange, NameOf } from './link-changes.ts';
import { lossInSeries } from './metric.ts';
import type { PathTree } from './shortest-paths.ts';
import { pathTo } from './shortest-paths.ts';

export interface RouteStatus {
  readonly destination: NodeAddress;
  readonly name: string;
  readonly path: readonly NodeAddress[];
  /** Expected one-way latency of the path. */
  readonly latency: Duration;
  /** Loss over the path, parts per million. */
  readonly lossPpm: number;
  /** Cost by the routing metric: latency with loss weighed in. */
  readonly cost: Duration;
  readonly since: Duration;
  readonly changes: number;
  readonly cause: string;
}

export interface RouteChange {
  readonly destination: NodeAddress;
  /** Nodes after this one, destination last; undefined: unreachable. */
  readonly before: readonly NodeAddress[] | undefined;
  readonly after: readonly NodeAddress[] | undefined;
  readonly cause: string;
}

/** Figures of a path of this node's. */
export interface PathFigures {
  readonly latency: Duration;
  readonly lossPpm: number;
  readonly cost: Duration;
  readonly mtu: number;
}

interface Route {
  path: readonly NodeAddress[] | undefined;
  figures: PathFigures | undefined;
  changedAt: Instant;
  changes: number;
  cause: string;
}

export class RouteTable {
  private readonly self: NodeAddress;
  private readonly nameOf: NameOf;
  private readonly routes = new Map<NodeAddress, Route>();
  /** By the address as a signed number: a small integer to the engine, which saves an allocation a packet. */
  private readonly hops = new Map<number, NodeAddress>();

  constructor(self: NodeAddress, nameOf: NameOf) {
    this.self = self;
    this.nameOf = nameOf;
  }

  /** The neighbour to forward to, 0 where there is no route. */
  nextHop(destination: NodeAddress): NodeAddress {
    return this.hops.get(destination | 0) ?? (0 as NodeAddress);
  }

  path(destination: NodeAddress): readonly NodeAddress[] | undefined {
    return this.routes.get(destination)?.path;
  }

  figures(destination: NodeAddress): PathFigures | undefined {
    return this.routes.get(destination)?.figures;
  }

  /** State: takes over the routes of `tree`. `changes`: what happened since the last one. */
  update(tree: PathTree, changes: readonly LinkChange[], now: Instant): RouteChange[] {
    const routeChanges: RouteChange[] = [];
    const { graph } = tree;
    for (const [destination, route] of this.routes) {
      if (graph.numberOf.has(destination)) continue;
      this.replace({ destination, route, path: undefined, changes, now }, routeChanges);
    }
    for (let number = 0; number < graph.nodes.length; number++) {
      const destination = graph.nodes[number]!;
      if (destination === this.self) continue;
      const path = pathTo(tree, number);
      let route = this.routes.get(destination);
      if (route === undefined) {
        if (path === undefined) continue;
        route = { path: undefined, figures: undefined, changedAt: now, changes: 0, cause: '' };
        this.routes.set(destination, route);
      }
      route.figures = path && pathFigures(graph, this.self, path);
      this.replace({ destination, route, path, changes, now }, routeChanges);
    }
    return routeChanges;
  }

  /** Forgets a destination that is no member any more. */
  forget(destination: NodeAddress): void {
    this.routes.delete(destination);
    this.hops.delete(destination | 0);
  }

  status(destination: NodeAddress, now: Instant): RouteStatus | undefined {
    const route = this.routes.get(destination);
    if (route?.path === undefined || route.figures === undefined) return undefined;
    const { latency, lossPpm, cost } = route.figures;
    return {
      destination,
      name: this.nameOf(destination) ?? formatNodeAddress(destination),
      path: route.path,
      latency,
      lossPpm,
      cost,
      since: between(route.changedAt, now),
      changes: route.changes,
      cause: route.cause,
    };
  }

  /** Every destination with a route, ascending by address. */
  statuses(now: Instant): RouteStatus[] {
    const found: RouteStatus[] = [];
    for (const destination of [...this.routes.keys()].sort((a, b) => a - b)) {
      const status = this.status(destination, now);
      if (status !== undefined) found.push(status);
    }
    return found;
  }

  private replace(
    next: {
      destination: NodeAddress;
      route: Route;
      path: readonly NodeAddress[] | undefined;
      changes: readonly LinkChange[];
      now: Instant;
    },
    routeChanges: RouteChange[],
  ): void {
    const { destination, route, path } = next;
    const before = route.path;
    if (isSamePath(before, path)) return;
    route.path = path;
    if (path === undefined) route.figures = undefined;
    route.changedAt = next.now;
    route.changes++;
    route.cause = causeOf(this.self, before, path, next.changes);
    if (path === undefined) this.hops.delete(destination | 0);
    else this.hops.set(destination | 0, path[0]!);
    routeChanges.push({ destination, before, after: path, cause: route.cause });
  }
}

/** Of a path over links that are in the graph. */
export function pathFigures(
  graph: Graph,
  from: NodeAddress,
  path: readonly NodeAddress[],
): PathFigures | undefined {
  let latency = 0;
  let lossPpm = 0;
  let cost = 0;
  let mtu = Number.MAX_SAFE_INTEGER;
  let at = from;
  for (const node of path) {
    const edge = edgeBetween(graph, at, node);
    if (edge === undefined) return undefined;
    latency += edge.latency;
    lossPpm = lossInSeries(lossPpm, at === edge.a ? edge.lossAB : edge.lossBA);
    cost += at === edge.a ? edge.costAB : edge.costBA;
    mtu = Math.min(mtu, edge.mtu);
    at = node;
  }
  return { latency: latency as Duration, lossPpm, cost: cost as Duration, mtu };
}

/** Worse news on the route that was left, else better news on the one taken, else whatever happened. */
export function causeOf(
  self: NodeAddress,
  before: readonly NodeAddress[] | undefined,
  after: readonly NodeAddress[] | undefined,
  changes: readonly LinkChange[],
): string {
  const left = before && changes.find((c) => c.isWorse && isOnPath(self, before, c));
  const taken = after && changes.find((c) => !c.isWorse && isOnPath(self, after, c));
  return (left ?? taken ?? changes[0])?.words ?? 'membership changed';
}

function isOnPath(self: NodeAddress, path: readonly NodeAddress[], link: LinkChange): boolean {
  let at = self;
  for (const node of path) {
    if ((at === link.a && node === link.b) || (at === link.b && node === link.a)) return true;
    at = node;
  }
  return false;
}

export function isSamePath(
  x: readonly NodeAddress[] | undefined,
  y: readonly NodeAddress[] | undefined,
): boolean {
  if (x === undefined || y === undefined) return x === y;
  return x.length === y.length && x.every((node, i) => node === y[i]);
}
