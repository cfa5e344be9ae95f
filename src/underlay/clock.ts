/**
 * The node's two clocks. `now` is monotonic microseconds from an origin of its own and never goes
 * back; `wall` is what people's clocks say. `stepped` tells when the two have come apart since it
 * was last asked: somebody set the clock, or the machine slept, and certificates must be looked at
 * again.
 */
import { type Instant, instant, type WallTime, wallTime } from '../kernel/index.ts';

export interface Clock {
  now(): Instant;
  wall(): WallTime;
  /** Whether the wall clock jumped by more than the tolerance since the last call. */
  stepped(): boolean;
}

export interface ClockSources {
  /** Milliseconds with fractions. */
  monotonic(): number;
  /** Milliseconds since 1970. */
  wall(): number;
}

/** Slewing by NTP moves the wall clock by at most 500 ppm: 1 s in 33 minutes. */
export const STEP_TOLERANCE_MS = 1_000;

export function systemClock(
  sources: ClockSources = { monotonic: () => performance.now(), wall: () => Date.now() },
): Clock {
  let last = instant(Math.floor(sources.monotonic() * 1_000));
  let offset = sources.wall() - sources.monotonic();
  return {
    now(): Instant {
      const read = Math.floor(sources.monotonic() * 1_000);
      if (read > last) last = read as Instant;
      return last;
    },
    wall: () => wallTime(sources.wall() * 1_000),
    stepped(): boolean {
      const present = sources.wall() - sources.monotonic();
      const moved = Math.abs(present - offset);
      offset = present;
      return moved > STEP_TOLERANCE_MS;
    },
  };
}
