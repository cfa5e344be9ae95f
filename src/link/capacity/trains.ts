/**
 * When trains are sent, for all links of a node: where somebody asks what a link carries, where a link
 * carries traffic and has not been measured for a minute, and on idle links once, so slowly that it costs
 * nothing to speak of: `trainIdleRate` for all of them together, less where hellos are rare, and nothing
 * where they are short of budget already. A link whose capacity is stated is not measured.
 */
import type { Counters, Instant, NodeAddress } from '../../kernel/index.ts';
import { later, microseconds, seconds, TokenBucket } from '../../kernel/index.ts';
import {
  decodeTrainFrame,
  decodeTrainReport,
  encodeTrainReport,
  FRAME_TRAIN,
  FRAME_TRAIN_REPORT,
  TRAIN_PACKETS_MAX,
} from '../../wire/index.ts';
import type { FrameWriter } from '../frame-writer.ts';
import type { Link } from '../link.ts';
import type { LinkLimits, LinkTimers } from '../options.ts';
import { IDLE_TRAIN_PACKETS } from './path-capacity.ts';

/** A link that carries this much is worth knowing. */
const IN_USE = 200_000;
const MEASURED_FOR = 60_000_000;
const TRAINS_AT_FIRST = 3;
/** Idle links are left alone for so long after they came up. */
const IDLE_AFTER = 5_000_000;
const IDLE_AGAIN = 600_000_000;
/** Slower hellos lessen the idle rate as much. */
const IDLE_RATE_HELLOS = seconds(1);
/** A link whose trains told nothing is not asked again for this long. */
const HOPELESS_FOR = 30_000_000;
const BURST_TRAINS = 4;
const PACKET_BITS = 8 * 1_428;
const UDP_IPV4_BYTES = 28;

export interface TrainFigures {
  /** 0: not known. */
  readonly capacity: number;
  /** It is no less, and what more is not known. */
  readonly isAtLeast: boolean;
  readonly usedOut: number;
  readonly usedIn: number;
}

export interface TrainsOptions {
  readonly counters: Counters;
  readonly writer: FrameWriter;
  readonly limits: LinkLimits;
  readonly timers: LinkTimers;
  readonly links: ReadonlyMap<NodeAddress, Link>;
  /** Whether somebody has said what the link carries. Absent: of all; none is measured. */
  readonly isStated: ((neighbour: NodeAddress) => boolean) | undefined;
  /** A deadline may have moved to an earlier time. */
  readonly hastened: () => void;
}

export class Trains {
  private readonly options: TrainsOptions;
  /** In packets. */
  private readonly budget: TokenBucket;
  private readonly idleBudget: TokenBucket;

  constructor(options: TrainsOptions) {
    this.options = options;
    const { trainRate, trainIdleRate } = options.limits;
    // Where hellos are rare so that little is spent, trains are as rare.
    const thrift = Math.min(1, IDLE_RATE_HELLOS / options.timers.helloInterval);
    const burst = BURST_TRAINS * TRAIN_PACKETS_MAX;
    this.budget = new TokenBucket({ perSecond: trainRate / PACKET_BITS, burst });
    this.idleBudget = new TokenBucket({
      perSecond: (thrift * trainIdleRate) / PACKET_BITS,
      burst: IDLE_TRAIN_PACKETS,
    });
  }

  /** Called whenever a link's timers are looked at. */
  serve(link: Link, now: Instant): void {
    const { capacity } = link.path;
    link.use.look(wireBytesOut(link), wireBytesIn(link), now);
    if (!link.isUsable || link.isSpare) return;
    if (!capacity.isPending) this.consider(link, now);
    if (capacity.nextAt <= now) this.send(link, now);
  }

  /** Somebody wants to know what a link carries. True: more will be known in a moment. */
  ask(neighbour: NodeAddress, now: Instant): boolean {
    const link = this.options.links.get(neighbour);
    if (link?.isUsable !== true || this.isStated(neighbour)) return false;
    const { capacity } = link.path;
    const isHopeless = now < link.unmeasurableUntil;
    if (capacity.measuredAt === undefined && !capacity.isPending && !isHopeless) {
      link.unmeasurableUntil = now + HOPELESS_FOR;
      // Not within a timeout that has looked at the links already.
      capacity.want(TRAINS_AT_FIRST, later(now, microseconds(1)));
      this.options.hastened();
    }
    return capacity.measuredAt === undefined && capacity.isPending;
  }

  /** What is known of a link, and carried by it, bits a second with all headers. */
  figures(neighbour: NodeAddress): TrainFigures | undefined {
    const link = this.options.links.get(neighbour);
    if (link?.isUsable !== true) return undefined;
    const { bitsPerSecond, isAtLeast } = link.path.capacity;
    return { capacity: bitsPerSecond, isAtLeast, usedOut: link.use.out, usedIn: link.use.in };
  }

  /** A frame of a train or a report; false: malformed. */
  frame(
    link: Link,
    type: number,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): boolean {
    const { counters, writer } = this.options;
    if (type === FRAME_TRAIN_REPORT) {
      const report = decodeTrainReport(slab, at, end);
      if (report !== undefined) link.path.capacity.reported(report, now);
      return report !== undefined;
    }
    const frame = decodeTrainFrame(slab, at, end);
    if (frame === undefined) return false;
    const report = link.path.capacity.arrived(frame, wireBytesIn(link), now);
    if (report !== undefined) {
      counters.add('link.train.reports');
      writer.control(link, FRAME_TRAIN_REPORT, encodeTrainReport(report));
    }
    return true;
  }

  private consider(link: Link, now: Instant): void {
    if (this.isFresh(link, now) || this.isStated(link.neighbour)) return;
    const { capacity } = link.path;
    const isKnown = capacity.measuredAt !== undefined;
    if (link.use.out >= IN_USE) return capacity.want(isKnown ? 1 : TRAINS_AT_FIRST, now);
    const { helloInterval } = this.options.timers;
    const isShortOfBudget = link.helloInterval > helloInterval;
    const isSettled = now - link.openedAt >= IDLE_AFTER;
    if (isKnown || isShortOfBudget || !isSettled || now < link.idleTrainAt) return;
    if (!this.idleBudget.take(now, IDLE_TRAIN_PACKETS)) return;
    link.idleTrainAt = now + IDLE_AGAIN;
    capacity.want(1, now, true);
  }

  private isStated(neighbour: NodeAddress): boolean {
    return this.options.isStated?.(neighbour) ?? true;
  }

  private isFresh({ path: { capacity } }: Link, now: Instant): boolean {
    return capacity.measuredAt !== undefined && now - capacity.measuredAt < MEASURED_FOR;
  }

  private send(link: Link, now: Instant): void {
    const { counters, writer } = this.options;
    const { capacity, rtt } = link.path;
    if (!this.budget.take(now, capacity.length)) {
      counters.add('link.train.over-budget');
      capacity.nextAt = Math.max(now + 1, this.budget.availableAt(capacity.length));
      return;
    }
    counters.add('link.train.sent');
    const { train, packets } = capacity.leaves(link.mtu, rtt.rtt, now);
    for (let place = 0; place < packets; place++) writer.train(link, { train, place, packets });
  }
}

export const TRAIN_FRAMES: ReadonlySet<number> = new Set([FRAME_TRAIN, FRAME_TRAIN_REPORT]);

/** All that a link has put on the wire, headers of UDP and IPv4 included. */
const wireBytesOut = (link: Link): number => link.bytesOut + UDP_IPV4_BYTES * link.packetsOut;
const wireBytesIn = (link: Link): number => link.bytesIn + UDP_IPV4_BYTES * link.packetsIn;
