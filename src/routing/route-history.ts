/**
 * What the routes of this node did in the past day: a ring of changes, asked by people. Nothing is
 * written to disk; a node that restarts begins anew.
 */
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { seconds } from '../kernel/index.ts';

export interface RouteRecord {
  readonly at: Instant;
  readonly destination: NodeAddress;
  /** Id of the flow whose own route changed; 0: the network's route. */
  readonly flow: number;
  readonly lane: number;
  /** As the flow named it; `default` for the network's. */
  readonly metric: string;
  readonly before: readonly NodeAddress[] | undefined;
  readonly after: readonly NodeAddress[] | undefined;
  readonly cause: string;
  /** A redundant flow took another dissemination graph: `before` and `after` are no paths then. */
  readonly graph?: GraphStep;
}

export interface GraphStep {
  /** Undefined: the flow began. */
  readonly before: string | undefined;
  readonly after: string;
  /** Of the graph after. */
  readonly links: number;
}

export interface HistoryQuery {
  readonly destination?: NodeAddress;
  readonly flow?: number;
  /** Only what happened in this last stretch. */
  readonly within?: Duration;
}

/** One route at one moment. */
export interface RouteMoment {
  /** The change that had made it so; undefined: that was before what is remembered. */
  readonly last: RouteRecord | undefined;
  /** The change that ended it; undefined: it is so still. */
  readonly next: RouteRecord | undefined;
}

export const HISTORY_AGE_MAX: Duration = seconds(86_400);

export class RouteHistory {
  private readonly records: RouteRecord[] = [];
  private readonly recordsMax: number;
  private oldest = 0;

  /** `recordsMax`: changes remembered. Overflow: the oldest is forgotten. */
  constructor(recordsMax: number) {
    this.recordsMax = recordsMax;
  }

  add(record: RouteRecord): void {
    if (this.records.length < this.recordsMax) {
      this.records.push(record);
      return;
    }
    this.records[this.oldest] = record;
    this.oldest = (this.oldest + 1) % this.recordsMax;
  }

  /** Newest first. */
  query(query: HistoryQuery, now: Instant): RouteRecord[] {
    const since = now - Math.min(query.within ?? HISTORY_AGE_MAX, HISTORY_AGE_MAX);
    const found: RouteRecord[] = [];
    for (let i = this.records.length - 1; i >= 0; i--) {
      const record = this.place(i);
      if (record.at < since) break;
      if (fits(record, query)) found.push(record);
    }
    return found;
  }

  /** Every route that a change is remembered of, as it was at that moment; by destination. */
  at(query: HistoryQuery, at: Instant): RouteMoment[] {
    const found = new Map<
      string,
      { last: RouteRecord | undefined; next: RouteRecord | undefined }
    >();
    for (let i = 0; i < this.records.length; i++) {
      const record = this.place(i);
      if (!fits(record, query)) continue;
      const { destination, flow, lane, metric, graph } = record;
      const key = `${destination} ${flow} ${graph === undefined ? '' : `${lane} ${metric}`}`;
      const moment = found.get(key) ?? { last: undefined, next: undefined };
      if (record.at <= at) moment.last = record;
      else moment.next ??= record;
      found.set(key, moment);
    }
    const of = ({ last, next }: RouteMoment): RouteRecord => (last ?? next)!;
    return [...found.values()].sort(
      (x, y) => of(x).destination - of(y).destination || of(x).flow - of(y).flow,
    );
  }

  /** The oldest is number 0. */
  private place(i: number): RouteRecord {
    return this.records[(this.oldest + i) % this.records.length]!;
  }
}

const fits = (record: RouteRecord, { destination, flow }: HistoryQuery): boolean =>
  (destination === undefined || record.destination === destination) &&
  (flow === undefined || record.flow === flow);
