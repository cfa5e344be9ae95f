/**
 * Several paths to one neighbour. Each has its own keys, estimators and failure detector: a `Link` of
 * its own to the same member. One of them is in use and is what the rooms above see; the others are
 * spares, measured by hellos at a fifth of the rate.
 *
 * The path in use is left for a spare when it is dead; or when it has fallen silent for as long as makes
 * it suspect, while a spare has answered since: spares are asked at once when that begins. That is
 * within half of what it takes to declare a link dead. It is also left for one that has been better by
 * a quarter and 5 ms for ten seconds.
 *
 * Packets pick a path by what they ask for: one with a deadline goes by what is soonest there with its
 * losses counted, any other by what moves most, rtt * sqrt(loss). Both stay with the path in use unless
 * another is better by the same margin.
 *
 * Which end opened a path does not matter: a path is a pair of addresses, as this end sees them.
 */
import type { Counters, Duration, Instant, NodeAddress, UnderlayAddress } from '../kernel/index.ts';
import { later, milliseconds, seconds } from '../kernel/index.ts';
import type { PacketService } from '../wire/index.ts';
import type { Link } from './link.ts';
import type { Session } from './session.ts';

export interface MultipathSink {
  /** Another path is in use now: what it measures is what the link measures. */
  switched(from: Link, to: Link, reason: string, now: Instant): void;
}

/** Paths to one neighbour. Further ones are refused. */
export const PATHS_MAX = 4;
export const BETTER_FOR: Duration = seconds(10);
export const BETTER_SHARE = 0.75;
export const BETTER_LEAST: Duration = milliseconds(5);
const LOST_COST = 500_000;
/** A spare is asked again this long after it was asked, while the path in use is silent. */
const ASK_AGAIN: Duration = milliseconds(100);

interface Bundle {
  readonly spares: Link[];
  /** The spare that has been better, and since when. */
  better: { link: Link; since: Instant } | undefined;
  askedAt: Instant;
}

export class Multipath {
  private readonly links: Map<NodeAddress, Link>;
  private readonly sink: MultipathSink;
  private readonly counters: Counters;
  private readonly bundles = new Map<NodeAddress, Bundle>();

  constructor(options: {
    /** By neighbour: the path in use. */
    links: Map<NodeAddress, Link>;
    counters: Counters;
    sink: MultipathSink;
  }) {
    this.links = options.links;
    this.counters = options.counters;
    this.sink = options.sink;
  }

  get hasSpares(): boolean {
    return this.bundles.size > 0;
  }

  /** All paths to all neighbours. */
  get all(): Link[] {
    const all = [...this.links.values()];
    for (const { spares } of this.bundles.values()) all.push(...spares);
    return all;
  }

  /** Those to one neighbour, the one in use first. */
  pathsTo(neighbour: NodeAddress): Link[] {
    const inUse = this.links.get(neighbour);
    const spares = this.bundles.get(neighbour)?.spares ?? [];
    return inUse === undefined ? [...spares] : [inUse, ...spares];
  }

  isSpare(link: Link): boolean {
    return this.links.get(link.neighbour) !== link;
  }

  /** The path that a new session belongs to; undefined: one of its own. */
  pathOf(session: Session, neighbour: NodeAddress): Link | undefined {
    const paths = this.pathsTo(neighbour);
    const same = paths.find(
      ({ path }) => path.remote.key === session.remote.key && path.local === session.local,
    );
    return same ?? (session.isOneOfSeveral ? undefined : paths[0]);
  }

  /** Whether one more may be opened, or the one with this far end is there already. */
  hasRoomFor(neighbour: NodeAddress, remote: UnderlayAddress): boolean {
    const paths = this.pathsTo(neighbour);
    return paths.length < PATHS_MAX || paths.some(({ path }) => path.remote.key === remote.key);
  }

  add(link: Link, now: Instant): void {
    const { neighbour } = link;
    if (!this.links.has(neighbour)) {
      this.links.set(neighbour, link);
      return;
    }
    const bundle = this.bundles.get(neighbour);
    link.isSpare = true;
    if (bundle === undefined)
      this.bundles.set(neighbour, { spares: [link], better: undefined, askedAt: now });
    else bundle.spares.push(link);
  }

  /**
   * A path has come up. True when it is in use from now on, because the one that was to be is not up
   * yet.
   */
  cameUp(link: Link, now: Instant): boolean {
    if (!this.isSpare(link)) return true;
    this.counters.add('link.paths-up');
    const inUse = this.links.get(link.neighbour);
    if (inUse?.isUsable === true) return false;
    this.exchange(link, now);
    return true;
  }

  /**
   * A path is lost. True when the neighbour is still reached over others, one of which is in use from
   * now on; false: it was the last, and is still there for the caller to take down.
   */
  lost(link: Link, reason: string, now: Instant): boolean {
    const bundle = this.bundles.get(link.neighbour);
    if (bundle === undefined) return false;
    if (this.isSpare(link)) {
      this.remove(bundle, link);
      this.counters.add('link.paths-down');
      return true;
    }
    const next = best(bundle.spares.filter((spare) => spare.isUsable));
    if (next === undefined) return false;
    this.exchange(next, now);
    this.remove(bundle, link);
    this.counters.add('link.paths-down');
    this.takeOver(link, next, reason, now);
    return true;
  }

