/** What the API says of routes: how a flow chooses one, why, what became of it, what policy permits. */
import type { SignalOption } from './api.ts';
import type { RelayReport, ReservationStatus } from './api-status.ts';

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
  /** The rate that is reserved for it along its route or graph; absent: none. */
  readonly reservation?: ReservationStatus;
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
  /** Of a redundant flow: the graph that its packets travel on. `path` is the soonest way in it. */
  readonly graph?: FlowGraphReport;
  /** Of the network's route in a big mesh: what comes before it. */
  readonly relays?: RelayReport;
}

/** A dissemination graph: docs/dissemination.md. */
export interface FlowGraphReport {
  /** `paths`, `source-problem`, `destination-problem`, `robust`, `time-constrained`. */
  readonly kind: string;
  /** `ATL-DFW`, in the direction of travel. */
  readonly links: readonly string[];
  /** Of what it is made, where it is made of disjoint paths; 0 elsewhere. */
  readonly disjointPaths: number;
  /** There are no more disjoint paths, though more were asked for. */
  readonly isShort: boolean;
  readonly isInTime: boolean;
  /** 0: none. */
  readonly deadlineMs: number;
  /** Ends of the flow with bad links. */
  readonly troubles: readonly {
    readonly end: string;
    /** How long the end has been in trouble; undefined: its bad links are too few for that. */
    readonly sinceMs: number | undefined;
    readonly links: readonly {
      readonly link: string;
      readonly words: string;
      readonly sinceMs: number;
    }[];
  }[];
  /** The one in use first, then those not taken. */
  readonly candidates: readonly {
    readonly name: string;
    /** Copies sent for a packet. */
    readonly links: number;
    readonly latencyMs: number;
    readonly isChosen: boolean;
    readonly verdict: string;
  }[];
}

export interface HistoryOptions extends SignalOption {
  /** Only routes to this node, or of the flow of this number. */
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
  /** A redundant flow took another graph; there is no `before` and `after` then. */
  readonly graph?: {
    /** Undefined: the flow began. */
    readonly before: string | undefined;
    readonly after: string;
    readonly links: number;
  };
}

export interface RoutesAtOptions extends SignalOption {
  /** Only routes to this node, or of the flow of this number. */
  readonly node?: string;
  /** A moment of the past day, ISO 8601. */
  readonly at: string;
}

/** A route as it was at one moment. */
export interface RouteAt {
  readonly destination: string;
  /** Undefined: the network's route, or a graph. */
  readonly flow: number | undefined;
  readonly lane: string;
  readonly metric: string;
  /** Undefined: unreachable then, or a graph. */
  readonly path: readonly string[] | undefined;
  /** Of a redundant flow: the kind of graph. */
  readonly graph?: string;
  /** Undefined: since before what is remembered. */
  readonly since: string | undefined;
  /** What made it so. */
  readonly cause: string;
  /** Undefined: it is so still. */
  readonly until: string | undefined;
  readonly endedBy: string | undefined;
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
