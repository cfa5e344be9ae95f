/**
 * Who used the network how much, by member and lane, as this node saw it pass: what it sent, forwarded
 * and received. Counted in the flow table, where a passing packet is counted anyway, and gathered here
 * when flows are forgotten or somebody asks. A duplicate that was dropped is nobody's use.
 *
 * Bound: `ACCOUNTS_MAX` pairs of member and lane; what comes after is added up under member 0.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { FlowEntry } from './flow-table.ts';

export const ACCOUNTS_MAX = 4_096;

export interface Account {
  /** 0: all members beyond the bound. */
  readonly member: NodeAddress;
  readonly lane: number;
  readonly packets: number;
  /** Of data frames: header, route and payload. */
  readonly bytes: number;
}

interface Totals {
  packets: number;
  bytes: number;
}

export class Accounting {
  private readonly accounts = new Map<number, Totals>();

  /** A flow is forgotten, or goes on in another lane. State: its counts are moved here. */
  settle(entry: FlowEntry): void {
    this.add(this.accounts, entry.source, entry.lane, entry);
    entry.packets = 0;
    entry.bytes = 0;
    entry.duplicates = 0;
    entry.copies = 0;
    entry.recovered = 0;
    entry.late = 0;
    entry.dropped = 0;
  }

  /** In order of member and lane; `live` are flows whose counts are not settled. */
  all(live: Iterable<FlowEntry>): Account[] {
    const sum = new Map<number, Totals>();
    for (const [key, { packets, bytes }] of this.accounts) sum.set(key, { packets, bytes });
    for (const entry of live) if (entry.packets > 0) this.add(sum, entry.source, entry.lane, entry);
    return [...sum]
      .sort(([a], [b]) => a - b)
      .map(([key, { packets, bytes }]) => ({
        member: Math.floor(key / 256) as NodeAddress,
        lane: key % 256,
        packets,
        bytes,
      }));
  }

  private add(into: Map<number, Totals>, member: NodeAddress, lane: number, more: Totals): void {
    const totals = this.totals(into, member, lane);
    totals.packets += more.packets;
    totals.bytes += more.bytes;
  }

  private totals(of: Map<number, Totals>, member: NodeAddress, lane: number): Totals {
    let key = member * 256 + lane;
    if (!of.has(key) && of.size >= ACCOUNTS_MAX) key = lane;
    let totals = of.get(key);
    if (totals === undefined) {
      totals = { packets: 0, bytes: 0 };
      of.set(key, totals);
    }
    return totals;
  }
}
