/**
 * This node as an origin of link state: makes, signs and repeats its own records.
 *
 * A record's epoch is the node's incarnation, its sequence counts up from 1. Should the network hold
 * a record of this node that is as new as its own or newer (a restored backup, a clock that ran ahead,
 * an earlier life whose epoch was lost), the node outruns it: the next record has a higher sequence
 * than the one heard. Each neighbour keeps its place in one of the parts of 64 links, so that a change
 * of one link repeats only the record it is in.
 */
import type { Counters, Instant, NodeAddress, Random, Signer } from '../kernel/index.ts';
import {
  bytesEqual,
  concatBytes,
  later,
  microseconds,
  soonest,
  TokenBucket,
} from '../kernel/index.ts';
import type { FloodFrame, LinkBandwidth, LinkReport } from '../wire/index.ts';
import {
  encodeLinkBandwidths,
  encodeLinkState,
  LINK_STATE_SIGNATURE_BYTES,
  LINKS_PER_RECORD_MAX,
  linkStateSigningInput,
  RECORD_BODY_BYTES_MAX,
  RECORD_LINK_STATE,
} from '../wire/index.ts';
import { Advertiser, type Urgency } from './advertiser.ts';
import type { AdjacencyMetrics, RoutingLimits, RoutingTimers } from './options.ts';
import { refreshIntervalOf } from './options.ts';

/** News that is not urgent waits this long for company. */
const COMPANY_DELAY = microseconds(20_000);
const SEQUENCE_MAX = 0xffff_ffff;
const NO_EXTENSIONS = new Uint8Array(0);

interface Part {
  readonly neighbours: Set<NodeAddress>;
  /** Of the newest record; undefined before the first. */
  content: Uint8Array | undefined;
}

export interface OriginOptions {
  readonly address: NodeAddress;
  readonly epoch: number;
  readonly signer: Signer;
  readonly networkId: Uint8Array;
  readonly random: Random;
  readonly timers: RoutingTimers;
  readonly limits: RoutingLimits;
  readonly counters: Counters;
  /** How many there are, for how often to refresh. */
  readonly members: () => number;
  /** Floods a record that was just made. */
  readonly announce: (record: FloodFrame, now: Instant) => void;
}

export class LinkStateOrigin {
  readonly advertiser: Advertiser;
  private readonly options: OriginOptions;
  private readonly rate: TokenBucket;
  private readonly parts: Part[] = [];
  private readonly partOf = new Map<NodeAddress, number>();
  private epoch: number;
  private sequence = 0;
  private originateAt: Instant | undefined;
  private refreshAt: Instant | undefined;
  private isWithdrawn = false;

  constructor(options: OriginOptions) {
    this.options = options;
    this.epoch = options.epoch;
    this.advertiser = new Advertiser(options.timers, options.limits, options.counters);
    this.rate = new TokenBucket({
      perSecond: options.limits.ownRecordsPerSecond,
      burst: options.limits.ownRecordsBurst,
    });
  }

  /** `metrics` undefined: the link is down. State: worse news is flooded before this returns. */
  adjacency(neighbour: NodeAddress, metrics: AdjacencyMetrics | undefined, now: Instant): void {
    const urgency =
      metrics === undefined
        ? this.advertiser.down(neighbour, now)
        : this.advertiser.up(neighbour, metrics, now);
    this.schedule(urgency, now);
    this.timeout(now);
  }

  /** What a link of this node's carries now, outwards; undefined: not known. */
  bandwidth(neighbour: NodeAddress, bandwidth: LinkBandwidth | undefined, now: Instant): void {
    this.schedule(this.advertiser.measured(neighbour, bandwidth, now), now);
    this.timeout(now);
  }

  /** A genuine record of this node's own, as new as its newest or newer, is about in the network. */
  outrun(heard: { epoch: number; sequence: number; part: number }, now: Instant): void {
    this.options.counters.add('own-record-outrun');
    if (heard.epoch > this.epoch) {
      this.epoch = heard.epoch;
      this.sequence = heard.sequence;
    } else if (heard.epoch === this.epoch) {
      this.sequence = Math.max(this.sequence, heard.sequence);
    }
    while (this.parts.length <= heard.part) this.addPart();
    for (const part of this.parts) part.content = undefined;
    this.schedule('now', now);
    this.timeout(now);
  }

  /** An empty record, flagged: others route around this node before its links are gone. */
  withdraw(now: Instant): void {
    if (this.isWithdrawn) return;
    this.isWithdrawn = true;
    this.refreshAt = undefined;
    if (this.parts.length === 0) return;
    this.originate(now, true);
  }

