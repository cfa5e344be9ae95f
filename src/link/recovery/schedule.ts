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
 * forgotten each other (a few bursts); when the steps would be shorter than 20 ms there are fewer
 * of them, first of requests, then of retransmissions. With p the chance that a packet is lost and
 * steps longer than a burst, a packet stays lost with p (p^N + (1 - p^N) p^M), and every packet costs
 * 1 + M p. A request that still comes after the first retransmission should have arrived is answered
 * once more at once: the last term falls to p^(M+N-1) for a cost of order p^2.
 */
import type { Duration } from '../../kernel/index.ts';

export const REQUESTS_DEFAULT = 3;
export const RETRANSMISSIONS_DEFAULT = 3;
/** Where a link chooses, it asks once more if that fits: a request is small and seldom. */
const REQUESTS_ROOMY = 4;
/** Apart at least, where they fit. */
export const STEP_MIN: Duration = 20_000 as Duration;
/** No wider than this, or four bursts: wider gains nothing and keeps packets longer. */
const STEP_WIDE: Duration = 50_000 as Duration;
const BURSTS_APART = 4;

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
  /** How long losses last at a time, as measured. */
  readonly burst: Duration;
  /** As the packets ask; 0: the link chooses. */
  readonly requests: number;
  readonly retransmissions: number;
}

/** Requests for a packet found missing now, the first at once. */
export function planRequests(times: RequestTimes): Plan {
  const spread = times.slack - times.rtt;
  if (spread < 0) return NONE;
  const wide = widest(times.burst);
  let m = times.retransmissions || RETRANSMISSIONS_DEFAULT;
  let n = times.requests || REQUESTS_DEFAULT;
  const isRoomy = times.requests === 0 && spread / (REQUESTS_ROOMY + m - 2) >= wide / 2;
  if (isRoomy && spread / (REQUESTS_ROOMY + m - 2) >= STEP_MIN) n = REQUESTS_ROOMY;
  while (n + m > 2 && spread / (n + m - 2) < STEP_MIN) {
    if (n > 1) n--;
    else m--;
  }
  const steps = n + m - 2;
  return { count: n, step: steps === 0 ? (0 as Duration) : step(spread / steps, wide) };
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
  while (m > 1 && times.left / (m - 1) < STEP_MIN) m--;
  return {
    count: m,
    step: m === 1 ? (0 as Duration) : step(times.left / (m - 1), widest(times.burst)),
  };
}

const widest = (burst: Duration): number => Math.max(STEP_WIDE, BURSTS_APART * burst);
const step = (room: number, wide: number): Duration => Math.floor(Math.min(room, wide)) as Duration;
