/** The directed links that packets with a stamped route take, or those of the way that nodes choose. */
import type { DirectedLink } from '../forwarding/index.ts';
import type { NodeAddress } from '../kernel/index.ts';
import type { RouteBlock, RouteEnds } from '../wire/index.ts';
import { graphNextHops, pathHop, ROUTE_GRAPH, ROUTE_NONE, ROUTE_PATH } from '../wire/index.ts';

/** `pathNow`: every node after the source where each decides. Empty: no way, or every link there is. */
export function routeLinks(
  route: RouteBlock | undefined,
  ends: RouteEnds,
  pathNow: readonly NodeAddress[] | undefined,
): DirectedLink[] {
  if (route?.form === ROUTE_NONE) return chain(ends.source, pathNow ?? []);
  if (route?.form === ROUTE_PATH) {
    const hops = Array.from({ length: route.bytes.length / 4 }, (_, i) =>
      pathHop(route.bytes, 0, i),
    );
    return chain(ends.source, hops);
  }
  return route?.form === ROUTE_GRAPH ? graphLinks(route.bytes, ends) : [];
}

function chain(source: NodeAddress, hops: readonly NodeAddress[]): DirectedLink[] {
  return hops.map((to, i) => ({ from: hops[i - 1] ?? source, to }));
}

function graphLinks(bytes: Uint8Array, ends: RouteEnds): DirectedLink[] {
  const links: DirectedLink[] = [];
  const seen = [ends.source];
  for (const from of seen) {
    const hops: NodeAddress[] = [];
    graphNextHops(hops, bytes, 0, from, ends);
    for (const to of hops) {
      links.push({ from, to });
      if (!seen.includes(to)) seen.push(to);
    }
  }
  return links;
}
