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
 */
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { between, later, soonest } from '../kernel/index.ts';
import type { LinkReport } from '../wire/index.ts';
import { linkCost } from './metric.ts';
import type { AdjacencyMetrics, RoutingLimits, RoutingTimers } from './options.ts';

/** A cost has to differ by more than one part in this many. */
export const MARGIN_PARTS = 10;
/** And by more than this. */
export const MARGIN_MIN = 2_000;

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
