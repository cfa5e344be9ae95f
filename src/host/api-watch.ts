/** What a watch on a node tells, as it changes: the items of `watch` in `api.ts`. */
import type { LinkStatus, NodeStatus, RouteStatus } from './api-status.ts';

export type LinkUpdate =
  | { readonly kind: 'snapshot'; readonly links: readonly LinkStatus[]; readonly missed: number }
  | LinkUpEvent
  | LinkDownEvent;

export type RouteUpdate =
  | { readonly kind: 'snapshot'; readonly routes: readonly RouteStatus[]; readonly missed: number }
  | RouteChangedEvent;

export type EventUpdate =
  | { readonly kind: 'snapshot'; readonly status: NodeStatus; readonly missed: number }
  | NodeEvent;

export type NodeEvent =
  | LinkUpEvent
  | LinkDownEvent
  | PathChangedEvent
  | ProviderEvent
  | ReservationEvent
  | RouteChangedEvent
  | GraphChangedEvent
  | MemberEvent
  | MemberGoneEvent
  | ManifestEvent
  | RefusedEvent;

export interface LinkUpEvent {
  readonly kind: 'link-up';
  readonly at: string;
  readonly neighbour: string;
  readonly remote: string;
}

export interface LinkDownEvent {
  readonly kind: 'link-down';
  readonly at: string;
  readonly neighbour: string;
  readonly reason: string;
  /** How long nothing had been heard. */
  readonly silenceMs: number;
}

/** A neighbour with several paths is now reached by another of them. */
export interface PathChangedEvent {
  readonly kind: 'path-changed';
  readonly at: string;
  readonly neighbour: string;
  readonly remote: string;
  /** Place in `listen` of the address it leaves by. */
  readonly local: number;
  readonly reason: string;
}

/** Paths of several neighbours by one local address are silent together, or are heard again. */
export interface ProviderEvent {
  readonly kind: 'provider';
  readonly at: string;
  readonly local: number;
  readonly isTrouble: boolean;
  readonly neighbours: readonly string[];
}

/** What became of a rate that a flow of this node has reserved. `lost`: it goes on within its fair share. */
export interface ReservationEvent {
  readonly kind: 'reservation';
  readonly at: string;
  readonly destination: string;
  readonly bitsPerSecond: number;
  readonly state: 'held' | 'refused' | 'lost';
  /** Why not, with the link that is short and what could be reserved there; undefined when held. */
  readonly reason: string | undefined;
}

export interface RouteChangedEvent {
  readonly kind: 'route-changed';
  readonly at: string;
  readonly destination: string;
  /** Nodes after this one, the destination last; undefined: unreachable. */
  readonly before: readonly string[] | undefined;
  readonly after: readonly string[] | undefined;
  /** What set it off, in words. */
  readonly cause: string;
}

/** A redundant flow's packets take another dissemination graph from now on. */
export interface GraphChangedEvent {
  readonly kind: 'graph-changed';
  readonly at: string;
  readonly destination: string;
  readonly lane: number;
  readonly scheme: string;
  /** 0: none. */
  readonly deadlineMs: number;
  readonly before: string;
  readonly after: string;
  /** Directed links in the new one. */
  readonly edges: number;
  /** What set it off, in words. */
  readonly cause: string;
}

export interface MemberEvent {
  readonly kind: 'member';
  readonly at: string;
  readonly name: string;
  readonly address: string;
}

export interface MemberGoneEvent {
  readonly kind: 'member-gone';
  readonly at: string;
  readonly name: string;
  readonly address: string;
  /** `expired`, `revoked`, or what else a certificate is refused for. */
  readonly reason: string;
}

export interface ManifestEvent {
  readonly kind: 'manifest';
  readonly at: string;
  readonly version: number;
}

export interface RefusedEvent {
  readonly kind: 'refused';
  readonly at: string;
  readonly what: 'handshake' | 'packet' | 'record' | 'enrolment';
  readonly reason: string;
  readonly remote: string;
}
