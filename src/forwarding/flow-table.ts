import type { Instant, NodeAddress } from '../kernel/index.ts';
import { Accounting } from './accounting.ts';
import { DuplicateWindow } from './duplicate-window.ts';
import { PolicyMemo } from './policy-memo.ts';

/** What a node remembers of one flow that passes it: one source's packets under one label. */
export interface FlowEntry {
  readonly source: NodeAddress;
  readonly flow: number;
  /** What anybody can send in the source's name under the same label is another flow. */
  readonly isSigned: boolean;
  epoch: number;
  readonly window: DuplicateWindow;
  readonly policy: PolicyMemo;
  destination: NodeAddress;
  lane: number;
  /** Since its lane last changed. */
  packets: number;
  bytes: number;
  duplicates: number;
  copies: number;
  recovered: number;
  late: number;
  dropped: number;
  routeForm: number;
  /** Of a flow that must not be lost: who brought its last packet. */
  from: NodeAddress | 0;
  lastUsed: Instant;
}

export interface FlowTableOptions {
  /** Flows remembered. Overflow: the longest idle is forgotten (`flowsEvicted`). Default 4096. */
  readonly flowsMax?: number;
  /** Sequence numbers remembered per flow. Default 2048. */
  readonly windowBits?: number;
}

/** A power of two. */
const RECENT_FLOWS = 1024;
/** Of a flow that is new here: below every epoch. */
export const EPOCH_UNKNOWN = -1;

export const FLOWS_MAX_DEFAULT = 4096;

/**
 * The flow table: classification and de-duplication state of the packet path, keyed by (source,
 * flow label). Soft state: a node that has just restarted forwards at once and learns as it goes.
 * A forgotten flow may pass one old copy again; its destination still delivers it only once.
 */
export class FlowTable {
  private readonly entries = new Map<number, FlowEntry>();
  /**
   * In front of the map, whose keys are not small integers and cost an allocation each: some of the
   * entries, each at the one place where it is looked for. Who makes flows collide on purpose gets the map.
   */
  private readonly recent: (FlowEntry | undefined)[] = new Array(RECENT_FLOWS).fill(undefined);
  readonly accounting: Accounting = new Accounting();
  private readonly flowsMax: number;
  private readonly windowBits: number;
  flowsEvicted = 0;

  constructor(options: FlowTableOptions = {}) {
    this.flowsMax = options.flowsMax ?? FLOWS_MAX_DEFAULT;
    this.windowBits = options.windowBits ?? 2048;
  }

  get size(): number {
    return this.entries.size;
  }

  /** The entry of a flow; undefined: nothing of it is known. */
  find(source: NodeAddress, flow: number, isSigned: boolean): FlowEntry | undefined {
    return this.entries.get(keyOf(source, flow, isSigned));
  }

  /** The entry of a flow, made when it is new. */
  entry(source: NodeAddress, flow: number, now: Instant, isSigned = false): FlowEntry {
    const place = (source ^ Math.imul(flow, 0x9e37)) & (RECENT_FLOWS - 1);
    const recent = this.recent[place];
    if (
      recent !== undefined &&
      recent.flow === flow &&
      recent.source === source &&
      recent.isSigned === isSigned
    )
      return recent;
    const key = keyOf(source, flow, isSigned);
    const known = this.entries.get(key);
    if (known !== undefined) {
      this.recent[place] = known;
      return known;
    }
    if (this.entries.size >= this.flowsMax) this.evict();
    const made: FlowEntry = {
      source,
      flow,
      isSigned,
      epoch: EPOCH_UNKNOWN,
      window: new DuplicateWindow(this.windowBits),
      policy: new PolicyMemo(),
      destination: 0 as NodeAddress,
      lane: 0,
      packets: 0,
      bytes: 0,
      duplicates: 0,
      copies: 0,
      recovered: 0,
      late: 0,
      dropped: 0,
      routeForm: 0,
      from: 0,
      lastUsed: now,
    };
    this.entries.set(key, made);
    return made;
  }

  /** In order of first use; for status and accounting. */
  all(): IterableIterator<FlowEntry> {
    return this.entries.values();
  }

  /** Makes room by forgetting the longest idle eighth in one pass, so that eviction is amortised. */
  private evict(): void {
    const byIdle = [...this.entries.entries()].sort((a, b) => a[1].lastUsed - b[1].lastUsed);
    const count = Math.max(1, this.flowsMax >>> 3);
    this.recent.fill(undefined);
    for (let i = 0; i < count && i < byIdle.length; i++) {
      this.accounting.settle(byIdle[i]![1]);
      this.entries.delete(byIdle[i]![0]);
      this.flowsEvicted++;
    }
  }
}

/** 49 bits: exact in a double. */
const keyOf = (source: NodeAddress, flow: number, isSigned: boolean): number =>
  source * 0x2_0000 + flow + (isSigned ? 0x1_0000 : 0);
