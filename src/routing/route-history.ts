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
}

export interface HistoryQuery {
  readonly destination?: NodeAddress;
  readonly flow?: number;
  /** Only what happened in this last stretch. */
  readonly within?: Duration;
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
    const { destination, flow, within } = query;
    const since = now - Math.min(within ?? HISTORY_AGE_MAX, HISTORY_AGE_MAX);
    const found: RouteRecord[] = [];
    for (let i = this.records.length - 1; i >= 0; i--) {
      const record = this.records[(this.oldest + i) % this.records.length]!;
      if (record.at < since) break;
      if (destination !== undefined && record.destination !== destination) continue;
      if (flow === undefined || record.flow === flow) found.push(record);
    }
    return found;
  }
}
