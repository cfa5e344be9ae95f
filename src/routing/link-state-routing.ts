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
 * It does not measure links and does not decide that one is dead; `link/` does. It sends no data.
 */
import type {
  Crypto,
  Duration,
  Instant,
  NodeAddress,
  Random,
  Result,
  Signer,
  WallTime,
} from '../kernel/index.ts';
import {
  between,
  Counters,
  compareBytes,
  later,
  readU32,
  seconds,
  soonest,
  TokenBucket,
} from '../kernel/index.ts';
import type { ManifestRefusal, Member, TrustStore } from '../security/index.ts';
import type { FloodFrame } from '../wire/index.ts';
import {
  RECORD_CERTIFICATE,
  RECORD_LINK_STATE,
  RECORD_MANIFEST,
  recordKey,
} from '../wire/index.ts';
import type { RouteExplanation } from './explain.ts';
import { explainCandidates } from './explain.ts';
import type { Admission } from './flooding.ts';
import { Flooding } from './flooding.ts';
import type { Edge } from './graph.ts';
import type { LinkChange, VanishedLink } from './link-changes.ts';
import { LinkChanges } from './link-changes.ts';
import { LinkStateJudge } from './link-state-judge.ts';
import { ManifestAssembler, manifestRecords } from './manifest-parts.ts';
import { MemberDirectory } from './members.ts';
import type { AdjacencyMetrics, RoutingLimits, RoutingTimers } from './options.ts';
import { ROUTING_LIMITS, ROUTING_TIMERS } from './options.ts';
import { LinkStateOrigin } from './origin.ts';
import type { StoredRecord } from './record-store.ts';
import { RecordStore } from './record-store.ts';
import type { RouteChange, RouteStatus } from './routes.ts';
import { RouteTable } from './routes.ts';
import { pathsFrom } from './shortest-paths.ts';
import { Topology } from './topology.ts';

export interface RoutingSink {
  /** False when the link would not take the frame; it is sent again later. */
  sendFrame(neighbour: NodeAddress, frameType: number, body: Uint8Array): boolean;
  routeChanged(change: RouteChange): void;
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

/** A clock that is further off than this from what was expected has stepped. */
const CLOCK_STEP = seconds(1);
const REFUSALS_PER_SECOND = 2;

export class LinkStateRouting {
  readonly counters: Counters = new Counters();
  private readonly sink: RoutingSink;
  private readonly trust: TrustStore;
  private readonly timers: RoutingTimers;
  private readonly limits: RoutingLimits;
  private readonly store: RecordStore;
  private readonly flooding: Flooding;
  private readonly origin: LinkStateOrigin;
  private readonly judge: LinkStateJudge;
  private readonly assembler: ManifestAssembler;
  private readonly directory: MemberDirectory;
  private readonly topologyOf = new Topology();
  private readonly table: RouteTable;
  private readonly links: LinkChanges;
  private readonly refusals = new TokenBucket({ perSecond: REFUSALS_PER_SECOND, burst: 10 });
  /** Of this node's own links. */
  private readonly downReasons = new Map<NodeAddress, string>();
  private self: Member;
  private wall: WallTime | undefined;
  private wallAt = 0 as Instant;
  private membersDueAt: Instant | undefined;
  private recomputeAt: Instant | undefined;

  constructor(options: RoutingOptions) {
    const { crypto, trust, random } = options;
    this.self = options.self;
    this.sink = options.sink;
    this.trust = trust;
    this.timers = { ...ROUTING_TIMERS, ...options.timers };
    this.limits = { ...ROUTING_LIMITS, ...options.limits };
    const { timers, limits, counters } = this;
    const networkId = trust.manifest.networkId;
    const nameOf = (address: NodeAddress): string | undefined => this.directory.get(address)?.name;
    this.directory = new MemberDirectory(limits.membersMax);
    this.assembler = new ManifestAssembler(limits.manifestPartsMax);
    this.table = new RouteTable(options.self.address, nameOf);
    this.links = new LinkChanges({ timers, limits, nameOf });
    this.store = new RecordStore(limits.recordsMax);
    this.judge = new LinkStateJudge({
      crypto,
      networkId,
      limits,
      counters,
      memberAt: (address) => this.directory.get(address),
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
      announce: (record, now) => {
        this.flooding.announce(record, now);
      },
    });
    this.directory.put(this.self);
    // Certificates and manifest do not age, so it does not matter when they are put in.
    this.announceCertificate(this.self, 0 as Instant);
    this.announceManifest(0 as Instant);
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
      this.assembler.forget(neighbour);
      this.judge.forgetNeighbour(neighbour);
      this.downReasons.set(neighbour, reason);
    } else {
      if (!this.flooding.neighbourUp(neighbour, metrics, now)) return;
      this.downReasons.delete(neighbour);
    }
    this.origin.adjacency(neighbour, metrics, now);
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
    if (this.membersDueAt !== undefined && this.membersDueAt <= now) this.judgeMembers(now);
    if (this.recomputeAt !== undefined && this.recomputeAt <= now) this.recompute(now);
  }

