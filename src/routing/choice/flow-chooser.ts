/**
 * One route for each flow that does not go hop by hop: by the flow's own metric, over the links that
 * policy permits to it, held on to until another is better by a margin.
 *
 * Near-equal paths (no worse than the best by the margin) count as equally good. Which of them a flow
 * takes is drawn by rendezvous hashing of the flow's key with each path (Thaler and Ravishankar 1998):
 * flows that start together spread over all of them, and where a path goes only its own flows move.
 *
 * Many flows that see one path become better must not all move to it, fill it, and all come back. So
 * moves for the better come in rounds: a flow has its turn in one round of `MOVE_ROUNDS`, by a hash of
 * its key and the round, and measurements catch up in between. A flow that has moved lately stays, twice
 * as long after each move, and asks for twice the margin: where a path is good until it is full, the flows
 * at its edge would go to and fro for ever (the idea of route flap damping, RFC 2439).
 *
 * A path that is gone is left at once. So is one that loses a tenth more than the best, but not by all:
 * the loss may be the flows' own doing, and then as large a share of them is too much as is lost. Twice
 * that share leaves, by a draw, and the others draw again when what they did can have been measured.
 * One flow always leaves, so a lone one does not wait.
 *
 * A flow that spreads (`isSpread`) draws from a wider band and stays while its path stands: many flows
 * use many paths, and no flow is reordered.
 *
 * A flow with a reserved rate (`rate`) has its promise on the links of its path and nowhere else. It stays
 * unless another path is better by half: smaller differences are what load does to latency, its own and
 * that of those who may fill what it leaves. Then it does not move but says where it wants to (`wish`), and
 * moves when the rate is reserved there (`granted`). So it does when its own path has no room (`seek`). From a
 * path that is gone or loses too much it moves at once, as all do.
 *
 * Longer than most files: every reason to move or to stay is weighed against the others, in one place.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { between, later, seconds, soonest } from '../../kernel/index.ts';
import type { PacketService, RouteBlock } from '../../wire/index.ts';
import { pathBlock } from '../../wire/index.ts';
import type { Graph } from '../graph.ts';
import { EMPTY_GRAPH } from '../graph.ts';
import type { PathFigures } from '../routes.ts';
import { isSamePath, pathFigures } from '../routes.ts';
import type { Candidate, HopRule } from './candidates.ts';
import { candidates, scoreOfPath } from './candidates.ts';
import { draw, hashOf, hasTurn, marginOf, nextRound, STAY_MIN } from './draw.ts';
import type { ApplicationMetric, FlowMetric, Score } from './metrics.ts';
import { metricText, scoreOf } from './metrics.ts';
import type { RoomWanted } from './roomy-path.ts';
import { roomyPath } from './roomy-path.ts';

export interface FlowSpec {
  readonly destination: NodeAddress;
  readonly lane: number;
  readonly metric: FlowMetric;
  readonly hops: HopRule;
  /** Over near paths too, each flow for good. */
  readonly isSpread: boolean;
  readonly service: Readonly<PacketService>;
  /** Tells flows apart: two flows with one key take one path. */
  readonly key: number;
  /** Port at the destination, for people. */
  readonly port?: number;
}

/** What a flow holds: reading `route` is all its packets cost. */
export interface ChosenRoute {
  readonly id: number;
  readonly spec: FlowSpec;
  /** Undefined: no way that is permitted. */
  readonly route: RouteBlock | undefined;
  /** False when it was forgotten: ask again. */
  readonly isLive: boolean;
  /** Counted up by whoever uses it; one that stands still is forgotten. */
  uses: number;
  /** Bits a second that are reserved for it on its path, set by whoever reserves; 0: none. */
  rate: number;
  /** Another path, after the source, to which a flow with a rate moves when that is `granted` there. */
  readonly wish: readonly NodeAddress[] | undefined;
}

export interface FlowEntry extends ChosenRoute {
  route: RouteBlock | undefined;
  isLive: boolean;
  wish: readonly NodeAddress[] | undefined;
  /** What it last looked for when its own path had no room. */
  wanted: RoomWanted | undefined;
  /** The wish is for room, not for a better path. */
  isSeeking: boolean;
  path: readonly NodeAddress[] | undefined;
  /** Of `path` when the topology last changed. */
  value: number;
  figures: PathFigures | undefined;
  changedAt: Instant;
  changes: number;
  cause: string;
  /** A better path is known, and its turn has not come. */
  isWaiting: boolean;
  /** How long it stays after its last move, however good others become. */
  stay: Duration;
  /** When it left a path for its loss; and when it may draw for that again. */
  fledAt: Instant | undefined;
  drawsAt: Instant;
  usesSeen: number;
  idleSince: Instant;
}

