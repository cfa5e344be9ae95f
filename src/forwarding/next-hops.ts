/**
 * Where one packet goes on from this node, by the form of its route. None: the routing table's next
 * hop. A path: its next node. A graph: its edges from here. A flood: every neighbour but the one that
 * brought it. The decision is the source's; a node only follows.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { DataHeader } from '../wire/index.ts';
import {
  DATA_HEADER_BYTES,
  graphNextHops,
  pathHop,
  ROUTE_FLOOD,
  ROUTE_GRAPH,
  ROUTE_NONE,
} from '../wire/index.ts';

export interface RouteLookup {
  /** 0 when there is no way. */
  nextHop(destination: NodeAddress): NodeAddress | 0;
  /** The newest epoch that the node has signed; undefined: not known. */
  signedEpoch?(source: NodeAddress): number | undefined;
}

export interface NextHopsOptions {
  readonly self: NodeAddress;
  readonly routes: RouteLookup;
  /** Those whose links are up. */
  readonly neighbours: () => readonly NodeAddress[];
}

/** Why a packet goes nowhere. */
export type NoNextHop = 'no-route' | 'bad-route' | 'would-return' | 'graph-ends';

export class NextHops {
  /** The answer to the last call; reused by the next. */
  readonly hops: NodeAddress[] = [];
  private readonly options: NextHopsOptions;

  constructor(options: NextHopsOptions) {
    this.options = options;
  }

  /**
   * Fills `hops` for the packet whose sound header stands at `at`; `from` is the neighbour that
   * brought it, 0 at its source. Undefined, or why there is none.
   */
  find(
    header: DataHeader,
    bytes: Uint8Array,
    at: number,
    from: NodeAddress | 0,
  ): NoNextHop | undefined {
    const { hops, options } = this;
    // Setting the length is a call out of compiled code; this is none.
    while (hops.length > 0) hops.pop();
    const route = at + DATA_HEADER_BYTES;
    switch (header.routeForm) {
      case ROUTE_NONE: {
        const next = options.routes.nextHop(header.destination);
        return next === 0 ? 'no-route' : this.single(next, from);
      }
      case ROUTE_GRAPH:
        graphNextHops(hops, bytes, route, options.self, header);
        return this.without(from, header.source);
      case ROUTE_FLOOD:
        this.flood();
        return this.without(from, header.source);
      default: {
        if (header.routeIndex >= header.routeWords) return 'bad-route';
        const next = pathHop(bytes, route, header.routeIndex);
        return next === 0 ? 'bad-route' : this.single(next, from);
      }
    }
  }

  private flood(): void {
    const neighbours = this.options.neighbours();
    for (let i = 0; i < neighbours.length; i++) this.hops.push(neighbours[i]!);
  }

  private single(next: NodeAddress, from: NodeAddress | 0): NoNextHop | undefined {
    // Routes disagree for the moment; where it came from would only drop it as a duplicate.
    if (next === from) return 'would-return';
    this.hops.push(next);
    return undefined;
  }

  private without(from: NodeAddress | 0, source: NodeAddress): NoNextHop | undefined {
    const { hops } = this;
    // By number: an iterator would make an object for each hop.
    let kept = 0;
    for (let i = 0; i < hops.length; i++) {
      const hop = hops[i]!;
      if (hop !== from && hop !== source) hops[kept++] = hop;
    }
    while (hops.length > kept) hops.pop();
    return kept === 0 ? 'graph-ends' : undefined;
  }
}
