/**
 * Link-state routing: every node tells all others what its links measure, holds what all others
 * told, and computes routes from it by the same rules (the idea of OSPF, RFC 2328, on an overlay).
 *
 *   adjacency() -> origin (damps, signs) -> flooding <-> neighbours
 *   frame()     -> flooding -> admission: certificate, manifest, link state (judge) -> topology
 *   topology    -> graph -> shortest paths -> route table -> nextHop()
 *
 * Three record types are flooded: link state, certificate chains, the manifest. A node learns of a
 * member by its certificate first and believes its link state after. A new manifest sets every
 * member's certificate on trial again.
 *
 * Which of the network a flow may use, and flows with routes of their own, are `choice/`.
 *
 * It does not measure links and does not decide that one is dead; `link/` does. It sends no data.
 * Above 400 lines because it is where the parts of this room meet: each member is a line or two.
 */
import type { Duration, Instant, NodeAddress, Result, WallTime } from '../kernel/index.ts';
import { Counters, compareBytes, later, soonest, TokenBucket } from '../kernel/index.ts';
import type { ManifestRefusal, Member } from '../security/index.ts';
import type { FloodFrame, LinkBandwidth, PolicyRule } from '../wire/index.ts';
import {
  RECORD_CERTIFICATE,
  RECORD_LINK_STATE,
  RECORD_MANIFEST,
  recordKey,
} from '../wire/index.ts';
import type { FlowExplanation } from './choice/explain-flow.ts';
import { RouteChoice } from './choice/route-choice.ts';
import type { RoutingOptions, RoutingSink, TopologySnapshot } from './contract.ts';
import type { RouteExplanation } from './explain.ts';
import { explainCandidates } from './explain.ts';
import { isToldElsewhere } from './flood-cover.ts';
import type { Admission } from './flooding.ts';
import { Flooding } from './flooding.ts';
import type { Edge } from './graph.ts';
import type { DisseminationRequest, GraphExplanation } from './graphs/index.ts';
import { Dissemination } from './graphs/index.ts';
import type { LinkChange } from './link-changes.ts';
import { LinkChanges } from './link-changes.ts';
import type { OverruledReport } from './link-claims.ts';
import { LinkClaims } from './link-claims.ts';
import { LinkStateJudge } from './link-state-judge.ts';
import type { MembershipSink } from './membership.ts';
import { Membership } from './membership.ts';
import type { MissingLink } from './missing-links.ts';
import { missingLinks } from './missing-links.ts';
import type { AdjacencyMetrics, RoutingLimits, RoutingTimers } from './options.ts';
import { ROUTING_LIMITS, ROUTING_TIMERS } from './options.ts';
import { LinkStateOrigin } from './origin.ts';
import { deniedLink } from './policy/denied-link.ts';
import type { StoredRecord } from './record-store.ts';
import { RecordStore } from './record-store.ts';
import type { RouteStatus } from './routes.ts';
import { RouteTable } from './routes.ts';
import { pathsFrom } from './shortest-paths.ts';
import { Topology } from './topology.ts';

const REFUSALS_PER_SECOND = 2;

export class LinkStateRouting {
  readonly counters: Counters = new Counters();
  /** Policy, and flows that choose their routes themselves. */
  readonly choice: RouteChoice;
  /** The graphs that this node's redundant flows stamp on their packets. */
  readonly dissemination: Dissemination;
  private readonly sink: RoutingSink;
  private readonly timers: RoutingTimers;
  private readonly limits: RoutingLimits;
  private readonly store: RecordStore;
  private readonly flooding: Flooding;
  private readonly origin: LinkStateOrigin;
  private readonly judge: LinkStateJudge;
  private readonly membership: Membership;
  private readonly topologyOf: Topology;
  private readonly table: RouteTable;
  private readonly links: LinkChanges;
  private readonly refusals = new TokenBucket({ perSecond: REFUSALS_PER_SECOND, burst: 10 });
  /** Of this node's own links. */
  private readonly downReasons = new Map<NodeAddress, string>();
  private readonly self: NodeAddress;
  private readonly policyBytes: () => Uint8Array;
  private recomputeAt: Instant | undefined;