export interface FlowRouteChange {
  readonly flow: ChosenRoute;
  readonly before: readonly NodeAddress[] | undefined;
  readonly after: readonly NodeAddress[] | undefined;
  readonly cause: string;
}

export interface FlowChooserOptions {
  readonly self: NodeAddress;
  readonly counters: Counters;
  /** Flows with a route of their own. Overflow: the longest idle is forgotten and asks again. */
  readonly flowsMax: number;
  /** What policy leaves of the network to a flow. */
  readonly permitted: (destination: NodeAddress, lane: number) => Graph;
  readonly application: ApplicationMetric;
  readonly changed: (change: FlowRouteChange, now: Instant) => void;
}

/** Losing this much more than the best path, ppm, is reason to leave at once. */
export const URGENT_LOSS_PPM = 100_000;
/** Of the flows on a path that loses too much, this many times the share that is lost leave at once. */
export const FLIGHT_SHARE = 2;
/** Better news is believed after ten seconds; then flows that stayed may draw again. */
export const FLIGHT_AGAIN: Duration = seconds(15);
/** A flow that fled lately does so again only by the draw, a lone one too. */
export const FLIGHT_LATELY: Duration = seconds(60);
export const STAY_MAX: Duration = seconds(600);
/** So many times its stay is soon. */
const STAY_SOON = 16;
/** A flow that nobody used for this long is forgotten, within as long again. */
export const IDLE_AFTER: Duration = seconds(120);

export class FlowChooser {
  private readonly options: FlowChooserOptions;
  private readonly flows = new Map<number, FlowEntry>();
  private readonly found = new Map<string, readonly Candidate[]>();
  /** By destination; empty: to be made. */
  private readonly mtus = new Map<NodeAddress, number>();
  /** Flows by path; empty: to be counted. */
  private readonly sharers = new Map<string, number>();
  private nextId = 1;
  private roundAt: Instant | undefined;
  /** When to look for flows that nobody uses. */
  private idleAt: Instant | undefined;
  private latest = 0 as Instant;

  constructor(options: FlowChooserOptions) {
    this.options = options;
  }

  /** Ascending by id. */
  get all(): readonly FlowEntry[] {
    return [...this.flows.values()];
  }

  byId(id: number): FlowEntry | undefined {
    return this.flows.get(id);
  }

  /** A flow begins. Its route is chosen now and kept up to date. */
  open(spec: FlowSpec): ChosenRoute {
    const now = this.latest;
    if (this.flows.size >= this.options.flowsMax) this.evict();
    const entry: FlowEntry = {
      id: this.nextId++,
      spec,
      route: undefined,
      isLive: true,
      uses: 0,
      rate: 0,
      wish: undefined,
      wanted: undefined,
      isSeeking: false,
      path: undefined,
      value: 0,
      figures: undefined,
      changedAt: now,
      changes: 0,
      cause: 'the flow began',
      isWaiting: false,
      stay: 0 as Duration,
      fledAt: undefined,
      drawsAt: now,
      usesSeen: -1,
      idleSince: now,
    };
    this.flows.set(entry.id, entry);
    this.idleAt ??= (now + IDLE_AFTER) as Instant;
    this.review(entry, () => 'the flow began', now);
    return entry;
  }

  /** Forgets a flow, if it is known. */
  close(flow: ChosenRoute): void {
    const entry = this.flows.get(flow.id);
    if (entry === undefined) return;
    entry.isLive = false;
    this.flows.delete(entry.id);
  }

  /** The clock, for flows that begin before the next change. */
  tick(now: Instant): void {
    this.latest = now;
  }

  /** Links or policy changed. `causeOf` says in words what made a route change. */
  update(causeOf: CauseOf, now: Instant): void {
    this.latest = now;
    this.found.clear();
    this.mtus.clear();
    this.sharers.clear();
    for (const entry of [...this.flows.values()])
      if (!this.forgetIdle(entry, now)) this.review(entry, causeOf, now);
  }

  timeout(now: Instant): void {
    this.latest = now;
    if (this.idleAt !== undefined && this.idleAt <= now) {
      for (const entry of [...this.flows.values()]) this.forgetIdle(entry, now);
      this.idleAt = this.flows.size > 0 ? ((now + IDLE_AFTER) as Instant) : undefined;
    }
    if (this.roundAt === undefined || this.roundAt > now) return;
    this.roundAt = undefined;
    for (const entry of this.flows.values())
      if (entry.isWaiting) this.review(entry, () => undefined, now);
  }

  nextTimeout(): Instant | undefined {
    return soonest(this.roundAt, this.idleAt);
  }

  /** Datagram bytes that pass on the routes of all flows to a destination; 0 without any. */
  mtuTo(destination: NodeAddress): number {
    if (this.flows.size === 0) return 0;
    if (this.mtus.size === 0)
      for (const { spec, figures } of this.flows.values()) {
        if (figures === undefined) continue;
        const known = this.mtus.get(spec.destination) ?? figures.mtu;
        this.mtus.set(spec.destination, Math.min(known, figures.mtu));
      }
    return this.mtus.get(destination) ?? 0;
  }

