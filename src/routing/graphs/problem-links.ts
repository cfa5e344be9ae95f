/**
 * Which links are in trouble now, by what the network advertises of them, against what they are like
 * when all is well.
 *
 * A direction of a link is in trouble from a loss of more than 2 % or a latency of more than a quarter
 * and 2.5 ms over its base (in round trips: 5 ms), until the loss is below 0.5 % and the latency within
 * 15 % and 1.5 ms again, as in Spines (its `problem` metric). A link on probation is in trouble; so is
 * one that has gone, for a minute: after that it is no trouble but the way the network is.
 *
 * The base is the least latency advertised. A latency that has stood above it for ten minutes is no
 * trouble any more, but the link's new way through the underlay, and becomes the base. Base figures are
 * learnt since this node started: one that starts amid trouble takes the troubled latency for the base
 * until it falls.
 */
import type { Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { between, later, milliseconds, seconds, soonest } from '../../kernel/index.ts';
import type { Arc, Edge } from '../graph.ts';
import type { VanishedLink } from '../link-changes.ts';
import { inPercent, inWords } from '../link-changes.ts';
import type { Weight } from './distances.ts';

const PPM = 1_000_000;
export const LOSS_ON_PPM: number = 0.02 * PPM;
export const LOSS_OFF_PPM: number = 0.005 * PPM;
export const LATENCY_ON: Margin = { share: 0.25, least: milliseconds(2.5) };
export const LATENCY_OFF: Margin = { share: 0.15, least: milliseconds(1.5) };
export const GONE_COUNTS_FOR: Duration = seconds(60);
export const BASE_FOLLOWS_AFTER: Duration = seconds(600);

export interface Margin {
  readonly share: number;
  readonly least: Duration;
}

interface Watched {
  base: Duration;
  /** Since when every latency advertised was above the base, and the least of those. */
  aboveSince: Instant | undefined;
  leastAbove: Duration;
  edge: Edge;
  goneAt: Instant | undefined;
  /** Since when a direction is in trouble; undefined: it is not. */
  troubledAB: Instant | undefined;
  troubledBA: Instant | undefined;
}

/** A direction of a link that is in trouble. */
export interface ProblemLink {
  readonly from: NodeAddress;
  readonly to: NodeAddress;
  /** "loss 31 %", "latency 52.0 ms for 14.9 ms", "down", "on probation". */
  readonly words: string;
  readonly since: Instant;
}

export class ProblemLinks {
  private readonly watched = new Map<string, Watched>();
  private problems = new Map<string, ProblemLink>();
  private dueAt: Instant | undefined;

  /** State: learns bases; judges every link by the figures now advertised. */
  update(edges: readonly Edge[], gone: readonly VanishedLink[], now: Instant): void {
    const seen = new Set<string>();
    for (const edge of edges) {
      seen.add(keyOf(edge.a, edge.b));
      this.judge(edge, now);
    }
    for (const { edge, at } of gone) {
      const key = keyOf(edge.a, edge.b);
      const watched = this.watched.get(key);
      if (watched === undefined || seen.has(key)) continue;
      seen.add(key);
      watched.goneAt = at;
      watched.aboveSince = undefined;
    }
    for (const key of this.watched.keys()) if (!seen.has(key)) this.watched.delete(key);
    this.collect(now);
    this.dueAt = this.soonestChange();
  }

  /** When time alone changes the verdict on some link. */
  nextTimeout(): Instant | undefined {
    return this.dueAt;
  }

  private soonestChange(): Instant | undefined {
    let next: Instant | undefined;
    for (const { goneAt, aboveSince } of this.watched.values()) {
      if (aboveSince !== undefined) next = soonest(next, later(aboveSince, BASE_FOLLOWS_AFTER));
      if (goneAt !== undefined) next = soonest(next, later(goneAt, GONE_COUNTS_FOR));
    }
    return next;
  }

  problem(from: NodeAddress, to: NodeAddress): ProblemLink | undefined {
    return this.problems.get(keyOf(from, to));
  }

  from(node: NodeAddress): ProblemLink[] {
    return [...this.problems.values()].filter(({ from }) => from === node);
  }

  towards(node: NodeAddress): ProblemLink[] {
    return [...this.problems.values()].filter(({ to }) => to === node);
  }

  all(): ProblemLink[] {
    return [...this.problems.values()];
  }

  /** Base latency as a weight; the same both ways, and a microsecond a hop. */
  baseWeight(): Weight {
    const base = (arc: Arc): number => this.baseOf(arc.edge) + 1;
    return { out: base, in: base };
  }

  baseOf(edge: Edge): Duration {
    return this.watched.get(keyOf(edge.a, edge.b))?.base ?? edge.latency;
  }

  private judge(edge: Edge, now: Instant): void {
    const key = keyOf(edge.a, edge.b);
    const known = this.watched.get(key);
    const watched = known ?? {
      base: edge.latency,
      aboveSince: undefined,
      leastAbove: edge.latency,
      edge,
      goneAt: undefined,
      troubledAB: undefined,
      troubledBA: undefined,
    };
    if (known === undefined) this.watched.set(key, watched);
    watched.edge = edge;
    watched.goneAt = undefined;
    followBase(watched, edge.latency, now);
    watched.troubledAB = troubledSince(watched, edge.lossAB, watched.troubledAB, now);
    watched.troubledBA = troubledSince(watched, edge.lossBA, watched.troubledBA, now);
  }

  private collect(now: Instant): void {
    this.problems = new Map();
    for (const watched of this.watched.values()) {
      const { edge, goneAt } = watched;
      const { troubledAB, troubledBA } = watched;
      const { a, b, lossAB, lossBA } = edge;
      if (goneAt !== undefined) {
        if (between(goneAt, now) >= GONE_COUNTS_FOR) {
          // It stays known with its base, and is no trouble.
          watched.goneAt = undefined;
          watched.troubledAB = undefined;
          watched.troubledBA = undefined;
          continue;
        }
        this.put({ from: a, to: b, words: 'down', since: troubledAB ?? goneAt });
        this.put({ from: b, to: a, words: 'down', since: troubledBA ?? goneAt });
        continue;
      }
      if (troubledAB !== undefined)
        this.put({ from: a, to: b, words: wordsOf(watched, lossAB), since: troubledAB });
      if (troubledBA !== undefined)
        this.put({ from: b, to: a, words: wordsOf(watched, lossBA), since: troubledBA });
    }
  }

  private put(problem: ProblemLink): void {
    this.problems.set(keyOf(problem.from, problem.to), problem);
  }
}

function followBase(watched: Watched, latency: Duration, now: Instant): void {
  if (latency <= watched.base) {
    watched.base = latency;
    watched.aboveSince = undefined;
    return;
  }
  if (watched.aboveSince === undefined) {
    watched.aboveSince = now;
    watched.leastAbove = latency;
  }
  watched.leastAbove = Math.min(watched.leastAbove, latency) as Duration;
  if (between(watched.aboveSince, now) < BASE_FOLLOWS_AFTER) return;
  watched.base = watched.leastAbove;
  watched.aboveSince = latency > watched.base ? now : undefined;
  watched.leastAbove = latency;
}

function troubledSince(
  { base, edge }: Watched,
  lossPpm: number,
  before: Instant | undefined,
  now: Instant,
): Instant | undefined {
  const isTroubled =
    before === undefined
      ? lossPpm > LOSS_ON_PPM || edge.latency > above(base, LATENCY_ON)
      : lossPpm >= LOSS_OFF_PPM || edge.latency >= above(base, LATENCY_OFF);
  return edge.isOnProbation || isTroubled ? (before ?? now) : undefined;
}

const above = (base: Duration, { share, least }: Margin): number =>
  Math.max(base * (1 + share), base + least);

function wordsOf({ base, edge }: Watched, lossPpm: number): string {
  if (edge.isOnProbation) return 'on probation';
  return lossPpm >= LOSS_OFF_PPM
    ? `loss ${inPercent(lossPpm)}`
    : `latency ${inWords(edge.latency)} for ${inWords(base)}`;
}

const keyOf = (from: NodeAddress, to: NodeAddress): string => `${from}-${to}`;
