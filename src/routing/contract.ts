/** What `LinkStateRouting` is given and what it tells. */
import type { Crypto, NodeAddress, Random, Signer } from '../kernel/index.ts';
import type { Member, TrustStore } from '../security/index.ts';
import type { Edge } from './graph.ts';
import type { GraphChange } from './graphs/index.ts';
import type { VanishedLink } from './link-changes.ts';
import type { RoutingLimits, RoutingTimers } from './options.ts';
import type { RouteChange } from './routes.ts';

export interface RoutingSink {
  /** False when the link would not take the frame; it is sent again later. */
  sendFrame(neighbour: NodeAddress, frameType: number, body: Uint8Array): boolean;
  routeChanged(change: RouteChange): void;
  /** A flow with a route of its own has another one, or none, or one again. */
  flowRouteChanged?(destination: NodeAddress): void;
  /** Said when a flow that uses the graph asks for its route. */
  graphChanged(change: GraphChange): void;
  /** A member that was not known, or whose certificate was renewed. */
  memberLearned(member: Member): void;
  /** Its certificate ended or was revoked, or a newer manifest does not cover it. */
  memberForgotten(member: Member, reason: string): void;
  /** Keep it; links have to be judged by it again. */
  manifestAdopted(manifest: Uint8Array, version: number): void;
  /** At most a few a second; `counters` have every one. */
  refused(reason: string, from: NodeAddress): void;
}

export interface RoutingOptions {
  readonly self: Member;
  /** The node's incarnation, u32. */
  readonly epoch: number;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly trust: TrustStore;
  readonly random: Random;
  readonly sink: RoutingSink;
  readonly timers?: Partial<RoutingTimers>;
  readonly limits?: Partial<RoutingLimits>;
}

/** One link as all of the network knows it. */
export interface TopologySnapshot {
  /** Both ends report these; they carry traffic. */
  readonly links: readonly Edge[];
  readonly gone: readonly VanishedLink[];
}