  candidatesOf(spec: FlowSpec): readonly Candidate[] {
    const { destination, lane, metric, hops, service } = spec;
    const { recovery, requests, retransmissions, deadline } = service;
    const key = `${destination} ${lane} ${hops} ${recovery} ${requests} ${retransmissions} ${deadline} ${metricText(metric)}`;
    let found = this.found.get(key);
    if (found === undefined) {
      const ends = { source: this.options.self, destination };
      found = candidates(this.graphOf(spec), ends, this.scoreOf(spec), hops);
      this.found.set(key, found);
    }
    return found;
  }

  scoreOf(spec: FlowSpec): Score {
    return scoreOf(spec.metric, spec.service, this.options.application);
  }

  private graphOf({ destination, lane }: FlowSpec): Graph {
    return this.options.permitted(destination, lane) ?? EMPTY_GRAPH;
  }

  private review(entry: FlowEntry, causeOf: CauseOf, now: Instant): void {
    const { spec } = entry;
    const found = this.candidatesOf(spec);
    const score = this.scoreOf(spec);
    const graph = this.graphOf(spec);
    const { path, wish } = entry;
    entry.isWaiting = false;
    const isSought = entry.isSeeking && entry.rate > 0 && this.valueOf(entry, wish) !== undefined;
    if (!isSought) this.endWish(entry);
    const best = found[0];
    const value = this.valueOf(entry, path);
    if (best === undefined || path === undefined || value === undefined || !this.fits(entry)) {
      const next = best === undefined ? undefined : draw(found, entry, score);
      // It did not go by its own wish: it may come back as soon as its path does.
      entry.stay = 0 as Duration;
      this.endWish(entry);
      return this.take(entry, next, { causeOf, graph, words: undefined }, now);
    }
    entry.value = value;
    entry.figures = pathFigures(graph, this.options.self, path);
    if (value <= best.score + marginOf(entry, best.score, score)) return;
    const next = draw(found, entry, score);
    const better = `better by ${share(value, next.score)}`;
    const change = { causeOf, graph, words: better };
    if (this.isUrgent(entry, next, graph, now)) {
      this.endWish(entry);
      return this.move(entry, next, change, now);
    }
    if (spec.isSpread || entry.isSeeking) return;
    const isWish = isSamePath(wish, next.path);
    const mayMove = between(entry.changedAt, now) >= entry.stay && hasTurn(spec.key, now);
    if (!isWish && !mayMove) {
      entry.isWaiting = true;
      this.roundAt ??= nextRound(now);
    } else if (entry.rate > 0) entry.wish = next.path;
    else this.move(entry, next, change, now);
  }

  /** A flow's wish has room for its rate: it moves there. State: it has no wish any more. */
  granted(flow: ChosenRoute, now: Instant): void {
    const entry = this.flows.get(flow.id);
    if (entry?.wish === undefined) return;
    const { wish: path, isSeeking } = entry;
    const score = this.valueOf(entry, path);
    this.endWish(entry);
    if (score === undefined) return;
    const why = isSeeking
      ? 'no room for its rate before'
      : `better by ${share(entry.value, score)}`;
    const words = `${why}, and the rate is reserved`;
    const change = { causeOf: NO_CAUSE, graph: this.graphOf(entry.spec), words };
    this.move(entry, { path, score }, change, now);
  }

  /** It has not: the flow stays, until its next turn if the wish was better. State: it has no wish any more. */
  refused(flow: ChosenRoute, wanted: RoomWanted): void {
    const entry = this.flows.get(flow.id);
    if (entry?.wish === undefined) return;
    entry.wanted = wanted;
    entry.isWaiting = !entry.isSeeking;
    if (entry.isWaiting) this.roundAt ??= nextRound(wanted.askedAt);
    this.endWish(entry);
  }

  /**
   * A flow's rate has no room on its path: it wishes for the best that may have room (`roomyPath`). False, and
   * no wish: there is no other.
   */
  seek(flow: ChosenRoute, wanted: RoomWanted): boolean {
    const entry = this.flows.get(flow.id);
    if (entry === undefined) return false;
    const { spec } = entry;
    const ends = { source: this.options.self, destination: spec.destination };
    const by = { score: this.scoreOf(spec), hops: spec.hops };
    const path = roomyPath(this.graphOf(spec), ends, by, wanted);
    entry.wanted = wanted;
    this.endWish(entry);
    if (path === undefined || isSamePath(path, entry.path)) return false;
    entry.wish = path;
    entry.isSeeking = true;
    return true;
  }

  private endWish(entry: FlowEntry): void {
    entry.wish = undefined;
    entry.isSeeking = false;
  }

