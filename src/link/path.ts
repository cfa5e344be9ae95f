/**
 * One pair of underlay addresses under a link, and everything measured about it. A link has one path
 * for now; all estimators live here so that a multihomed link can have several.
 */
import type { Duration, Instant, UnderlayAddress } from '../kernel/index.ts';
import type { ArrivalFigures, Hello } from '../wire/index.ts';
import { blankHello, HELLO_HOLD_MAX, HELLO_HOLD_NONE, helloFrameBytes } from '../wire/index.ts';
import { AddressCheck } from './address-check.ts';
import { ArrivalOrder } from './arrival-order.ts';
import { PathCapacity } from './capacity/path-capacity.ts';
import { FailureDetector } from './failure-detector.ts';
import { LossEstimator } from './loss-estimator.ts';
import type { LinkMetrics } from './metrics-damper.ts';
import { MtuProbe } from './mtu-probe.ts';
import type { LinkLimits, LinkTimers } from './options.ts';
import { RttEstimator } from './rtt-estimator.ts';

/** Echoes held back longer than this say nothing about the round trip. */
const HOLD_USEFUL_MAX = 5_000_000;
const RTT_PLAUSIBLE_MAX = 10_000_000;
/** Between hellos that tell how packets arrive; the first one soon, for those who look at a new link. */
const ARRIVALS_INTERVAL = 10_000_000;
const ARRIVALS_FIRST = 1_000_000;
/** Round trips of passing traffic are taken where hellos leave a gap so many default intervals long. */
const PASSIVE_GAP = 2;

export class Path {
  remote: UnderlayAddress;
  local: number;
  readonly rtt: RttEstimator = new RttEstimator();
  readonly loss: LossEstimator = new LossEstimator();
  readonly order: ArrivalOrder = new ArrivalOrder();
  readonly mtu: MtuProbe;
  readonly detector: FailureDetector;
  readonly capacity: PathCapacity = new PathCapacity();
  /** Losses of what we send, as the neighbour reports them. */
  lossOutNowPpm = 0;
  lossOutToldPpm = 0;
  /** Time between our hellos where it is not the default; 0 where it is. */
  pace = 0;
  /** What the neighbour measured last of this path, microseconds; -1 where it does not say. */
  rttTold = -1;
  /** How what we send arrives, as the neighbour told last. */
  arrivalsTold: ArrivalFigures | undefined;
  private readonly helloInterval: Duration;
  /** Another address that the neighbour was heard from and that has not answered yet. */
  check: AddressCheck | undefined;
  private readonly outgoing: Hello = blankHello();
  /** Timestamp of the last hello, not reduced: no two hellos carry the same. */
  private helloClock = -1;
  private newestHelloTimestamp = 0;
  private newestHelloAt: Instant | undefined;
  private arrivalsAt: number;
  /** The next hello tells how packets arrive. */
  private owesArrivals = false;
  private roundTripAt = 0;

  constructor(
    at: { remote: UnderlayAddress; local: number },
    options: { timers: LinkTimers; limits: LinkLimits },
    now: Instant,
  ) {
    this.remote = at.remote;
    this.local = at.local;
    this.helloInterval = options.timers.helloInterval;
    this.arrivalsAt = now + ARRIVALS_FIRST;
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
    this.capacity.restart();
    return true;
  }

  /** Of a hello that leaves now. */
  get helloBytes(): number {
    return helloFrameBytes(this.pace, this.owesArrivals);
  }

  /** What a hello leaving now says, `helloBytes` long. The object is reused by the next call. */
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
    hello.hasArrivals = this.owesArrivals;
    if (this.owesArrivals) {
      Object.assign(hello.arrivals, this.arrivals);
      this.owesArrivals = false;
      this.arrivalsAt = now + ARRIVALS_INTERVAL;
    }
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
      if (hello.hasArrivals) this.arrivalsTold = { ...hello.arrivals };
      this.owesArrivals ||= now >= this.arrivalsAt;
      // The slower end sets how long silence means nothing; codes are exact to 3 %.
      const peerPace = Math.max(this.helloInterval, Math.round(hello.pace * 1.03));
      this.detector.pace(Math.max(peerPace, this.pace) as Duration);
      this.rtt.transit(hello.timestamp, now);
    }
    if (hello.hold !== HELLO_HOLD_NONE) this.receiveEcho(hello, now);
    this.adapt();
  }

  /**
   * A round trip of passing traffic: a packet that had to be acknowledged, less the time its
   * acknowledgement was held. False: hellos are fresh enough. With those every 100 ms nothing is taken, so
   * that a busy link is measured as a quiet one is; on links of a big mesh, whose hellos are
   * seconds apart, traffic makes the figures fresh.
   */
  passingRoundTrip(rtt: Duration, now: Instant): boolean {
    if (now - this.roundTripAt < PASSIVE_GAP * this.helloInterval) return false;
    this.sampleRoundTrip(rtt, now);
    return true;
  }

  /** How packets arrive here. */
  get arrivals(): ArrivalFigures {
    const { burst, reorderedPpm, reorderExtent } = this.order;
    return { jitter: this.rtt.jitter, burst, reorderedPpm, reorderExtent };
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
    this.sampleRoundTrip(rtt as Duration, now);
  }

  private sampleRoundTrip(rtt: Duration, now: Instant): void {
    this.roundTripAt = now;
    this.rtt.sample(rtt, now);
  }
}
