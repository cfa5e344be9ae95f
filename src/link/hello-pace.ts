/**
 * How often a node says hello on each of its links, so that all of them together stay within a budget.
 * A few links are served every `helloInterval`; where there are so many that this would cost more than
 * the budget, the interval grows with their number. Failure detection makes up for slow hellos by
 * probing at the first one that is missed (`failure-detector.ts`).
 *
 * Each link draws its own phase, so the hellos of a mesh are spread over the interval.
 */
import type { Duration, Instant } from '../kernel/index.ts';
import {
  CONTROL_FRAME_HEADER_BYTES,
  HELLO_PACED_BODY_BYTES,
  SEALED_OVERHEAD_BYTES,
} from '../wire/index.ts';

import type { Link } from './link.ts';
import type { LinkLimits, LinkTimers } from './options.ts';

/** UDP and IPv4. */
const UDP_IP_BYTES = 28;

/** A hello that tells its sender's pace, alone in its datagram, with all headers. */
export const HELLO_DATAGRAM_BYTES: number =
  UDP_IP_BYTES + SEALED_OVERHEAD_BYTES + CONTROL_FRAME_HEADER_BYTES + HELLO_PACED_BODY_BYTES;

export interface HelloPaceOptions {
  readonly links: number;
  /** Bits a second for the hellos of all links together; 0 is without limit. */
  readonly budget: number;
  readonly intervalMin: Duration;
  readonly intervalMax: Duration;
}

export function helloPace({ links, budget, intervalMin, intervalMax }: HelloPaceOptions): Duration {
  if (budget <= 0) return intervalMin;
  const wanted = (links * HELLO_DATAGRAM_BYTES * 8_000_000) / budget;
  return Math.round(
    Math.min(Math.max(intervalMin, wanted), Math.max(intervalMin, intervalMax)),
  ) as Duration;
}

/** More links share the budget, or fewer: all are served at the same pace. */
export function paceLinks(
  { links, paths }: { links: number; paths: Iterable<Link> },
  timers: LinkTimers,
  { helloBudget: budget }: LinkLimits,
  now: Instant,
): void {
  const { helloInterval: intervalMin, helloIntervalMax: intervalMax } = timers;
  const interval = helloPace({ links, budget, intervalMin, intervalMax });
  for (const link of paths) link.pace(interval, now);
}