  constructor(options: RoutingOptions) {
    const { crypto, trust, random } = options;
    this.self = options.self.address;
    this.sink = options.sink;
    this.timers = { ...ROUTING_TIMERS, ...options.timers };
    this.limits = { ...ROUTING_LIMITS, ...options.limits };
    const { timers, limits, counters } = this;
    const networkId = trust.manifest.networkId;
    const nameOf = (address: NodeAddress): string | undefined =>
      this.membership.directory.get(address)?.name;
    this.membership = new Membership({
      self: options.self,
      trust,
      limits,
      counters,
      sink: this.membershipSink(),
    });
    const { directory } = this.membership;
    const claims = new LinkClaims({
      permitted: () => trust.permittedLinks,
      memberAt: (address) => directory.get(address),
      isNameTaken: (member) => directory.isNameTaken(member),
      counters,
    });
    this.topologyOf = new Topology(claims);
    this.table = new RouteTable(this.self, nameOf);
    this.choice = new RouteChoice({
      self: this.self,
      counters,
      nameOf,
      factsOf: (address) => this.membership.directory.get(address),
      flowRoutesMax: limits.flowRoutesMax,
      policyFlowsMax: limits.policyFlowsMax,
      historyMax: limits.routeHistoryMax,
      changed: (destination) => this.sink.flowRouteChanged?.(destination),
    });
    this.choice.setNetworkPolicy(trust.manifest.policy);
    this.policyBytes = () => trust.manifest.policy;
    this.links = new LinkChanges({ timers, limits, counters, nameOf });
    this.dissemination = new Dissemination({
      self: this.self,
      nameOf,
      counters,
      plansMax: limits.disseminationPlansMax,
      permitted: (destination, lane) => this.choice.permitted(destination, lane),
      permits: ({ destination, lane }, from, to) =>
        this.choice.policy.permits({ source: this.self, destination, lane }, from, to),
      changed: (change, now) => {
        this.choice.rememberGraph(change, now);
        if (change.before !== undefined) this.sink.graphChanged(change);
      },
    });
    this.store = new RecordStore(limits.recordsMax);
    this.judge = new LinkStateJudge({
      crypto,
      networkId,
      limits,
      counters,
      memberAt: (address) => this.membership.directory.get(address),
      refused: (reason, from, now) => this.refused(reason, from, now),
    });
    this.flooding = new Flooding({
      store: this.store,
      sink: this.floodingSink(),
      counters,
      random: random.split('flooding'),
      timers,
      limits,
    });
    this.origin = new LinkStateOrigin({
      address: options.self.address,
      epoch: options.epoch,
      signer: options.signer,
      networkId,
      random: random.split('origin'),
      timers,
      limits,
      counters,
      members: () => this.membership.directory.size,
      announce: (record, now) => {
        this.flooding.announce(record, now);
      },
    });
    this.membership.begin(0 as Instant);
  }

  /** What a link of this node's measures; `metrics` undefined: it is down, `reason` says why. */
  adjacency(
    neighbour: NodeAddress,
    metrics: AdjacencyMetrics | undefined,
    reason: string,
    now: Instant,
  ): void {
    if (metrics === undefined) {
      this.flooding.neighbourDown(neighbour);
      this.membership.neighbourDown(neighbour);
      this.judge.forgetNeighbour(neighbour);
      this.rememberReason(neighbour, reason);
    } else {
      if (!this.flooding.neighbourUp(neighbour, metrics, now)) return;
      this.downReasons.delete(neighbour);
    }
    this.origin.adjacency(neighbour, metrics, now);
  }

  /** What a link of this node's carries now, outwards; undefined: not known. */
  bandwidth(neighbour: NodeAddress, bandwidth: LinkBandwidth | undefined, now: Instant): void {
    this.origin.bandwidth(neighbour, bandwidth, now);
  }

  /** A control frame's body, `bytes[offset..end)`, from a link that is up. */
  frame(
    from: NodeAddress,
    frameType: number,
    bytes: Uint8Array,
    offset: number,
    end: number,
    now: Instant,
  ): void {
    this.flooding.frame(from, frameType, bytes, offset, end, now);
  }

  timeout(now: Instant): void {
    this.origin.timeout(now);
    this.flooding.timeout(now);
    this.membership.timeout(now);
    this.choice.timeout(now);
    this.dissemination.timeout(now);
    if (this.recomputeAt !== undefined && this.recomputeAt <= now) this.recompute(now);
  }

