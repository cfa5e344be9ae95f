/**
 * Which flows that must not be lost are to be held back, and by whom. A flow whose packets wait here
 * above the mark is held by every neighbour that brings some, and its sockets by `isFull`; below half of
 * the mark it goes on. What is on its way when a flow is held still finds room: marks are a small part
 * of what a node has.
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import type { PausedFlow } from '../wire/index.ts';

/** Bytes of one flow that wait at one link before it is held back. */
export const FLOW_BYTES_MARK = 262_144;
/** All bytes that must not be lost at one node, above which every flow is held at `FLOW_BYTES_MIN`. */
export const RELIABLE_BYTES_MAX = 67_108_864;
const FLOW_BYTES_MIN = 16_384;

interface Held {
  readonly flow: PausedFlow;
  readonly by: Set<NodeAddress | 0>;
}

export interface BackPressureOptions {
  readonly hold: (neighbour: NodeAddress, flows: readonly PausedFlow[], now: Instant) => void;
  /** This node's own flow has room again. */
  readonly drained: (flow: PausedFlow, now: Instant) => void;
}

export class BackPressure {
  /** Bytes that wait at this node and must not be lost. */
  bytes = 0;
  private readonly options: BackPressureOptions;
  /** By source, then by the flow's key. */
  private readonly held = new Map<NodeAddress, Map<number, Held>>();

  constructor(options: BackPressureOptions) {
    this.options = options;
  }

  /** The mark of each flow at present. */
  get mark(): number {
    return this.bytes > RELIABLE_BYTES_MAX / 2 ? FLOW_BYTES_MIN : FLOW_BYTES_MARK;
  }

  /** A packet of the flow has come to wait behind `waiting` bytes. `from`: who brought it, 0: this node. */
  grown(flow: PausedFlow, key: number, waiting: number, from: NodeAddress | 0, now: Instant): void {
    if (waiting < this.mark) return;
    let ofSource = this.held.get(flow.source);
    if (ofSource === undefined) {
      ofSource = new Map();
      this.held.set(flow.source, ofSource);
    }
    let held = ofSource.get(key);
    if (held === undefined) {
      held = { flow, by: new Set() };
      ofSource.set(key, held);
    }
    if (held.by.has(from)) return;
    held.by.add(from);
    if (from !== 0) this.tell(from, now);
  }

  /** A packet of the flow has left `waiting` bytes behind. */
  shrunk(source: NodeAddress, key: number, waiting: number, now: Instant): void {
    if (this.held.size === 0 || waiting > this.mark / 2) return;
    const ofSource = this.held.get(source);
    const held = ofSource?.get(key);
    if (ofSource === undefined || held === undefined) return;
    ofSource.delete(key);
    if (ofSource.size === 0) this.held.delete(source);
    for (const neighbour of held.by) {
      if (neighbour === 0) this.options.drained(held.flow, now);
      else this.tell(neighbour, now);
    }
  }

  /** Own packets of the flow are to wait for `drained`. */
  want(flow: PausedFlow, key: number, now: Instant): void {
    this.grown(flow, key, Number.POSITIVE_INFINITY, 0 as NodeAddress, now);
  }

  private tell(neighbour: NodeAddress, now: Instant): void {
    const flows: PausedFlow[] = [];
    for (const ofSource of this.held.values())
      for (const { flow, by } of ofSource.values()) if (by.has(neighbour)) flows.push(flow);
    this.options.hold(neighbour, flows, now);
  }
}
