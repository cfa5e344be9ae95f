/**
 * What all origins report, and the graph that follows from it. Parts of one origin add up; where two
 * parts report the same link (it moved from one part to another) the newer report counts. What the
 * manifest does not permit is left out or put right here (`link-claims.ts`).
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { LinkReport, LinkState } from '../wire/index.ts';
import { decodeLinkBandwidths, decodeLinkState } from '../wire/index.ts';
import type { Edge, EdgeChange, Graph, ReportsByOrigin } from './graph.ts';
import { buildGraph, diffEdges, EMPTY_GRAPH, mutualEdges } from './graph.ts';
import type { LinkClaims, OverruledReport } from './link-claims.ts';
import type { StoredRecord } from './record-store.ts';

interface PartReports {
  readonly sequence: number;
  readonly links: readonly LinkReport[];
}

export class Topology {
  private readonly claims: LinkClaims;
  private readonly parts = new Map<NodeAddress, Map<number, PartReports>>();
  private readonly merged = new Map<NodeAddress, ReadonlyMap<NodeAddress, LinkReport>>();
  graph: Graph = EMPTY_GRAPH;

  constructor(claims: LinkClaims) {
    this.claims = claims;
  }

  get reports(): ReportsByOrigin {
    return this.merged;
  }

  /** A link-state record that was accepted. */
  put(record: StoredRecord): void {
    const state = decodeLinkState(record.body);
    const links = state === undefined ? [] : withBandwidths(state);
    const parts = this.parts.get(record.origin) ?? new Map<number, PartReports>();
    parts.set(record.part, { sequence: record.sequence, links });
    this.parts.set(record.origin, parts);
    this.merge(record.origin, parts);
  }

  delete(origin: NodeAddress, part: number): void {
    const parts = this.parts.get(origin);
    if (parts?.delete(part) !== true) return;
    if (parts.size > 0) return this.merge(origin, parts);
    this.parts.delete(origin);
    this.merged.delete(origin);
  }

  /** The manifest, or a name, has changed: all reports are held against it again. */
  judgeAgain(): void {
    for (const [origin, parts] of this.parts) this.merge(origin, parts);
  }

  /** Reports that do not count as they were made, in order of who made them. */
  overruled(): OverruledReport[] {
    if (this.claims.isOpen) return [];
    return [...this.parts]
      .sort(([a], [b]) => a - b)
      .flatMap(([origin, parts]) => [...parts.values()].map((part) => [origin, part] as const))
      .flatMap(([origin, { links }]) =>
        links.flatMap((link) => this.claims.overruled(origin, link) ?? []),
      );
  }

  /** Links that both ends report and that may not exist. */
  barred(): Edge[] {
    if (this.claims.isOpen) return [];
    const barred = new Map<NodeAddress, Map<NodeAddress, LinkReport>>();
    for (const [origin, parts] of this.parts)
      for (const { links } of parts.values())
        for (const link of links) {
          const found = this.claims.overruled(origin, link);
          if (found === undefined || found.latencyMin !== undefined) continue;
          barred.set(origin, (barred.get(origin) ?? new Map()).set(link.neighbour, link));
        }
    return mutualEdges(barred);
  }

  /** Makes the graph anew. `self` is in it whether or not it has links. */
  rebuild(self: NodeAddress): readonly EdgeChange[] {
    const edges = mutualEdges(this.merged);
    const before = this.graph.edges;
    this.graph = buildGraph([self, ...this.merged.keys()], edges);
    return diffEdges(before, edges);
  }

  private merge(origin: NodeAddress, parts: ReadonlyMap<number, PartReports>): void {
    const links = new Map<NodeAddress, LinkReport>();
    for (const part of [...parts.values()].sort((x, y) => x.sequence - y.sequence))
      for (const told of part.links) {
        const link = this.claims.admit(origin, told);
        if (link !== undefined) links.set(link.neighbour, link);
      }
    this.merged.set(origin, links);
  }
}

function withBandwidths({ links, extensions }: LinkState): readonly LinkReport[] {
  if (extensions.length === 0) return links;
  const told = decodeLinkBandwidths(extensions, links.length);
  return links.map((link, i) => {
    const bandwidth = told[i];
    return bandwidth === undefined ? link : { ...link, bandwidth };
  });
}