  /** The score of a path now; undefined: it is none any more. */
  private valueOf(
    { spec }: FlowEntry,
    path: readonly NodeAddress[] | undefined,
  ): number | undefined {
    if (path === undefined) return undefined;
    return scoreOfPath(this.graphOf(spec), this.options.self, path, this.scoreOf(spec));
  }

  /** State: the flow takes a better path, and stays there the longer the sooner it came. */
  private move(entry: FlowEntry, next: Candidate, why: Why, now: Instant): void {
    const isSoon = between(entry.changedAt, now) < STAY_SOON * entry.stay;
    const stay = isSoon ? Math.min(2 * entry.stay, STAY_MAX) : STAY_MIN;
    entry.stay = stay as Duration;
    this.take(entry, next, why, now);
  }

  /** A single-hop flow whose path is no such thing any more cannot be. */
  private fits({ spec, path }: FlowEntry): boolean {
    return spec.hops === 'any' || (path?.length ?? 0) <= 2;
  }

  private isUrgent(entry: FlowEntry, next: Candidate, graph: Graph, now: Instant): boolean {
    const there = pathFigures(graph, this.options.self, next.path);
    const isOnTrial = (entry.figures?.cost ?? 0) > 1_500_000;
    if (isOnTrial && (there?.cost ?? 0) < 1_500_000) return true;
    const excess = (entry.figures?.lossPpm ?? 0) - (there?.lossPpm ?? PPM);
    return excess >= URGENT_LOSS_PPM && this.drawsFlight(entry, excess, now);
  }

  /** State: whatever comes of it, the flow does not draw again before its path can have been measured. */
  private drawsFlight(entry: FlowEntry, excessPpm: number, now: Instant): boolean {
    const { spec, fledAt, drawsAt } = entry;
    if (now < drawsAt) return false;
    entry.drawsAt = later(now, FLIGHT_AGAIN);
    const hasFledLately = fledAt !== undefined && between(fledAt, now) < FLIGHT_LATELY;
    const one = hasFledLately ? 0 : 1 / this.sharersOf(entry);
    const share = Math.max(one, (FLIGHT_SHARE * excessPpm) / PPM);
    const drawn = hashOf(spec.key, [entry.changes, Math.floor(now / FLIGHT_AGAIN)]);
    const isFleeing = drawn < share * 2 ** 32;
    if (isFleeing) entry.fledAt = now;
    return isFleeing;
  }

  /** Flows of this node on the same path when the topology last changed, this one among them. */
  private sharersOf(entry: FlowEntry): number {
    if (this.sharers.size === 0)
      for (const { path } of this.flows.values()) {
        const key = path?.join() ?? '';
        this.sharers.set(key, (this.sharers.get(key) ?? 0) + 1);
      }
    return this.sharers.get(entry.path?.join() ?? '') ?? 1;
  }

  private take(entry: FlowEntry, next: Candidate | undefined, why: Why, now: Instant): void {
    const before = entry.path;
    const after = next?.path;
    if (isSamePath(before, after)) return;
    entry.path = after;
    entry.route = after === undefined ? undefined : pathBlock(after);
    entry.value = next?.score ?? 0;
    entry.figures = after && pathFigures(why.graph, this.options.self, after);
    this.mtus.clear();
    entry.changedAt = now;
    entry.changes++;
    const cause = why.causeOf(before, after);
    entry.cause = [cause, why.words].filter((text) => text !== undefined).join(', ') || 'its turn';
    this.options.counters.add('flow-route-changed');
    this.options.changed({ flow: entry, before, after, cause: entry.cause }, now);
  }

  /** State: forgotten when nobody used it for a while. */
  private forgetIdle(entry: FlowEntry, now: Instant): boolean {
    if (entry.uses !== entry.usesSeen) {
      entry.usesSeen = entry.uses;
      entry.idleSince = now;
      return false;
    }
    if (now - entry.idleSince < IDLE_AFTER) return false;
    this.close(entry);
    return true;
  }

  private evict(): void {
    this.options.counters.add('flow-routes-full');
    let idle: FlowEntry | undefined;
    for (const entry of this.flows.values())
      if (idle === undefined || entry.idleSince < idle.idleSince) idle = entry;
    if (idle !== undefined) this.close(idle);
  }
}

const PPM = 1_000_000;

const NO_CAUSE = (): undefined => undefined;

interface Why {
  readonly causeOf: CauseOf;
  readonly graph: Graph;
  readonly words: string | undefined;
}

export type CauseOf = (
  before: readonly NodeAddress[] | undefined,
  after: readonly NodeAddress[] | undefined,
) => string | undefined;

const share = (worse: number, better: number): string =>
  `${Math.round((100 * (worse - better)) / Math.max(worse, 1e-9))} %`;
