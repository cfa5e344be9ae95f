/**
 * One pair of underlay addresses under a link, and everything measured about it. A link has one path
 * for now; all estimators live here so that a multihomed link can have several.
 */
import type { Duration, Instant, UnderlayAddress } from '../kernel/index.ts';
import type { Hello } from '../wire/index.ts';
import { blankHello, HELLO_HOLD_MAX, HELLO_HOLD_NONE } from '../wire/index.ts';
import { AddressCheck } from './address-check.ts';
import { FailureDetector } from './failure-detector.ts';
import { LossEstimator } from './loss-estimator.ts';
import type { LinkMetrics } from './metrics-damper.ts';
import { MtuProbe } from './mtu-probe.ts';
import type { LinkLimits, LinkTimers } from './options.ts';
import { RttEstimator } from './rtt-estimator.ts';

/** Echoes held back longer than this say nothing about the round trip. */
const HOLD_USEFUL_MAX = 5_000_000;
const RTT_PLAUSIBLE_MAX = 10_000_000;

export class Path {
  remote: UnderlayAddress;
  local: number;
  readonly rtt: RttEstimator = new RttEstimator();
  readonly loss: LossEstimator = new LossEstimator();
  readonly mtu: MtuProbe;
  readonly detector: FailureDetector;
  /** Losses of what we send, as the neighbour reports them. */
  lossOutNowPpm = 0;
  lossOutToldPpm = 0;
  /** Time between our hellos where it is not the default; 0 where it is. */
  pace = 0;
  /** What the neighbour measured last of this path, microseconds; -1 where it does not say. */
  rttTold = -1;
  private readonly helloInterval: Duration;
  /** Another address that the neighbour was heard from and that has not answered yet. */
  check: AddressCheck | undefined;
  private readonly outgoing: Hello = blankHello();
  /** Timestamp of the last hello, not reduced: no two hellos carry the same. */
  private helloClock = -1;
  private newestHelloTimestamp = 0;
  private newestHelloAt: Instant | undefined;

  constructor(
    at: { remote: UnderlayAddress; local: number },
    options: { timers: LinkTimers; limits: LinkLimits },
    now: Instant,
  ) {
    this.remote = at.remote;
    this.local = at.local;
    this.helloInterval = options.timers.helloInterval;
    this.mtu = new MtuProbe(options.limits, now);
    this.detector = new FailureDetector(options.timers, now);
  }

  /**
   * A packet, new and authentic, came from an address that is not the path's. State: true when that
   * address must be asked, see `address-check.ts`.
   */
  heardElsewhere(
    from: { remote: UnderlayAddress; local: number; datagramBytes: number },
    now: Instant,
  ): boolean {
    const isNew = this.check?.remote.key !== from.remote.key;
    if (isNew) this.check = new AddressCheck(from, now);
    this.check?.heard(from.datagramBytes);
    return isNew;
  }

  /** Follows the neighbour to an address that has answered; it stays the same link. */
  moveIfProven(remote: UnderlayAddress, echo: number, now: Instant): boolean {
    const { check } = this;
    if (check === undefined || !check.isProvenBy(remote, echo)) return false;
    this.remote = check.remote;
    this.local = check.local;
    this.check = undefined;
    this.mtu.restart(now);
    return true;
  }

  /** What a hello leaving now says. The object is reused by the next call. */
  hello(flags: number, now: Instant): Hello {
    this.loss.roll(now);
    const hello = this.outgoing;
    hello.flags = flags;
    this.helloClock = now > this.helloClock ? now : this.helloClock + 1;
    hello.timestamp = this.helloClock >>> 0;
    hello.echo = this.newestHelloTimestamp;
    hello.hold =
      this.newestHelloAt === undefined
        ? HELLO_HOLD_NONE
        : Math.min(HELLO_HOLD_MAX, now - this.newestHelloAt);
    hello.lossNowPpm = this.loss.slowPpm;
    hello.lossToldPpm = this.loss.toldPpm;
    hello.pace = this.pace;
    hello.rtt = this.rtt.samples === 0 ? -1 : this.rtt.latest;
    return hello;
  }

  /** State: estimators move on; the failure detector adapts. */
  receiveHello(hello: Hello, now: Instant): void {
    const isNewest =
      this.newestHelloAt === undefined || ((hello.timestamp - this.newestHelloTimestamp) | 0) > 0;
    if (isNewest) {
      this.newestHelloTimestamp = hello.timestamp;
      this.newestHelloAt = now;
      this.lossOutNowPpm = hello.lossNowPpm;
      this.lossOutToldPpm = hello.lossToldPpm;
      this.rttTold = hello.rtt;
      // The slower end sets how long silence means nothing; codes are exact to 3 %.
      const peerPace = Math.max(this.helloInterval, Math.round(hello.pace * 1.03));
      this.detector.pace(Math.max(peerPace, this.pace) as Duration);
      this.rtt.transit(hello.timestamp, now);
    }
    if (hello.hold !== HELLO_HOLD_NONE) this.receiveEcho(hello, now);
    this.adapt();
  }

  /** The failure detector follows what is measured. */
  adapt(): void {
    this.detector.adapt({
      lossIn: Math.max(this.loss.fastPpm, this.loss.slowPpm, this.loss.toldPpm),
      lossOut: Math.max(this.lossOutNowPpm, this.lossOutToldPpm),
      rtt: this.rtt.rtt,
      jitter: this.rtt.jitter,
    });
  }

  get metrics(): LinkMetrics {
    return {
      rtt: this.rtt.rtt,
      rttMin: this.rtt.rttMin,
      jitter: this.rtt.jitter,
      lossOutPpm: this.lossOutToldPpm,
      lossInPpm: this.loss.toldPpm,
      mtu: this.mtu.mtu,
    };
  }

  private receiveEcho(hello: Hello, now: Instant): void {
    const ago = ((now >>> 0) - hello.echo) >>> 0;
    if (hello.hold >= HELLO_HOLD_MAX || ago > hello.hold + RTT_PLAUSIBLE_MAX) return;
    this.detector.echoed((now - ago) as Instant);
    const rtt = ago - hello.hold;
    if (rtt < 0 || hello.hold > HOLD_USEFUL_MAX) return;
    this.rtt.sample(rtt as Duration, now);
  }
}
