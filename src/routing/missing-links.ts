/**
 * Links that would be there if all were well: those that were up not long ago, those that only one
 * of their ends reports, and those that the manifest's topology lacks. Explanations show what way there would be over them.
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import { between, formatNodeAddress } from '../kernel/index.ts';
import type { Edge, Graph, ReportsByOrigin } from './graph.ts';
import { buildGraph, edgeFromReports } from './graph.ts';
import type { LinkChanges, NameOf, VanishedLink } from './link-changes.ts';
import { inWords } from './link-changes.ts';

export interface MissingQuestion {
  readonly reports: ReportsByOrigin;
  readonly gone: readonly VanishedLink[];
  /** Reported by both ends, and not in the manifest's topology. */
  readonly barred: readonly Edge[];
  readonly links: LinkChanges;
  readonly nameOf: NameOf;
  readonly now: Instant;
}

export interface MissingLink {
  readonly edge: Edge;
  readonly words: string;
}

const pairKey = (x: NodeAddress, y: NodeAddress): string => (x < y ? `${x}-${y}` : `${y}-${x}`);

export function missingLinks(input: MissingQuestion): Map<string, MissingLink> {
  const { reports, links, now } = input;
  const missing = new Map<string, MissingLink>();
  for (const [origin, ofOrigin] of reports) {
    for (const [neighbour, report] of ofOrigin) {
      if (reports.get(neighbour)?.has(origin) === true) continue;
      const [a, b] = origin < neighbour ? [origin, neighbour] : [neighbour, origin];
      const silent = input.nameOf(neighbour) ?? formatNodeAddress(neighbour);
      const words = `link ${links.linkName(a, b)} not reported by ${silent}`;
      const reverse = { ...report, lossOutPpm: report.lossInPpm, lossInPpm: report.lossOutPpm };
      const [byA, byB] = origin === a ? [report, reverse] : [reverse, report];
      missing.set(pairKey(a, b), { edge: edgeFromReports({ a, b }, byA, byB), words });
    }
  }
  for (const { edge, at } of input.gone) {
    const duration = inWords(between(at, now));
    const words = `link ${links.linkName(edge.a, edge.b)} down for ${duration}`;
    missing.set(pairKey(edge.a, edge.b), { edge, words });
  }
  for (const edge of input.barred) {
    const words = `link ${links.linkName(edge.a, edge.b)} is not in the network's topology`;
    missing.set(pairKey(edge.a, edge.b), { edge, words });
  }
  return missing;
}

export function firstMissing(
  self: NodeAddress,
  path: readonly NodeAddress[],
  missing: ReadonlyMap<string, MissingLink>,
): { words: string; isFirstHop: boolean } | undefined {
  let at = self;
  for (const node of path) {
    const found = missing.get(pairKey(at, node));
    if (found !== undefined) return { words: found.words, isFirstHop: at === self };
    at = node;
  }
  return undefined;
}

/** The network as it would be with them. */
export function withMissing(graph: Graph, missing: ReadonlyMap<string, MissingLink>): Graph {
  if (missing.size === 0) return graph;
  const edges = [...missing.values()].map(({ edge }) => edge);
  const known = new Set(graph.edges.map(({ a, b }) => `${a}-${b}`));
  return buildGraph(
    [...graph.nodes, ...edges.flatMap(({ a, b }) => [a, b])],
    [...graph.edges, ...edges.filter(({ a, b }) => !known.has(`${a}-${b}`))],
  );
}
