/**
 * Decides when the neighbour at the other end of a path is dead.
 *
 * Every authentic packet is a sign of life. After two and a half hello intervals of silence (150 ms
 * after the first hello that did not come, where hellos are slower than every 100 ms) the neighbour is suspect, and the link probes every 25 ms for an answer at once. It is dead when the
 * silence would be a one-in-a-billion accident at the loss last measured. With loss p in, q out:
 *
 *   its own hellos, one an interval i, all lost:      p ^ (t / i)
 *   probes, one every s once suspect (after d, and counting only those whose answer could be back,
 *   that is, sent an RTT ago), with answer:           (1 - (1-p)(1-q)) ^ ((t - d - rtt) / s)
 *
 * `deadAfter` is the t where the product is 1e-9, plus four times the jitter, within [425 ms, 1 s].
 * There are 864,000 hello intervals a day, so a false alarm is expected once in three years of a
 * link's life; where the upper bound cuts in, later: at 30 % each way t is 0.70 s + 0.7 rtt (rare
 * up to an RTT of 400 ms); at 50 % each way the bound leaves 1.6e-7, one in a week.
 *
 * The same neighbour may hear nothing while we hear it well. Hellos echo the newest hello heard; an
 * echo that ages past `unheardAfter` says that our direction is dead.
 */
import type { Duration, Instant } from '../kernel/index.ts';

export interface FailureDetectorOptions {
  readonly helloInterval: Duration;
  readonly probeInterval: Duration;
  readonly deadAfterMin: Duration;
  readonly deadAfterMax: Duration;
}

export type Verdict = 'alive' | 'suspect' | 'silent' | 'unheard';

/** Natural logarithm of the accident accepted: 1e-9. */
const ACCIDENT = -Math.log(1e-9);
/** No link is believed better than this: a loss may have begun a moment ago. */
const LOSS_FLOOR = 0.015;
const LOSS_CEILING = 0.9;

export class FailureDetector {
  private readonly stated: FailureDetectorOptions;
  private options: FailureDetectorOptions;
  private heardAt: Instant;
  /** When the newest of our hellos that the neighbour is known to have heard was sent. */
  private echoedAt: Instant;
  private suspectAfter: Duration;
  private suspectUnheardAfter: Duration;
  private unheardAfter: Duration;
  deadAfter: Duration;

  constructor(options: FailureDetectorOptions, now: Instant) {
    this.stated = options;
    this.options = patient(options, options.helloInterval);
    const { deadAfterMax } = this.options;
    this.heardAt = now;
    this.echoedAt = now;
    this.suspectAfter = missedAfter(options.helloInterval, 1);
    this.suspectUnheardAfter = deadAfterMax;
    this.unheardAfter = (2 * deadAfterMax) as Duration;
    this.deadAfter = deadAfterMax;
  }

  /** The time between hellos, the slower end's: it may change while the link lives. */
  pace(helloInterval: Duration): void {
    if (helloInterval !== this.options.helloInterval)
      this.options = patient(this.stated, helloInterval);
  }

  heard(now: Instant): void {
    this.heardAt = now;
  }

  get lastHeardAt(): Instant {
    return this.heardAt;
  }

  /** Judges from now on, as if all had been well so far. */
  restart(now: Instant): void {
    this.heardAt = now;
    this.echoedAt = now;
  }

  /** The neighbour has heard what we sent at `sentAt`. */
  echoed(sentAt: Instant): void {
    if (sentAt > this.echoedAt) this.echoedAt = sentAt;
  }

  /** Adapts the limits to what the path is like now. Losses in ppm. */
  adapt(path: { lossIn: number; lossOut: number; rtt: Duration; jitter: Duration }): void {
    const { helloInterval, probeInterval, deadAfterMin, deadAfterMax } = this.options;
    const lossIn = clamp(path.lossIn / 1e6, LOSS_FLOOR, LOSS_CEILING);
    const lossOut = clamp(path.lossOut / 1e6, LOSS_FLOOR, LOSS_CEILING);
    const perHello = -Math.log(lossIn) / helloInterval;
    const perProbe = -Math.log(1 - (1 - lossIn) * (1 - lossOut)) / probeInterval;
    this.suspectAfter = (missedAfter(helloInterval, 1) + 2 * path.jitter) as Duration;
    const unanswered = this.suspectAfter + path.rtt;
    const silence = (ACCIDENT + perProbe * unanswered) / (perHello + perProbe) + 4 * path.jitter;
    this.deadAfter = Math.round(clamp(silence, deadAfterMin, deadAfterMax)) as Duration;
    this.suspectUnheardAfter = Math.round(
      missedAfter(helloInterval, 2) + path.rtt + 2 * path.jitter,
    ) as Duration;
    const probing = clamp(ACCIDENT / perProbe, deadAfterMin / 2, deadAfterMax);
    this.unheardAfter = Math.round(this.suspectUnheardAfter + probing) as Duration;
  }

  /** This process was not running for `stall`: what it did not hear proves nothing. */
  forgive(stall: Duration, now: Instant): void {
    this.heardAt = Math.min(now, this.heardAt + stall) as Instant;
    this.echoedAt = Math.min(now, this.echoedAt + stall) as Instant;
  }

  silence(now: Instant): Duration {
    return (now - this.heardAt) as Duration;
  }

  verdict(now: Instant): Verdict {
    const silence = now - this.heardAt;
    if (silence >= this.deadAfter) return 'silent';
    const unheard = now - this.echoedAt;
    if (unheard >= this.unheardAfter) return 'unheard';
    if (silence >= this.suspectAfter || unheard >= this.suspectUnheardAfter) return 'suspect';
    return 'alive';
  }

  /** When the verdict changes if nothing more is heard; later than `now` unless dead already. */
  nextChange(now: Instant): Instant {
    const { heardAt, echoedAt } = this;
    let next = Math.min(heardAt + this.deadAfter, echoedAt + this.unheardAfter);
    const suspectAt = heardAt + this.suspectAfter;
    if (suspectAt > now) next = Math.min(next, suspectAt);
    const unheardAt = echoedAt + this.suspectUnheardAfter;
    if (unheardAt > now) next = Math.min(next, unheardAt);
    return next as Instant;
  }
}

const DEFAULT_INTERVAL = 100_000;
/** Hellos leave up to a twentieth late, by design, and so do their echoes. */
const LATENESS = 1.05;
const GRACE = 145_000;

/** When one hello, or a hello and its echo, must have been missed: 250 and 355 ms at the default pace. */
const missedAfter = (helloInterval: number, hellos: number): Duration => {
  const grace = Math.min(1, helloInterval / DEFAULT_INTERVAL) * GRACE;
  return Math.round(LATENESS * hellos * helloInterval + grace) as Duration;
};

/** A slower hello needs more patience than the defaults have, by as much as it is slower. */
function patient(options: FailureDetectorOptions, helloInterval: Duration): FailureDetectorOptions {
  const later = missedAfter(helloInterval, 1) - missedAfter(DEFAULT_INTERVAL, 1);
  const deadAfterMin = Math.max(options.deadAfterMin, 425_000 + later) as Duration;
  const deadAfterMax = Math.max(
    options.deadAfterMax,
    850_000 + later,
    1.25 * deadAfterMin,
  ) as Duration;
  return { ...options, helloInterval, deadAfterMin, deadAfterMax };
}

const clamp = (n: number, low: number, high: number): number => Math.min(high, Math.max(low, n));
