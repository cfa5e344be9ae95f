/**
 * The destination's part of acknowledging end to end: which flows have brought packets since they were
 * last acknowledged, and when to say so. What has come is known already, from the flow's duplicate
 * window, so nothing is kept for a packet. One that comes again is acknowledged again: its source has not heard.
 */
import type { Instant } from '../kernel/index.ts';
import { runsDown } from '../kernel/index.ts';
import type { DataHeader, DeliveredFlow } from '../wire/index.ts';
import {
  DELIVERED_FLOW_BYTES_MAX,
  DELIVERED_FLOWS_MAX,
  DELIVERED_RUNS_MAX,
  deliveredFlowBytes,
} from '../wire/index.ts';
import type { DuplicateWindow } from './duplicate-window.ts';

/** What comes shortly after shares the acknowledgement, of which there is one so often. */
const DELAY = 10_000;
const INTERVAL = 100_000;
/** Sequence numbers told of. */
const SPAN = 1_024;

interface Due {
  readonly source: DataHeader['source'];
  readonly epoch: number;
  readonly flow: number;
  readonly isSigned: boolean;
  readonly window: DuplicateWindow;
}

export class Arrivals {
  private readonly due = new Map<number, Due>();
  private dueAt = Number.POSITIVE_INFINITY;
  private lastAt = Number.NEGATIVE_INFINITY;

  /** `window`: of the packet's flow, signed or not, the packet among it. */
  arrived(header: Readonly<DataHeader>, window: DuplicateWindow, now: Instant): void {
    const { source, epoch, flow } = header;
    const isSigned = header.proofWords > 0;
    const key = 2 * (source * 0x1_0000 + flow) + (isSigned ? 1 : 0);
    if (this.due.get(key)?.epoch !== epoch)
      this.due.set(key, { source, epoch, flow, isSigned, window });
    if (this.dueAt === Number.POSITIVE_INFINITY)
      this.dueAt = Math.max(now + DELAY, this.lastAt + INTERVAL);
  }

  nextTimeout(): number {
    return this.dueAt;
  }

  /** What to acknowledge now, as much as fits one frame; undefined: nothing is due. */
  take(now: Instant): DeliveredFlow[] | undefined {
    if (this.dueAt > now) return undefined;
    const flows: DeliveredFlow[] = [];
    let bytes = 0;
    for (const [key, { source, epoch, flow, isSigned, window }] of this.due) {
      const told = { source, epoch, flow, isSigned, ...runsOf(window) };
      bytes += deliveredFlowBytes(told);
      if (bytes > DELIVERED_FLOW_BYTES_MAX || flows.length === DELIVERED_FLOWS_MAX) break;
      flows.push(told);
      this.due.delete(key);
    }
    this.lastAt = now;
    this.dueAt = this.due.size === 0 ? Number.POSITIVE_INFINITY : now + DELAY;
    return flows;
  }
}

/** What a window has seen, as a destination tells it. */
export function runsOf(window: DuplicateWindow): { greatest: number; runs: number[] } {
  const { greatest } = window;
  const has = (sequence: number): boolean => window.has(sequence);
  return { greatest, runs: runsDown({ greatest, span: SPAN, runsMax: DELIVERED_RUNS_MAX, has }) };
}
