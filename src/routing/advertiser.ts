/**
 * Which of this node's links it tells the network about, and with which figures. All damping of
 * routes lives here: what is advertised is steady, so what everybody computes from it is steady, and
 * no node keeps a route that the others have left (ADR 4).
 *
 * Worse news is advertised at once: a link that went down, or whose cost rose by more than a tenth and
 * more than 2 ms. Better news, by the same margin, waits until the link's figures have stood for ten
 * seconds; a link that has just come up for the first time may correct its first figures at once.
 * Smaller changes are never told. A link that comes back waits a second, doubled for each
 * recent failure up to a minute, as route flap damping does (RFC 2439), but in whole doublings.
 *
 * What a link carries is told beside its figures, and damped apart: what was learned of an idle link waits
 * for the next record that is made anyway, and use and reservations are news when they move by an eighth
 * of the capacity, 5 s after the last such news for the worse and 10 s for the better.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { between, later, seconds, soonest } from '../kernel/index.ts';
import type { LinkBandwidth, LinkReport } from '../wire/index.ts';
import { linkCost } from './metric.ts';
import type { AdjacencyMetrics, RoutingLimits, RoutingTimers } from './options.ts';

/** A cost has to differ by more than one part in this many. */
export const MARGIN_PARTS = 10;
/** And by more than this. */
export const MARGIN_MIN = 2_000;
/** Of the capacity, by which what is available has to differ. */
const BANDWIDTH_PARTS = 8;
const LESS_BANDWIDTH_AFTER = seconds(5);

interface Adjacency {
  current: LinkReport | undefined;
  advertised: LinkReport | undefined;
  /** When better news, or the link itself, may be told. */
  pendingAt: Instant | undefined;
  changedAt: Instant;
  upAt: Instant;
  /** Nothing but corrections to the better since it came up, and it was never down before. */
  hasFirstFigures: boolean;
  recentDowns: number;
  downAt: Instant;
  bandwidth: LinkBandwidth | undefined;
  bandwidthAt: Instant;
}

/** `now`: tell it at once. `soon`: may wait for company. `nothing`: nothing to tell now. */
export type Urgency = 'now' | 'soon' | 'nothing';

export class Advertiser {
  private readonly adjacencies = new Map<NodeAddress, Adjacency>();
  private readonly timers: RoutingTimers;
  private readonly limits: RoutingLimits;
  private readonly counters: Counters;

  constructor(timers: RoutingTimers, limits: RoutingLimits, counters: Counters) {
    this.counters = counters;
    this.timers = timers;
    this.limits = limits;
  }

  up(neighbour: NodeAddress, metrics: AdjacencyMetrics, now: Instant): Urgency {
    const report = reportOf(neighbour, metrics);
    const known = this.adjacencies.get(neighbour);
    if (known?.current === undefined) return this.cameUp(neighbour, known, report, now);
    known.current = report;
    const { advertised } = known;
    if (advertised === undefined) return 'nothing';
    if (advertised.isOnProbation === true) return this.onProbation(known, advertised, report, now);
    if (isWorse(advertised, report)) {
      known.advertised = worseOfBoth(advertised, report);
      known.hasFirstFigures = false;
      known.changedAt = now;
      known.pendingAt = undefined;
      return 'now';
    }
    if (!isWorse(report, advertised)) {
      known.pendingAt = undefined;
      return 'nothing';
    }
    if (known.hasFirstFigures && between(known.upAt, now) <= this.timers.firstFiguresFor) {
      known.advertised = report;
      known.changedAt = now;
      known.pendingAt = undefined;
      return 'soon';
    }
    known.pendingAt = later(known.changedAt, this.timers.betterNewsAfter);
    return 'nothing';
  }

  down(neighbour: NodeAddress, now: Instant): Urgency {
    const known = this.adjacencies.get(neighbour);
    if (known?.current === undefined) return 'nothing';
    const wasAdvertised = known.advertised !== undefined;
    known.recentDowns = this.remembered(known, now) + 1;
    known.downAt = now;
    known.current = undefined;
    known.advertised = undefined;
    known.pendingAt = undefined;
    return wasAdvertised ? 'now' : 'nothing';
  }

  /** What a link carries now. Asked again every second or so: nothing is planned here. */
  measured(neighbour: NodeAddress, bandwidth: LinkBandwidth | undefined, now: Instant): Urgency {
    const known = this.adjacencies.get(neighbour);
    if (known?.advertised === undefined) return 'nothing';
    const { bandwidth: told, bandwidthAt } = known;
    if (told === undefined || bandwidth === undefined) {
      known.bandwidth = bandwidth;
      return 'nothing';
    }
    if (!isFar(told, bandwidth)) return 'nothing';
    const isLess = bandwidth.available < told.available;
    const wait = isLess ? LESS_BANDWIDTH_AFTER : this.timers.betterNewsAfter;
    if (now < later(bandwidthAt, wait)) return 'nothing';
    known.bandwidth = bandwidth;
    known.bandwidthAt = now;
    return 'soon';
  }

  /** What is told of a link's bandwidth, beside `advertised`. */
  bandwidth(neighbour: NodeAddress): LinkBandwidth | undefined {
    return this.adjacencies.get(neighbour)?.bandwidth;
  }