  nextTimeout(): Instant | undefined {
    const own = soonest(this.origin.nextTimeout(), this.flooding.nextTimeout());
    const kept = soonest(this.membership.nextTimeout(), this.dissemination.nextTimeout());
    const computed = soonest(this.recomputeAt, this.choice.nextTimeout());
    return soonest(own, soonest(kept, computed));
  }

  /** State: a clock that stepped sets all certificates on trial again, and asks for refused ones. */
  setWallClock(now: Instant, wall: WallTime): void {
    this.membership.setWallClock(now, wall);
  }

  /** From this node's own administrator. State: a newer one is adopted and flooded. */
  setManifest(bytes: Uint8Array, now: Instant): Result<'newer' | 'same-or-older', ManifestRefusal> {
    return this.membership.setManifest(bytes, now);
  }

  /** This node's renewed certificate, as verified by the caller. */
  setSelf(member: Member, now: Instant): void {
    this.membership.setSelf(member, now);
  }

  /** Leaves in good order. Own link state says so; nothing more is originated. */
  withdraw(now: Instant): void {
    this.origin.withdraw(now);
  }

  /** The neighbour to forward to, 0 where there is no route. For the packet path. */
  nextHop(destination: NodeAddress): NodeAddress {
    return this.table.nextHop(destination);
  }

  /** The epoch of the link state that a node has signed last; undefined: none is known. */
  signedEpoch(source: NodeAddress): number | undefined {
    return this.store.get(recordKey({ type: RECORD_LINK_STATE, part: 0, origin: source }))?.epoch;
  }

  /** The nodes after this one, destination last. */
  path(destination: NodeAddress): readonly NodeAddress[] | undefined {
    return this.table.path(destination);
  }

  /** Expected one-way latency of the route; undefined without one. For the packet path. */
  latencyTo(destination: NodeAddress): Duration | undefined {
    return this.table.figures(destination)?.latency;
  }

  /** Of the route by the routing metric, one way; undefined without one. */
  costTo(destination: NodeAddress): Duration | undefined {
    return this.table.figures(destination)?.cost;
  }

  /** Datagram bytes that pass on every link of the route; 0 without a route. */
  pathMtu(destination: NodeAddress): number {
    return this.table.figures(destination)?.mtu ?? 0;
  }

  routes(now: Instant): RouteStatus[] {
    return this.table.statuses(now);
  }

  /** Undefined for this node itself and for addresses that belong to no known member. */
  explain(destination: NodeAddress, now: Instant): RouteExplanation | undefined {
    const member = this.membership.directory.get(destination);
    if (member === undefined || destination === this.self) return undefined;
    const { name } = member;
    // A destination that policy singles out has a route of its own, chosen here and stamped.
    const singled = this.choice.classFlowOf(destination, 0);
    if (singled !== undefined) {
      const found = this.explainFlow(singled, now);
      return found && asRoute(found, name);
    }
    const route = this.table.status(destination, now);
    const candidates = explainCandidates({
      self: this.self,
      destination,
      graph: this.choice.defaultGraph,
      everything: this.topologyOf.graph,
      denial: (from, to) =>
        this.choice.policy.denial({ source: this.self, destination, lane: 0 }, from, to),
      reports: this.topologyOf.reports,
      gone: this.links.gone(now),
      barred: this.topologyOf.barred(),
      overruled: this.topologyOf.overruled(),
      route,
      links: this.links,
      nameOf: (address) => this.membership.directory.get(address)?.name,
      candidatesMax: this.limits.candidatesMax,
      now,
    });
    return { destination, name, route, candidates };
  }

  /** The same of a flow that chose its route itself, by its id. */
  explainFlow(id: number, now: Instant): FlowExplanation | undefined {
    const missing = this.missing(now);
    const { candidatesMax } = this.limits;
    return this.choice.explain(id, { links: this.links, missing, candidatesMax, now });
  }

  /** The same of a redundant flow, by what it asked for. */
  explainGraph(request: DisseminationRequest, now: Instant): GraphExplanation | undefined {
    const { destination, lane } = request;
    return this.dissemination.explain(request, {
      missing: this.missing(now),
      denialOf: (path) => this.denialOf(destination, lane, path),
      now,
    });
  }

