/**
 * What a link costs: expected latency in whole microseconds.
 *
 *     cost = latency + 500 ms * p / (1 - p) + 0.2 ms
 *
 * p / (1 - p) is the expected number of lost tries before one arrives, and half a second is what one
 * lost try costs whoever waits for it end to end (a retransmission timeout, or a gap that is heard).
 * 1 % loss weighs 5 ms, 5 % 26 ms, 30 % 214 ms. It is the idea of the expected-latency metric of
 * Amir, Danilov, Goose, Hedqvist and Terzis, "1-800-OVERLAYS" (NOSSDAV 2005), for flows that nothing
 * recovers on the link; lanes with recovery will bring their own weights. The last term is a hop's
 * own work. It keeps every cost positive, which ties and loop freedom rest on.
 *
 * Additive over links, monotone in latency and in loss, integers only: every node computes the same
 * costs from the same reports. See ADR 4.
 */
import type { Duration } from '../kernel/index.ts';
import { microseconds } from '../kernel/index.ts';

/** What one lost try costs. */
export const LOST_TRY_COST: Duration = microseconds(500_000);
export const HOP_COST: Duration = microseconds(200);
/** Of a link on probation: more than any way round costs, so it is used where there is none. */
export const PROBATION_COST: Duration = microseconds(2_000_000);
/** Beyond this a link is a last resort; the formula's pole is never reached. */
const LOSS_PPM_MAX = 990_000;
const PPM = 1_000_000;

export function lossPenalty(lossPpm: number): Duration {
  const loss = Math.min(lossPpm, LOSS_PPM_MAX);
  // One division of exact integers, correctly rounded, then floored: equal on every machine.
  return Math.floor((LOST_TRY_COST * loss) / (PPM - loss)) as Duration;
}

export const linkCost = (latency: Duration, lossPpm: number): Duration =>
  (latency + lossPenalty(lossPpm) + HOP_COST) as Duration;

/** Loss over two links in a row, taken as independent. */
export const lossInSeries = (a: number, b: number): number => Math.round(a + b - (a * b) / PPM);
