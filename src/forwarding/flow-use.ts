/**
 * What each flow that this node sends, passes on or receives has come to here: copies put on links,
 * packets that needed a repair, duplicates, late ones, drops. Counted in the flow table as packets go
 * by; gathered when somebody asks.
 */
import type { Duration, Instant, NodeAddress } from '../kernel/index.ts';
import type { FlowEntry } from './flow-table.ts';

/** Rows of one answer: those used last. */
export const FLOW_USES_MAX = 256;

export interface FlowUse {
  readonly source: NodeAddress;
  /** Of the last packet. */
  readonly destination: NodeAddress;
  readonly flow: number;
  readonly lane: number;
  /** Of the last packet; see wire/route-block.ts. */
  readonly routeForm: number;
  /** Since its lane last changed. */
  readonly packets: number;
  readonly bytes: number;
  /** Sent on from here; more than `packets` where the flow pays for redundancy. */
  readonly copies: number;
  /** Came over the last link by a repair only. */
  readonly recovered: number;
  readonly duplicates: number;
  /** At their destination, after their deadline by their own age. */
  readonly late: number;
  /** Refused or dropped here, or given up by playout. */
  readonly dropped: number;
  readonly idle: Duration;
}

/** Those of the node itself (session set-up, echo) are left out. */
export function flowUses(entries: Iterable<FlowEntry>, now: Instant): FlowUse[] {
  const used = [...entries].filter((e) => e.flow !== 0 && e.packets > 0);
  used.sort((a, b) => b.lastUsed - a.lastUsed || a.source - b.source || a.flow - b.flow);
  return used.slice(0, FLOW_USES_MAX).map((e) => ({
    source: e.source,
    destination: e.destination,
    flow: e.flow,
    lane: e.lane,
    routeForm: e.routeForm,
    packets: e.packets,
    bytes: e.bytes,
    copies: e.copies,
    recovered: e.recovered,
    duplicates: e.duplicates,
    late: e.late,
    dropped: e.dropped,
    idle: (now - e.lastUsed) as Duration,
  }));
}
