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
 * Both are cut into steps of one length. A step is as long as fits, up to where the losses have
 * forgotten each other (a few bursts), and 20 ms at least; where so many do not fit, down to three
 * times the measured memory of the losses; where that does not fit either, there are fewer, of
 * whichever there are more, of requests first. With p the chance that a packet is lost, and steps
 * longer than a burst, a packet stays lost with p (p^N + (1 - p^N) p^M), and every packet costs
 * 1 + M p. A request that still comes after the first retransmission should have arrived is answered
 * once more at once: the last term falls to p^(M+N-1) for a cost of order p^2.
 */
import type { Duration } from '../../kernel/index.ts';

export const REQUESTS_DEFAULT = 3;
export const RETRANSMISSIONS_DEFAULT = 3;
/** Where a link chooses, it asks once more if that fits: a request is small and seldom. */
const REQUESTS_ROOMY = 4;
/** Apart at least, where they fit. */
export const STEP_WANTED: Duration = 20_000 as Duration;
/** Never closer than this. */
export const STEP_MIN: Duration = 5_000 as Duration;
/** No wider than this, or four bursts: wider gains nothing and keeps packets longer. */
const STEP_WIDE: Duration = 50_000 as Duration;
const BURSTS_WIDE = 4;
const BURSTS_MIN = 3;

export interface Plan {
  /** How often, 0: there is no time. */
  readonly count: number;
  readonly step: Duration;
}

const NONE: Plan = { count: 0, step: 0 as Duration };

export interface RequestTimes {
  /** From now until an answer would be too late here. */
  readonly slack: Duration;
  readonly rtt: Duration;
  /** How long losses remember each other, as measured. */
  readonly burst: Duration;
  /** As the packets ask; 0: the link chooses. */
  readonly requests: number;
  readonly retransmissions: number;
}

/** Requests for a packet found missing now, the first at once. */
export function planRequests(times: RequestTimes): Plan {
  const spread = times.slack - times.rtt;
  if (spread < 0) return NONE;
  let m = times.retransmissions || RETRANSMISSIONS_DEFAULT;
  let n = times.requests || REQUESTS_DEFAULT;
  const isRoomy = times.requests === 0 && spread / (REQUESTS_ROOMY + m - 2) >= STEP_WANTED;
  if (isRoomy) n = REQUESTS_ROOMY;
  const least = closest(times.burst);
  while (n + m > 2 && spread / (n + m - 2) < least) {
    if (n >= m) n--;
    else m--;
  }
  return { count: n, step: step(spread, n + m - 2, times.burst) };
}

/**
 * Retransmissions of a packet asked for now, the first at once. `left`: from now until the last may
 * leave.
 */
export function planRepairs(times: {
  readonly left: Duration;
  readonly burst: Duration;
  readonly retransmissions: number;
}): Plan {
  if (times.left < 0) return NONE;
  let m = times.retransmissions || RETRANSMISSIONS_DEFAULT;
  const least = closest(times.burst);
  while (m > 1 && times.left / (m - 1) < least) m--;
  return { count: m, step: step(times.left, m - 1, times.burst) };
}

/** The shortest step worth its packet. */
const closest = (burst: Duration): number =>
  Math.min(STEP_WANTED, Math.max(STEP_MIN, BURSTS_MIN * burst));

function step(spread: number, steps: number, burst: Duration): Duration {
  if (steps === 0) return 0 as Duration;
  const wide = Math.max(STEP_WIDE, BURSTS_WIDE * burst);
  return Math.floor(Math.min(spread / steps, wide)) as Duration;
}
