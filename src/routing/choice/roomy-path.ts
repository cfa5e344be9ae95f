/**
 * The way of a flow whose rate did not find room on its own: the best path but for links that have said no
 * and links that are told to carry less at all. Links that tell of less left than the rate come behind all others: what is
 * used, but not reserved, may still be given away, and only the node at the tail knows.
 */
import type { Instant, NodeAddress } from '../../kernel/index.ts';
import type { Graph } from '../graph.ts';
import type { HopRule } from './candidates.ts';
import { candidates } from './candidates.ts';
import type { LinkFigures, Score } from './metrics.ts';

/** A link, in one direction, that had no room for a flow's rate. */
export interface LackingRoom {
  readonly from: NodeAddress;
  readonly to: NodeAddress;
  /** Bits a second that it could give. */
  readonly available: number;
}

/** What a flow looks for, and where it has asked in vain. */
export interface RoomWanted {
  /** Bits a second. */
  readonly rate: number;
  readonly lacking: readonly LackingRoom[];
  readonly askedAt: Instant;
}

/** More than the sum of any path: these links only where there are no others. */
const BEHIND = 1e13;

/** Every node after the source; undefined: no path is left. */
export function roomyPath(
  graph: Graph,
  ends: { source: NodeAddress; destination: NodeAddress },
  by: { readonly score: Score; readonly hops: HopRule },
  wanted: RoomWanted,
): readonly NodeAddress[] | undefined {
  const { score, hops } = by;
  const additive = (link: LinkFigures): number => score.additive(link) + penalty(link, wanted);
  const best = candidates(graph, ends, { ...score, additive }, hops)[0];
  return best === undefined || best.score === Number.POSITIVE_INFINITY ? undefined : best.path;
}

function penalty({ from, to, bandwidth }: LinkFigures, { rate, lacking }: RoomWanted): number {
  const isShort = lacking.some((link) => link.from === from && link.to === to);
  if (isShort || (bandwidth?.capacity ?? rate) < rate) return Number.POSITIVE_INFINITY;
  return (bandwidth?.available ?? rate) < rate ? BEHIND : 0;
}

/** The first link of a path that had no room when it was asked. */
export function lackingOn(
  source: NodeAddress,
  path: readonly NodeAddress[],
  lacking: readonly LackingRoom[],
): LackingRoom | undefined {
  for (const [i, to] of path.entries()) {
    const from = i === 0 ? source : path[i - 1]!;
    const found = lacking.find((link) => link.from === from && link.to === to);
    if (found !== undefined) return found;
  }
  return undefined;
}