  /** What policy has against a path for a flow of this node, in words. */
  denialOf(
    destination: NodeAddress,
    lane: number,
    path: readonly NodeAddress[],
  ): string | undefined {
    const { self: source, links } = this;
    const flow = { source, destination, lane };
    return deniedLink(source, path, {
      denial: (from, to) => this.choice.policy.denial(flow, from, to),
      linkName: (a, b) => links.linkName(a, b),
    });
  }

  private missing(now: Instant): Map<string, MissingLink> {
    return missingLinks({
      reports: this.topologyOf.reports,
      gone: this.links.gone(now),
      barred: this.topologyOf.barred(),
      links: this.links,
      nameOf: (address) => this.membership.directory.get(address)?.name,
      now,
    });
  }

  /** This node's own rules of policy, beside the manifest's. */
  setLocalRules(rules: readonly PolicyRule[], now: Instant): void {
    this.choice.setLocalRules(rules);
    this.scheduleRecompute(now);
  }

  /** This node included, ascending by address. */
  members(): Member[] {
    return this.membership.directory.all();
  }

  memberAt(address: NodeAddress): Member | undefined {
    return this.membership.directory.get(address);
  }

  addressOf(name: string): NodeAddress | undefined {
    return this.membership.directory.named(name)?.address;
  }

  topology(now: Instant): TopologySnapshot {
    return { links: this.topologyOf.graph.edges, gone: this.links.gone(now) };
  }

  /** Reports that the manifest's topology does not let count as they were made. */
  overruled(): OverruledReport[] {
    return this.topologyOf.overruled();
  }

  /** How many of `others` a node has links to that both ends tell of. */
  linksAmong(address: NodeAddress, others: ReadonlySet<NodeAddress>): number {
    const { graph } = this.topologyOf;
    const number = graph.numberOf.get(address);
    if (number === undefined) return 0;
    return graph.arcs[number]!.filter(({ to }) => others.has(graph.nodes[to] as NodeAddress))
      .length;
  }

  /** Records held and records neighbours have not acknowledged yet. */
  load(): { records: number; unacknowledged: number } {
    return { records: this.store.size, unacknowledged: this.flooding.unacknowledged };
  }

  private floodingSink(): ConstructorParameters<typeof Flooding>[0]['sink'] {
    return {
      sendFrame: (neighbour, frameType, body) => this.sink.sendFrame(neighbour, frameType, body),
      admit: (record, _held, from, now) => this.admit(record, from, now),
      conflict: (record, held, from, now) => this.conflict(record, held, from, now),
      isToldElsewhere: ({ origin }, neighbour) =>
        isToldElsewhere(this.topologyOf.reports, { origin, self: this.self, neighbour }),
      accepted: (record, now) => {
        if (record.type === RECORD_CERTIFICATE) this.readmitHeld(record.origin, now);
        if (record.type !== RECORD_LINK_STATE) return;
        this.topologyOf.put(record);
        this.scheduleRecompute(now);
      },
      expired: (record, now) => {
        this.topologyOf.delete(record.origin, record.part);
        this.scheduleRecompute(now);
      },
      malformed: (what, from, now) => this.refused(what, from, now),
    };
  }

  private membershipSink(): MembershipSink {
    return {
      announce: (record, now, except) => {
        this.flooding.announce(record, now, except);
      },
      held: (key) => this.store.get(key),
      remove: (key) => {
        this.flooding.remove(key);
      },
      resynchronise: (now) => this.flooding.resynchronise(now),
      learned: (member, now) => {
        this.membersChanged(now);
        this.sink.memberLearned(member);
      },
      forgotten: (member, reason, now) => this.forget(member, reason, now),
      adopted: (manifest, version, now) => {
        this.choice.setNetworkPolicy(this.policyBytes());
        this.topologyOf.judgeAgain();
        this.scheduleRecompute(now);
        this.sink.manifestAdopted(manifest, version);
      },
      refused: (reason, from, now) => this.refused(reason, from, now),
    };
  }

  private admit(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    switch (record.type) {
      case RECORD_LINK_STATE:
        if (record.origin === this.self) return this.hearOwn(record, from, now);
        return this.judge.judge(record, from, now);
      case RECORD_CERTIFICATE:
        return this.membership.admitCertificate(record, from, now);
      case RECORD_MANIFEST:
        return this.membership.admitManifest(record, from, now);
      default:
        this.refused('unknown-record-type', from, now);
        return 'refuse';
    }
  }

