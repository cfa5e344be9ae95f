/**
 * What policy said of a flow's packets, remembered beside the flow: the packet path compares a few
 * numbers, and asks again when policy, destination, lane or neighbour are others than last time.
 */
import type { NodeAddress } from '../kernel/index.ts';

/** Policy as the packet path sees it: `routing/policy/`. */
export interface PolicyGate {
  /** There are no rules. */
  readonly isOpen: boolean;
  /** Changes whenever an answer may have. */
  readonly generation: number;
  /** Whether the link may take a flow from one of its ends to the other. */
  permits(flow: FlowName, from: NodeAddress, to: NodeAddress): boolean;
}

export interface FlowName {
  readonly source: NodeAddress;
  readonly destination: NodeAddress;
  readonly lane: number;
}

export const OPEN_GATE: PolicyGate = { isOpen: true, generation: 0, permits: () => true };

export class PolicyMemo {
  private generation = -1;
  private destination = 0;
  private lane = -1;
  private cameFrom = 0;
  private mayCome = false;
  private goesTo = 0;
  private mayGo = false;

  /** Whether the packet may have come to `self` from `from`. */
  arrival(gate: PolicyGate, flow: FlowName, from: NodeAddress, self: NodeAddress): boolean {
    this.refresh(gate, flow);
    if (this.cameFrom !== from) {
      this.cameFrom = from;
      this.mayCome = gate.permits(flow, from, self);
    }
    return this.mayCome;
  }

  /** Whether it may go on from `self` to `to`. */
  departure(gate: PolicyGate, flow: FlowName, self: NodeAddress, to: NodeAddress): boolean {
    this.refresh(gate, flow);
    if (this.goesTo !== to) {
      this.goesTo = to;
      this.mayGo = gate.permits(flow, self, to);
    }
    return this.mayGo;
  }

  private refresh(gate: PolicyGate, flow: FlowName): void {
    if (
      this.generation === gate.generation &&
      this.destination === flow.destination &&
      this.lane === flow.lane
    )
      return;
    this.generation = gate.generation;
    this.destination = flow.destination;
    this.lane = flow.lane;
    this.cameFrom = 0;
    this.goesTo = 0;
  }
}