  timeout(now: Instant): void {
    this.schedule(this.advertiser.review(now), now);
    if (this.isWithdrawn) return;
    const isRefresh = this.refreshAt !== undefined && this.refreshAt <= now;
    const isDue = this.originateAt !== undefined && this.originateAt <= now;
    if (!isRefresh && !isDue) return;
    if (this.rate.take(now)) this.originate(now, isRefresh);
    else this.originateAt = this.rate.availableAt();
  }

  nextTimeout(): Instant | undefined {
    const news = this.advertiser.nextTimeout();
    if (this.isWithdrawn) return news;
    // A refresh that the rate limit put off is waited for as news, not as a refresh.
    const own = this.originateAt ?? this.refreshAt;
    return soonest(news, own);
  }

  private schedule(urgency: Urgency, now: Instant): void {
    if (urgency === 'nothing' || this.isWithdrawn) return;
    const at = urgency === 'now' ? now : later(now, COMPANY_DELAY);
    this.originateAt = soonest(this.originateAt, at);
  }

  private originate(now: Instant, isRefresh: boolean): void {
    this.originateAt = undefined;
    this.place();
    for (let number = 0; number < this.parts.length; number++) {
      const part = this.parts[number]!;
      const content = this.contentOf(part);
      const isSame = part.content !== undefined && bytesEqual(part.content, content);
      if (isSame && !(isRefresh && (part.neighbours.size > 0 || this.isWithdrawn))) continue;
      part.content = content;
      this.make(number, content, now);
    }
    if (this.isWithdrawn || (!isRefresh && this.refreshAt !== undefined && this.refreshAt > now))
      return;
    this.refreshAt = this.nextRefresh(now);
  }

  /** Up to a tenth early, so that the origins of a network do not all refresh at once. */
  private nextRefresh(now: Instant): Instant {
    const { timers, members, random } = this.options;
    const interval = refreshIntervalOf(members(), timers);
    const early = random.below(Math.max(1, Math.floor(interval / 10)));
    return later(now, microseconds(interval - early));
  }

  private make(part: number, content: Uint8Array, now: Instant): void {
    if (!this.advanceSequence()) return;
    const { address: origin, signer, networkId } = this.options;
    const { epoch, sequence } = this;
    const version = { type: RECORD_LINK_STATE, part, origin, epoch, sequence };
    const signature = signer.sign(linkStateSigningInput(networkId, version, content));
    this.options.counters.add('own-record-made');
    this.options.announce({ ...version, age: 0, body: concatBytes(content, signature) }, now);
  }

  /** False at the very end of the number space, where nothing can be newer any more. */
  private advanceSequence(): boolean {
    if (this.sequence < SEQUENCE_MAX) {
      this.sequence++;
      return true;
    }
    if (this.epoch === SEQUENCE_MAX) {
      this.options.counters.add('own-sequence-exhausted');
      return false;
    }
    this.epoch++;
    this.sequence = 1;
    return true;
  }

  private contentOf(part: Part): Uint8Array {
    const links: LinkReport[] = [];
    if (!this.isWithdrawn) {
      for (const neighbour of [...part.neighbours].sort((a, b) => a - b)) {
        const report = this.advertiser.advertised(neighbour);
        if (report !== undefined) links.push(report);
      }
    }
    const { isWithdrawn } = this;
    const plain = encodeLinkState({ isWithdrawn, links, extensions: NO_EXTENSIONS });
    const extensions = encodeLinkBandwidths(
      links.map(({ neighbour }) => this.advertiser.bandwidth(neighbour)),
    );
    const bytes = plain.length + extensions.length + LINK_STATE_SIGNATURE_BYTES;
    // A record of 60 links or more has no room for it.
    if (extensions.length === 0 || bytes > RECORD_BODY_BYTES_MAX) return plain;
    return encodeLinkState({ isWithdrawn, links, extensions });
  }

  /** Gives each advertised neighbour a part and takes it from those no longer advertised. */
  private place(): void {
    for (const [neighbour, number] of this.partOf) {
      if (this.advertiser.advertised(neighbour) !== undefined) continue;
      this.partOf.delete(neighbour);
      this.parts[number]!.neighbours.delete(neighbour);
    }
    for (const neighbour of this.advertiser.neighbours()) {
      if (this.partOf.has(neighbour)) continue;
      const number = this.partWithRoom();
      if (number === undefined) {
        this.options.counters.add('own-links-full');
        continue;
      }
      this.parts[number]!.neighbours.add(neighbour);
      this.partOf.set(neighbour, number);
    }
  }

  private partWithRoom(): number | undefined {
    const number = this.parts.findIndex((p) => p.neighbours.size < LINKS_PER_RECORD_MAX);
    if (number >= 0) return number;
    if (this.parts.length >= this.options.limits.linkStatePartsMax) return undefined;
    this.addPart();
    return this.parts.length - 1;
  }

  private addPart(): void {
    this.parts.push({ neighbours: new Set(), content: undefined });
  }
}