  /** The neighbour is gone altogether. Returns the paths that were spare. */
  forget(neighbour: NodeAddress): readonly Link[] {
    const bundle = this.bundles.get(neighbour);
    this.bundles.delete(neighbour);
    return bundle?.spares ?? [];
  }

  /** Leaves paths that are silent or have been beaten; asks spares when there is need. */
  review(now: Instant): void {
    for (const [neighbour, bundle] of this.bundles) {
      const inUse = this.links.get(neighbour);
      if (inUse === undefined) continue;
      if (inUse.state === 'suspect') this.doubt(inUse, bundle, now);
      else this.compare(inUse, bundle, now);
    }
  }

  /** For a packet that asks for this, among the paths that are alive. */
  pick(inUse: Link, service: Readonly<PacketService>): Link {
    const bundle = this.bundles.get(inUse.neighbour);
    if (bundle === undefined) return inUse;
    const costOf = service.deadline > 0 ? timeliness : bulkiness;
    let chosen = inUse;
    let least = inUse.state === 'up' ? costOf(inUse) * BETTER_SHARE : Number.POSITIVE_INFINITY;
    for (const spare of bundle.spares) {
      if (spare.state !== 'up') continue;
      const cost = costOf(spare);
      if (cost >= least) continue;
      least = cost;
      chosen = spare;
    }
    return chosen;
  }

  /** Another path that is up, to send a copy on; undefined: there is none. */
  second(first: Link): Link | undefined {
    const others = this.pathsTo(first.neighbour).filter(
      (link) => link !== first && link.state === 'up',
    );
    return best(others);
  }

  private doubt(inUse: Link, bundle: Bundle, now: Instant): void {
    const since = inUse.stateSince;
    const fresh = bundle.spares.filter(
      (spare) => spare.state === 'up' && spare.path.detector.lastHeardAt > since,
    );
    const next = best(fresh);
    if (next !== undefined) {
      this.exchange(next, now);
      this.takeOver(inUse, next, 'silence', now);
      return;
    }
    if (now < bundle.askedAt + ASK_AGAIN) return;
    bundle.askedAt = now;
    for (const spare of bundle.spares) spare.ask(now);
  }

  private compare(inUse: Link, bundle: Bundle, now: Instant): void {
    const next = best(bundle.spares.filter((spare) => spare.state === 'up'));
    const cost = timeliness(inUse);
    const isBetter =
      next !== undefined && timeliness(next) < Math.min(cost * BETTER_SHARE, cost - BETTER_LEAST);
    if (!isBetter) bundle.better = undefined;
    else if (bundle.better?.link !== next) bundle.better = { link: next, since: now };
    else if (now >= later(bundle.better.since, BETTER_FOR)) {
      bundle.better = undefined;
      this.exchange(next, now);
      this.takeOver(inUse, next, 'a better path', now);
    }
  }

  /** State: `next` is in use, and what was in use is a spare. */
  private exchange(next: Link, now: Instant): void {
    const { neighbour } = next;
    const bundle = this.bundles.get(neighbour);
    const former = this.links.get(neighbour);
    if (bundle === undefined || former === undefined) return;
    this.remove(bundle, next);
    former.becomesSpare(now);
    next.isSpare = false;
    this.links.set(neighbour, next);
    const again = this.bundles.get(neighbour) ?? bundle;
    again.spares.push(former);
    this.bundles.set(neighbour, again);
  }

  private takeOver(from: Link, to: Link, reason: string, now: Instant): void {
    this.counters.add('link.paths-switched');
    to.takenIntoUse(now);
    this.sink.switched(from, to, reason, now);
  }

  private remove(bundle: Bundle, link: Link): void {
    const place = bundle.spares.indexOf(link);
    if (place >= 0) bundle.spares.splice(place, 1);
    if (bundle.better?.link === link) bundle.better = undefined;
    if (bundle.spares.length === 0) this.bundles.delete(link.neighbour);
  }
}

/** One way with a lost try counted as half a second, as the routing metric has it. */
function timeliness({ path }: Link): number {
  const loss = Math.min(0.9, Math.max(path.lossOutToldPpm, path.lossOutNowPpm) / 1e6);
  return path.rtt.rtt / 2 + (LOST_COST * loss) / (1 - loss);
}

/** The reciprocal of what a long transfer moves; losses below 0.01 % are as none. */
function bulkiness({ path }: Link): number {
  const loss = Math.max(0.0001, path.lossOutToldPpm / 1e6);
  return Math.max(1, path.rtt.rtt) * Math.sqrt(loss);
}

function best(links: readonly Link[]): Link | undefined {
  let found: Link | undefined;
  for (const link of links)
    if (found === undefined || timeliness(link) < timeliness(found)) found = link;
  return found;
}
