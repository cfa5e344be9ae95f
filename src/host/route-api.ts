/** What the API says of routes: how a flow chooses one, why, what became of it, what policy permits. */
import type { SignalOption } from './api.ts';

export interface MetricRouting {
  /**
   * `latency`, `loss`, `expected-latency`, `throughput`, `hops`, `app:NAME` for what an application
   * reports, or a sum of them with weights: `latency*1+loss*20`. See docs/routing.md.
   */
  readonly metric: string;
  /** `one`: the direct link or one node between. Default `any`. */
  readonly hops?: 'any' | 'one';
  /** Over all good paths: each flow on one of them for as long as it stands. */
  readonly spread?: boolean;
}

/** One flow, or the network's route to a node, and what became of it. */
export interface FlowSummary {
  /** Undefined: the network's route, which every flow takes that asks for nothing. */
  readonly id: number | undefined;
  readonly destination: string;
  readonly port: number | undefined;
  readonly lane: string;
  readonly metric: string;
  readonly hops: 'any' | 'one';
  readonly spread: boolean;
  /** Nodes after this one; undefined where there is no way. */
  readonly path: readonly string[] | undefined;
  /** By the flow's metric, with its unit. */
  readonly score: string;
  readonly latencyMs: number;
  readonly loss: number;
  /** Since when the route is this one. */
  readonly sinceMs: number;
  readonly changes: number;
  readonly cause: string;
}

export interface FlowRouteReport extends FlowSummary {
  readonly candidates: readonly {
    readonly path: readonly string[];
    readonly score: string;
    readonly latencyMs: number;
    readonly loss: number;
    readonly isChosen: boolean;
    readonly verdict: string;
  }[];
}

export interface HistoryOptions extends SignalOption {
  /** Only routes to this node. */
  readonly node?: string;
  /** Only what happened in the last so many milliseconds. Default a day, which is all there is. */
  readonly sinceMs?: number;
}

export interface RouteHistoryEntry {
  readonly at: string;
  readonly destination: string;
  /** Undefined: the network's route. */
  readonly flow: number | undefined;
  readonly lane: string;
  readonly metric: string;
  /** Undefined: unreachable. */
  readonly before: readonly string[] | undefined;
  readonly after: readonly string[] | undefined;
  readonly cause: string;
}

export interface PolicyOptions extends SignalOption {
  /** Name or number. Default `default`. */
  readonly lane?: string | number;
}

export interface PolicyReport {
  readonly from: string;
  readonly to: string;
  readonly lane: string;
  /** Whether some rule singles the flow out: its packets then carry a route. */
  readonly isSingledOut: boolean;
  /** The best way that is permitted, after `from`; undefined: none. */
  readonly path: readonly string[] | undefined;
  readonly latencyMs: number;
  /** `denial` is undefined for what it may use, otherwise the rule or clique. */
  readonly links: readonly { readonly link: string; readonly denial: string | undefined }[];
  /** As nodes to pass through. */
  readonly nodes: readonly { readonly node: string; readonly denial: string | undefined }[];
}
