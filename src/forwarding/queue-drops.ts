/**
 * What this node's own queues in front of links have dropped, by link and lane: to an operator a loss of the link, which
 * no measurement of the link shows, since it happens before the wire. Counted when a packet is dropped, by nobody else.
 *
 * Bound: `QUEUE_DROPS_MAX` pairs of link and lane; what comes after counts in `forwarding.dropped.` only.
 */
import type { NodeAddress } from '../kernel/index.ts';

export const QUEUE_DROPS_MAX = 4_096;

/** Of one link and lane, since the node started. */
export interface QueueDrops {
  readonly neighbour: NodeAddress;
  readonly lane: number;
  /** Packets for which the queue was full. */
  readonly overload: number;
  /** Packets that could not have arrived within their deadline any more. */
  readonly late: number;
  /** Of data frames: header, route and payload. */
  readonly bytes: number;
}

export type QueueDropReason = 'overload' | 'late';

interface Counts {
  overload: number;
  late: number;
  bytes: number;
}

export class QueueDropCounts {
  /** 40 bits of address and lane: exact in a double. */
  private readonly counts = new Map<number, Counts>();

  add(neighbour: NodeAddress, lane: number, bytes: number, reason: QueueDropReason): void {
    const key = neighbour * 256 + lane;
    let counts = this.counts.get(key);
    if (counts === undefined) {
      if (this.counts.size >= QUEUE_DROPS_MAX) return;
      counts = { overload: 0, late: 0, bytes: 0 };
      this.counts.set(key, counts);
    }
    counts[reason]++;
    counts.bytes += bytes;
  }

  /** In order of neighbour and lane. */
  all(): QueueDrops[] {
    return [...this.counts]
      .sort(([a], [b]) => a - b)
      .map(([key, counts]) => ({
        neighbour: Math.floor(key / 256) as NodeAddress,
        lane: key % 256,
        ...counts,
      }));
  }
}