  nextTimeout(): Instant | undefined {
    const own = soonest(this.origin.nextTimeout(), this.flooding.nextTimeout());
    return soonest(own, soonest(this.membersDueAt, this.recomputeAt));
  }

  /** State: a clock that stepped sets all certificates on trial again, and asks for refused ones. */
  setWallClock(now: Instant, wall: WallTime): void {
    const expected = this.wallNow(now);
    this.wall = wall;
    this.wallAt = now;
    if (expected !== undefined && Math.abs(wall - expected) < CLOCK_STEP) return;
    this.judgeMembers(now);
    if (expected !== undefined) this.flooding.resynchronise(now);
  }

  /** From this node's own administrator. State: a newer one is adopted and flooded. */
  setManifest(bytes: Uint8Array, now: Instant): Result<'newer' | 'same-or-older', ManifestRefusal> {
    const outcome = this.trust.adoptManifest(bytes);
    if (outcome.ok) this.manifestMayBeNewer(now, outcome.value === 'newer');
    return outcome;
  }

  /** This node's renewed certificate, as verified by the caller. */
  setSelf(member: Member, now: Instant): void {
    this.self = member;
    this.learn(member);
    this.announceCertificate(member, now);
    this.scheduleMembers(now);
  }

  /** Leaves in good order. Own link state says so; nothing more is originated. */
  withdraw(now: Instant): void {
    this.origin.withdraw(now);
  }

  /** The neighbour to forward to, 0 where there is no route. For the packet path. */
  nextHop(destination: NodeAddress): NodeAddress {
    return this.table.nextHop(destination);
  }

  /** The nodes after this one, destination last. */
  path(destination: NodeAddress): readonly NodeAddress[] | undefined {
    return this.table.path(destination);
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
    const member = this.directory.get(destination);
    if (member === undefined || destination === this.self.address) return undefined;
    const route = this.table.status(destination, now);
    const candidates = explainCandidates({
      self: this.self.address,
      destination,
      graph: this.topologyOf.graph,
      reports: this.topologyOf.reports,
      gone: this.links.gone(now),
      route,
      links: this.links,
      nameOf: (address) => this.directory.get(address)?.name,
      candidatesMax: this.limits.candidatesMax,
      now,
    });
    return { destination, name: member.name, route, candidates };
  }

  /** This node included, ascending by address. */
  members(): Member[] {
    return this.directory.all();
  }

  memberAt(address: NodeAddress): Member | undefined {
    return this.directory.get(address);
  }

  addressOf(name: string): NodeAddress | undefined {
    return this.directory.named(name)?.address;
  }

