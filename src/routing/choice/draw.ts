/**
 * What flows draw: which of several paths that are as good, and when their turn to move comes. The same for
 * the same flow, path and time on every node, and drawn anew by nothing else.
 */
import type { Duration, Instant } from '../../kernel/index.ts';
import { later, seconds } from '../../kernel/index.ts';
import type { Candidate } from './candidates.ts';
import type { FlowSpec } from './flow-chooser.ts';
import type { Score } from './metrics.ts';

/** Turns come this often. */
export const ROUND: Duration = seconds(10);
/** One flow in so many has its turn in a round. */
export const MOVE_ROUNDS = 8;
/** A flow that spreads takes any path no worse than the best by this share. */
export const SPREAD_SHARE = 0.5;
/** What a flow stays at least after a move for the better, doubled when that was soon after the last. */
export const STAY_MIN: Duration = seconds(20);

/** What of a flow draws and margins depend on. */
export interface Draws {
  readonly spec: Pick<FlowSpec, 'key' | 'isSpread'>;
  readonly stay: Duration;
  readonly rate: number;
}

/**
 * How much worse than the best a flow's own path may be before it moves: the band, as many times as its stay
 * has been doubled, so that one which has gone to and fro asks for more each time; half of the best where
 * the flow has a rate reserved.
 */
export function marginOf({ spec, stay, rate }: Draws, best: number, score: Score): number {
  const band = bandOf(best, score, spec.isSpread || rate > 0);
  return Math.max(band, Math.min((band * stay) / STAY_MIN, best * SPREAD_SHARE));
}

/** How much worse than the best still counts as good. */
export function bandOf(best: number, score: Score, isWide: boolean): number {
  const { share: part, least } = score.margin;
  // A move takes `share` of the old score: of the best that is share / (1 - share).
  const margin = Math.max(least, (best * part) / (1 - part));
  return isWide ? Math.max(margin, best * SPREAD_SHARE) : margin;
}

/** Among the good ones, the one whose hash with the flow's key is the greatest. */
export function draw(found: readonly Candidate[], entry: Draws, score: Score): Candidate {
  const best = found[0]!;
  const limit = best.score + bandOf(best.score, score, entry.spec.isSpread);
  let drawn = best;
  let greatest = -1;
  for (const candidate of found) {
    if (candidate.score > limit) break;
    const hash = hashOf(entry.spec.key, candidate.path);
    if (hash > greatest) {
      greatest = hash;
      drawn = candidate;
    }
  }
  return drawn;
}

export const hasTurn = (key: number, now: Instant): boolean =>
  hashOf(key, [Math.floor(now / ROUND)]) % MOVE_ROUNDS === 0;

export const nextRound = (now: Instant): Instant =>
  later((Math.floor(now / ROUND) * ROUND) as Instant, ROUND);

/** The mixing of MurmurHash3 (Appleby), over words. */
export function hashOf(key: number, words: readonly number[]): number {
  let h = mixed(key >>> 0);
  for (const word of words) h = mixed((Math.imul(h, 31) + word) >>> 0);
  return h;
}

function mixed(n: number): number {
  let h = n ^ (n >>> 16);
  h = Math.imul(h, 0x85eb_ca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
