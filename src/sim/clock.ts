/**
 * One node's clocks as the simulator's time sees them. The monotonic clock starts anywhere, as
 * after a boot, and runs fast or slow by some parts per million; the wall clock is off by a skew and
 * may be stepped. Crystals in the field stay within 100 ppm, worn ones and virtual machines do not.
 */
import type { Instant, WallTime } from '../kernel/index.ts';
import { wallTime } from '../kernel/index.ts';

/** Where people's clocks stand when a simulation starts: 2027-01-15T08:00:00Z. */
export const WALL_START: WallTime = 1_800_000_000_000_000 as WallTime;

export class NodeClock {
  private readonly startedAt: number;
  private readonly origin: number;
  private readonly rate: number;
  private skew: number;

  constructor(options: {
    /** Virtual time at which the node starts. */
    startedAt: number;
    /** What its monotonic clock shows then. */
    origin: number;
    driftPpm: number;
    wallSkew: number;
  }) {
    this.startedAt = options.startedAt;
    this.origin = options.origin;
    this.rate = 1 + options.driftPpm / 1e6;
    this.skew = options.wallSkew;
  }

  local(virtual: number): Instant {
    return (this.origin + Math.floor((virtual - this.startedAt) * this.rate)) as Instant;
  }

  /** The first virtual microsecond at which the monotonic clock shows at least `local`. */
  virtual(local: Instant): number {
    let at = this.startedAt + Math.ceil((local - this.origin) / this.rate);
    while (this.local(at) < local) at++;
    return at;
  }

  wall(virtual: number): WallTime {
    return wallTime(WALL_START + virtual * this.rate + this.skew);
  }

  stepWall(by: number): void {
    this.skew += by;
  }
}