  topology(now: Instant): TopologySnapshot {
    return { links: this.topologyOf.graph.edges, gone: this.links.gone(now) };
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
      accepted: (record, now) => {
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

  private admit(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    switch (record.type) {
      case RECORD_LINK_STATE:
        if (record.origin === this.self.address) return this.hearOwn(record, from, now);
        return this.judge.judge(record, from, now);
      case RECORD_CERTIFICATE:
        return this.admitCertificate(record, from, now);
      case RECORD_MANIFEST:
        return this.admitManifest(record, from, now);
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
      this.admitManifest(record, from, now);
      return false;
    }
    if (record.type !== RECORD_LINK_STATE) return false;
    if (!this.judge.isGenuineWithin(record, from, now)) {
      this.refused('bad-link-state-signature', from, now);
      return false;
    }
    this.refused('equivocation', from, now);
    if (record.origin === this.self.address) {
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

  private admitCertificate(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    const wall = this.wallNow(now);
    if (wall === undefined) {
      this.counters.add('certificate-before-clock');
      return 'ignore';
    }
    const outcome = this.trust.verifyChain(record.body, wall);
    if (!outcome.ok) {
      this.refused(`certificate-${outcome.reason}`, from, now);
      return 'refuse';
    }
    const member = outcome.value;
    const version = certificateVersion(member);
    const isHonest =
      record.origin === member.address &&
      record.part === 0 &&
      record.epoch === version.epoch &&
      record.sequence === version.sequence;
    if (!isHonest) {
      this.refused('certificate-mislabelled', from, now);
      return 'refuse';
    }
    if (!this.directory.hasRoomFor(member.address)) {
      this.counters.add('members-full');
      return 'refuse';
    }
    this.learn(member);
    this.scheduleMembers(now);
    for (const held of this.judge.release(member.address, now))
      this.readmit(held.record, held.from, now);
    return 'accept';
  }

  /** A record that waited for the certificate that has just come. */
  private readmit(record: FloodFrame, from: NodeAddress, now: Instant): void {
    const newest = this.store.get(recordKey(record));
    if (newest !== undefined) return;
    if (this.judge.judge(record, from, now) === 'accept') this.flooding.announce(record, now, from);
  }

  private admitManifest(record: FloodFrame, from: NodeAddress, now: Instant): Admission {
    const held = (part: number): Uint8Array | undefined => {
      const mine = this.store.get(recordKey({ ...record, part }));
      return mine?.sequence === record.sequence && mine.epoch === record.epoch
        ? mine.body
        : undefined;
    };
    const whole = this.assembler.add(record, from, held);
    if (whole === 'incomplete') return 'hold';
    if (whole === 'malformed') {
      this.refused('malformed-manifest', from, now);
      return 'refuse';
    }
    const outcome = this.trust.adoptManifest(whole);
    if (!outcome.ok) {
      this.refused(`manifest-${outcome.reason}`, from, now);
      return 'refuse';
    }
    this.manifestMayBeNewer(now, outcome.value === 'newer');
    return 'hold';
  }

  private manifestMayBeNewer(now: Instant, isNewer: boolean): void {
    if (!isNewer) return;
    this.announceManifest(now);
    this.judgeMembers(now);
    this.sink.manifestAdopted(this.trust.manifestBytes, this.trust.manifest.version);
    // Certificates by a root that was unknown until now had been refused.
    this.flooding.resynchronise(now);
  }

  private announceManifest(now: Instant): void {
    const records = manifestRecords(this.trust.manifest.version, this.trust.manifestBytes);
    for (const record of records) this.flooding.announce(record, now);
    for (let part = records.length; part < this.limits.manifestPartsMax; part++)
      this.flooding.remove(recordKey({ type: RECORD_MANIFEST, origin: 0, part }));
  }

  private announceCertificate(member: Member, now: Instant): void {
    this.flooding.announce(
      {
        type: RECORD_CERTIFICATE,
        part: 0,
        origin: member.address,
        ...certificateVersion(member),
        age: 0,
        body: member.chain,
      },
      now,
    );
  }

  private learn(member: Member): void {
    this.directory.put(member);
    if (this.directory.isNameTaken(member)) this.counters.add('name-taken');
    if (member.address === this.self.address) this.self = member;
    this.sink.memberLearned(member);
  }

  /** Drops members whose certificates do not hold now, with all they said. */
  private judgeMembers(now: Instant): void {
    const wall = this.wallNow(now);
    if (wall === undefined) return;
    for (const member of this.directory.all()) {
      if (member.address === this.self.address) continue;
      const outcome = this.trust.verifyChain(member.chain, wall);
      if (!outcome.ok) this.forget(member, outcome.reason, now);
    }
    this.scheduleMembers(now);
  }

  private forget(member: Member, reason: string, now: Instant): void {
    const { address } = member;
    this.counters.add(`member-${reason}`);
    this.directory.delete(address);
    this.judge.forgetOrigin(address);
    this.flooding.remove(recordKey({ type: RECORD_CERTIFICATE, origin: address, part: 0 }));
    for (let part = 0; part < this.limits.linkStatePartsMax; part++) {
      this.flooding.remove(recordKey({ type: RECORD_LINK_STATE, origin: address, part }));
      this.topologyOf.delete(address, part);
    }
    this.scheduleRecompute(now);
    this.sink.memberForgotten(member, reason);
  }

  /** When the next certificate ends. At least a second away, so that it always moves on. */
  private scheduleMembers(now: Instant): void {
    const wall = this.wallNow(now);
    if (wall === undefined) return;
    let wait = Number.POSITIVE_INFINITY;
    for (const member of this.directory.all())
      if (member.address !== this.self.address) wait = Math.min(wait, member.notAfter - wall);
    if (wait === Number.POSITIVE_INFINITY) this.membersDueAt = undefined;
    else this.membersDueAt = later(now, Math.max(1_000_000, wait) as Duration);
  }

  private scheduleRecompute(now: Instant): void {
    this.recomputeAt ??= later(now, this.timers.recomputeDelay);
  }

  private recompute(now: Instant): void {
    this.recomputeAt = undefined;
    this.counters.add('recomputed');
    const topology = this.topologyOf;
    const changes = this.links.apply(topology.rebuild(this.self.address), this.reasonOf, now);
    const number = topology.graph.numberOf.get(this.self.address)!;
    this.updateRoutes(pathsFrom(topology.graph, number), changes, now);
  }

  private updateRoutes(
    tree: ReturnType<typeof pathsFrom>,
    changes: readonly LinkChange[],
    now: Instant,
  ): void {
    for (const change of this.table.update(tree, changes, now)) {
      this.counters.add('route-changed');
      this.sink.routeChanged(change);
      const { destination, after } = change;
      if (after === undefined && this.directory.get(destination) === undefined)
        this.table.forget(destination);
    }
  }

  private readonly reasonOf = ({ a, b }: Edge): string | undefined => {
    if (a === this.self.address) return this.downReasons.get(b);
    return b === this.self.address ? this.downReasons.get(a) : undefined;
  };

  private wallNow(now: Instant): WallTime | undefined {
    if (this.wall === undefined) return undefined;
    return (this.wall + between(this.wallAt, now)) as WallTime;
  }

  private refused(reason: string, from: NodeAddress, now: Instant): void {
    this.counters.add(reason);
    if (this.refusals.take(now)) this.sink.refused(reason, from);
  }
}

/** Taken from the certificate itself, so nobody can make an old one look new. */
const certificateVersion = (member: Member): { epoch: number; sequence: number } => ({
  epoch: Math.floor(member.notBefore / 1_000_000),
  sequence: readU32(member.serial, 0),
});