  /** Advertises what has waited long enough. */
  review(now: Instant): Urgency {
    let urgency: Urgency = 'nothing';
    for (const adjacency of this.adjacencies.values()) {
      if (adjacency.pendingAt === undefined || adjacency.pendingAt > now) continue;
      adjacency.pendingAt = undefined;
      adjacency.advertised = adjacency.current;
      adjacency.changedAt = now;
      urgency = 'soon';
    }
    return urgency;
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { pendingAt } of this.adjacencies.values()) next = soonest(next, pendingAt);
    return next;
  }

  /** Undefined while nothing is told about this link. */
  advertised(neighbour: NodeAddress): LinkReport | undefined {
    return this.adjacencies.get(neighbour)?.advertised;
  }

  /** Neighbours with something advertised, ascending. */
  neighbours(): NodeAddress[] {
    const found: NodeAddress[] = [];
    for (const [address, { advertised }] of this.adjacencies)
      if (advertised !== undefined) found.push(address);
    return found.sort((a, b) => a - b);
  }

  /** When a link's probation ends, if it is on probation. */
  onProbationUntil(neighbour: NodeAddress): Instant | undefined {
    const known = this.adjacencies.get(neighbour);
    return known?.advertised?.isOnProbation === true ? known.pendingAt : undefined;
  }

  /** Worse news is told; the rest waits with the end of the probation. */
  private onProbation(
    known: Adjacency,
    advertised: LinkReport,
    report: LinkReport,
    now: Instant,
  ): Urgency {
    if (!isWorse(advertised, report)) return 'nothing';
    known.advertised = { ...worseOfBoth(advertised, report), isOnProbation: true };
    known.changedAt = now;
    return 'now';
  }

  private cameUp(
    neighbour: NodeAddress,
    known: Adjacency | undefined,
    report: LinkReport,
    now: Instant,
  ): Urgency {
    const recentDowns = known === undefined ? 0 : this.remembered(known, now);
    const downAt = known?.downAt ?? now;
    const hold = recentDowns === 0 ? 0 : this.hold(recentDowns);
    this.adjacencies.set(neighbour, {
      current: report,
      advertised: hold === 0 ? report : { ...report, isOnProbation: true },
      pendingAt: hold === 0 ? undefined : later(now, hold as Duration),
      changedAt: now,
      upAt: now,
      hasFirstFigures: recentDowns === 0,
      recentDowns,
      downAt,
      bandwidth: undefined,
      bandwidthAt: now,
    });
    this.forgetSurplus();
    return 'soon';
  }

  private hold(recentDowns: number): number {
    const { flapHold, flapHoldMax } = this.timers;
    return Math.min(flapHoldMax, flapHold * 2 ** Math.min(20, recentDowns - 1));
  }

  /** Failures not yet forgotten. */
  private remembered(adjacency: Adjacency, now: Instant): number {
    const forgotten = Math.floor(between(adjacency.downAt, now) / this.timers.flapForget);
    return Math.max(0, adjacency.recentDowns - forgotten);
  }

  /** Failures of former neighbours are remembered for as many as there may be neighbours. */
  private forgetSurplus(): void {
    if (this.adjacencies.size <= 2 * this.limits.neighboursMax) return;
    for (const [address, { current }] of this.adjacencies) {
      if (current !== undefined) continue;
      this.counters.add('flap-memory-full');
      this.adjacencies.delete(address);
      return;
    }
  }
}

function reportOf(neighbour: NodeAddress, m: AdjacencyMetrics): LinkReport {
  const latency = Math.max(0, Math.round(m.rtt / 2)) as Duration;
  const { jitter, lossOutPpm, lossInPpm, mtu } = m;
  return { neighbour, latency, jitter, lossOutPpm, lossInPpm, mtu };
}

/** Whether `b` is worse than `a` in some direction by more than the margin, or passes less. */
function isWorse(a: LinkReport, b: LinkReport): boolean {
  return (
    b.mtu < a.mtu ||
    isCostlier(linkCost(a.latency, a.lossOutPpm), linkCost(b.latency, b.lossOutPpm)) ||
    isCostlier(linkCost(a.latency, a.lossInPpm), linkCost(b.latency, b.lossInPpm))
  );
}

/** The margin is a tenth of the greater of the two, so that up and down are judged alike. */
const isCostlier = (a: number, b: number): boolean =>
  b - a > MARGIN_MIN && (b - a) * MARGIN_PARTS > b;

/** Where one figure got worse and another better, only the worse one is told at once. */
const worseOfBoth = (a: LinkReport, b: LinkReport): LinkReport => ({
  neighbour: b.neighbour,
  latency: Math.max(a.latency, b.latency) as Duration,
  jitter: b.jitter,
  lossOutPpm: Math.max(a.lossOutPpm, b.lossOutPpm),
  lossInPpm: Math.max(a.lossInPpm, b.lossInPpm),
  mtu: Math.min(a.mtu, b.mtu),
});

function isFar(a: LinkBandwidth, b: LinkBandwidth): boolean {
  const capacity = Math.max(a.capacity, b.capacity);
  const change = Math.max(Math.abs(a.available - b.available), Math.abs(a.capacity - b.capacity));
  return change * BANDWIDTH_PARTS > capacity;
}