  /** Of two records under one version every node keeps the greater, so that all keep the same. */
  private conflict(
    record: FloodFrame,
    held: StoredRecord,
    from: NodeAddress,
    now: Instant,
  ): boolean {
    if (record.type === RECORD_MANIFEST) {
      this.membership.admitManifest(record, from, now);
      return false;
    }
    if (record.type !== RECORD_LINK_STATE) return false;
    if (!this.judge.isGenuineWithin(record, from, now)) {
      this.refused('bad-link-state-signature', from, now);
      return false;
    }
    this.refused('equivocation', from, now);
    if (record.origin === this.self) {
      this.origin.outrun(record, now);
      return false;
    }
    return compareBytes(record.body, held.body) > 0;
  }

  private hearOwn(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    const isGenuine =
      record.part < this.limits.linkStatePartsMax && this.judge.isGenuineWithin(record, from, now);
    if (isGenuine) this.origin.outrun(record, now);
    else this.refused('bad-link-state-signature', from, now);
    return 'refuse';
  }

  /** Link state that waited for the certificate that has just come. */
  private readmitHeld(origin: NodeAddress, now: Instant): void {
    for (const { record, from } of this.judge.release(origin, now)) {
      if (this.store.get(recordKey(record)) !== undefined) continue;
      if (this.judge.judge(record, from, now) === 'accept')
        this.flooding.announce(record, now, from);
    }
  }

  /** Takes back all that a former member said. */
  private forget(member: Member, reason: string, now: Instant): void {
    const { address } = member;
    this.membersChanged(now);
    this.judge.forgetOrigin(address);
    for (let part = 0; part < this.limits.linkStatePartsMax; part++) {
      this.flooding.remove(recordKey({ type: RECORD_LINK_STATE, origin: address, part }));
      this.topologyOf.delete(address, part);
    }
    if (this.table.path(address) === undefined) this.table.forget(address);
    this.scheduleRecompute(now);
    this.sink.memberForgotten(member, reason);
  }

  /** State: a certificate may have brought other labels, and with them other permitted links. */
  private membersChanged(now: Instant): void {
    if (this.choice.policy.isOpen) return;
    this.choice.policy.membersChanged();
    this.scheduleRecompute(now);
  }

  private scheduleRecompute(now: Instant): void {
    this.recomputeAt ??= later(now, this.timers.recomputeDelay);
  }

  private recompute(now: Instant): void {
    this.recomputeAt = undefined;
    this.counters.add('recomputed');
    const topology = this.topologyOf;
    const changes = this.links.apply(topology.rebuild(this.self), this.reasonOf, now);
    this.choice.take(topology.graph);
    const graph = this.choice.defaultGraph;
    this.updateRoutes(pathsFrom(graph, graph.numberOf.get(this.self)!), changes, now);
    this.choice.update(changes, now);
    this.dissemination.update(topology.graph, this.links.gone(now), changes, now);
  }

  private updateRoutes(
    tree: ReturnType<typeof pathsFrom>,
    changes: readonly LinkChange[],
    now: Instant,
  ): void {
    for (const change of this.table.update(tree, changes, now)) {
      this.counters.add('route-changed');
      this.choice.remember(change, now);
      this.sink.routeChanged(change);
      const { destination, after } = change;
      if (after === undefined && this.membership.directory.get(destination) === undefined)
        this.table.forget(destination);
    }
  }

  private readonly reasonOf = ({ a, b }: Edge): string | undefined => {
    if (a === this.self) return this.downReasons.get(b);
    return b === this.self ? this.downReasons.get(a) : undefined;
  };

  /** For as many former neighbours as there may be neighbours. */
  private rememberReason(neighbour: NodeAddress, reason: string): void {
    this.downReasons.delete(neighbour);
    this.downReasons.set(neighbour, reason);
    if (this.downReasons.size > this.limits.neighboursMax)
      this.downReasons.delete(this.downReasons.keys().next().value!);
  }

  private refused(reason: string, from: NodeAddress, now: Instant): void {
    this.counters.add(reason);
    if (this.refusals.take(now)) this.sink.refused(reason, from);
  }
}

function asRoute({ flow, candidates }: FlowExplanation, name: string): RouteExplanation {
  const { destination, path } = flow;
  const route = path === undefined ? undefined : { ...flow, path, name };
  return { destination, name, route, candidates };
}
