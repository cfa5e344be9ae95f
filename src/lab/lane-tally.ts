/**
 * What the measured flow came to at every node, as the daemons tell it one after the other. A daemon
 * that was killed starts again from nothing; what its earlier lives counted is kept here.
 */
import type { FlowTraffic } from '../host/index.ts';
import type { LaneView } from './screen.ts';

const COUNTS = ['copies', 'recovered', 'late', 'dropped', 'duplicates'] as const;
type Counts = Record<(typeof COUNTS)[number], number>;

interface NodeCounts {
  /** Of lives that are over. */
  readonly past: Counts;
  present: FlowTraffic | undefined;
}

export class LaneTally {
  private readonly lane: string;
  private readonly source: string;
  private readonly nodes = new Map<string, NodeCounts>();
  private flow: number | undefined;
  private route: FlowTraffic['route'] = 'each node';
  private packets = 0;

  constructor(options: { readonly lane: string; readonly source: string }) {
    this.lane = options.lane;
    this.source = options.source;
  }

  /** All flows that pass a node. Until the source has been asked nobody knows which is the measured one. */
  heard(node: string, flows: readonly FlowTraffic[]): void {
    if (node === this.source) this.recognise(flows);
    const row = flows.find((f) => f.source === this.source && f.flow === this.flow);
    if (row === undefined) return;
    const counts = this.nodes.get(node) ?? { past: blank(), present: undefined };
    const { present, past } = counts;
    if (present !== undefined && row.packets < present.packets)
      for (const key of COUNTS) past[key] += present[key];
    counts.present = row;
    this.nodes.set(node, counts);
  }

  /** `links`: of the best route of the moment. */
  view(links: number): LaneView {
    const sum = (key: keyof Counts): number =>
      [...this.nodes.values()].reduce(
        (n, { past, present }) => n + past[key] + (present?.[key] ?? 0),
        0,
      );
    return {
      lane: this.lane,
      route: this.route,
      transmissions: (sum('copies') + sum('recovered')) / Math.max(1, this.packets),
      links,
      recovered: sum('recovered'),
      late: sum('late'),
      dropped: sum('dropped'),
      duplicates: sum('duplicates'),
    };
  }

  /** The twin is in another lane or on a stamped path; the greatest flow of ours is the measured one. */
  private recognise(flows: readonly FlowTraffic[]): void {
    const own = flows
      .filter((f) => f.source === this.source && f.lane === this.lane && f.route !== 'path')
      .sort((a, b) => b.packets - a.packets)[0];
    if (own === undefined) return;
    this.flow = own.flow;
    this.route = own.route;
    this.packets = own.packets;
  }
}

const blank = (): Counts => ({ copies: 0, recovered: 0, late: 0, dropped: 0, duplicates: 0 });
