/**
 * When to ask for a lost packet and when to send it again, so that the answers are spread over the time
 * that is left: the longer the spread, the less likely one burst of losses takes them all.
 *
 * Of the packet's deadline there is left, where the loss is noticed, the slack S = deadline - age -
 * rest of the path. The last of N requests, sent N_span after the first, is answered by M
 * retransmissions over M_span, and the last of those must still be in time:
 *
 *     N_span + RTT + M_span <= S
 *
 * Both are cut into steps s of one length, as long as fits, up to where the losses have forgotten each
 * other. A try that follows a lost one is lost with c = p + (1 - p) e^(-s/b), b the measured memory of
 * the losses, so n tries in a row fail with F(n) = p c^(n-1), and the packet stays lost with
 *
 *     p (F(N) + (1 - F(N)) F(M))
 *
 * N and M are those at which this is least, within what the packet asks for or three retransmissions
 * and four requests, where each further try must be worth its packet: cut the remainder by a sixth.
 * With room for all and steps longer than a burst that is p (p^N + p^M), at a cost of 1 + M p. A
 * request that still comes after the first retransmission should have arrived is answered once more
 * at once: the last term falls to p^(M+N-1) for a cost of order p^2.
 */
import type { Duration } from '../../kernel/index.ts';

const RETRANSMISSIONS_DEFAULT = 3;
/** A request is small and seldom. */
const REQUESTS_DEFAULT = 4;
/** Two tries are never closer than this. */
export const STEP_MIN: Duration = 5_000 as Duration;
/** No wider than this, or four bursts: wider gains nothing and keeps packets longer. */
const STEP_WIDE: Duration = 50_000 as Duration;
const BURSTS_WIDE = 4;
/** What a further try must cut the remainder by. */
const WORTH = 1.2;
/** No link is believed better or worse than these. */
const LOSS_MIN = 0.005;
const LOSS_MAX = 0.9;

export interface Plan {
  /** How often, 0: there is no time. */
  readonly count: number;
  readonly step: Duration;
}

const NONE: Plan = { count: 0, step: 0 as Duration };

/** Losses as measured: shares of packets, and how long they remember each other. */
export interface LossFigures {
  readonly in: number;
  readonly out: number;
  readonly burst: Duration;
}

export interface RequestTimes {
  /** From now until an answer would be too late here. */
  readonly slack: Duration;
  readonly rtt: Duration;
  readonly loss: LossFigures;
  /** As the packets ask; 0: the link chooses. */
  readonly requests: number;
  readonly retransmissions: number;
}

/** Requests for a packet found missing now, the first at once. */
export function planRequests(times: RequestTimes): Plan {
  const spread = times.slack - times.rtt;
  if (spread < 0) return NONE;
  const { loss } = times;
  let best = NONE;
  let least = Number.POSITIVE_INFINITY;
  for (let n = 1; n <= (times.requests || REQUESTS_DEFAULT); n++) {
    for (let m = 1; m <= (times.retransmissions || RETRANSMISSIONS_DEFAULT); m++) {
      const step = stepOf(spread, n + m - 2, loss.burst);
      if (step === undefined) continue;
      const asking = failure(n, loss.out, loss.burst, step);
      const left = asking + (1 - asking) * failure(m, loss.in, loss.burst, step);
      const score = left * WORTH ** (n + m);
      if (score >= least) continue;
      least = score;
      best = { count: n, step };
    }
  }
  return best;
}

/**
 * Retransmissions of a packet asked for now, the first at once. `left`: from now until the last may
 * leave.
 */
export function planRepairs(times: {
  readonly left: Duration;
  readonly loss: Pick<LossFigures, 'out' | 'burst'>;
  readonly retransmissions: number;
}): Plan {
  if (times.left < 0) return NONE;
  const { out, burst } = times.loss;
  let best = NONE;
  let least = Number.POSITIVE_INFINITY;
  for (let m = 1; m <= (times.retransmissions || RETRANSMISSIONS_DEFAULT); m++) {
    const step = stepOf(times.left, m - 1, burst);
    if (step === undefined) break;
    const score = failure(m, out, burst, step) * WORTH ** m;
    if (score >= least) continue;
    least = score;
    best = { count: m, step };
  }
  return best;
}

/** Length of so many equal steps; undefined: they would be too short. */
function stepOf(spread: number, steps: number, burst: Duration): Duration | undefined {
  if (steps === 0) return 0 as Duration;
  const step = Math.floor(Math.min(spread / steps, Math.max(STEP_WIDE, BURSTS_WIDE * burst)));
  return step < STEP_MIN ? undefined : (step as Duration);
}

/** Chance that all of so many tries are lost. */
function failure(tries: number, loss: number, burst: Duration, step: Duration): number {
  const p = Math.min(LOSS_MAX, Math.max(LOSS_MIN, loss));
  const again = p + (1 - p) * Math.exp(-step / Math.max(1, burst));
  return p * again ** (tries - 1);
}
