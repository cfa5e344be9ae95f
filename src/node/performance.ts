/**
 * The performance database as one node keeps it: fed with what its links measure and with what
 * applications report here, and shared with the nodes named for it or found on the local network. Each of
 * those takes samples only from nodes that it has named or found itself. Shared samples are not passed on,
 * so nothing goes round.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { BoundedQueue, inMilliseconds, later, seconds } from '../kernel/index.ts';
import type { LinkLayer, LinkStatus } from '../link/index.ts';
import type {
  LinkStateRouting,
  PerformanceFilter,
  PerformanceSample,
  PerformanceSummary,
} from '../routing/index.ts';
import { PerformanceDatabase } from '../routing/index.ts';
import type { SharedSample } from '../wire/index.ts';
import { decodeSamples, encodeSamples, FRAME_PERFORMANCE } from '../wire/index.ts';
import type { NodeOptions } from './contract.ts';

/** Names of the metrics that a node reports of its own links. */
export const LINK_METRICS = {
  rtt: 'rtt-ms',
  lossOut: 'loss-out',
  lossIn: 'loss-in',
  jitterOut: 'jitter-out-ms',
  jitterIn: 'jitter-in-ms',
  burstOut: 'burst-out',
  burstIn: 'burst-in',
  reorderedOut: 'reordered-out',
  reorderedIn: 'reordered-in',
  mtu: 'mtu',
} as const;

const FEED_INTERVAL: Duration = seconds(10);
const SHARE_DELAY: Duration = seconds(1);
/** Samples waiting to be shared; the oldest go. */
export const SHARED_WAITING_MAX = 256;
/** With more waiting, what applications reported goes before what this node measures of its links. */
const LINK_SAMPLES_WAITING_MAX = SHARED_WAITING_MAX / 2;

/** What a node offers of it. */
export interface PerformanceApi {
  /** `from` is this node where it is not said. False: no sample. */
  report(
    sample: Omit<PerformanceSample, 'from'> & { readonly from?: string },
    now: Instant,
  ): boolean;
  query(filter: PerformanceFilter, now: Instant): PerformanceSummary[];
  /** The match with the least median, or the greatest. */
  best(
    filter: PerformanceFilter & { readonly metric: string; readonly most?: boolean | undefined },
    now: Instant,
  ): PerformanceSummary | undefined;
}

export interface NodePerformanceOptions {
  readonly self: { readonly name: string };
  readonly options: Pick<NodeOptions, 'sharePerformance'>;
  readonly routing: LinkStateRouting;
  readonly now: Instant;
}

export class NodePerformance implements PerformanceApi {
  readonly database: PerformanceDatabase;
  private readonly options: NodePerformanceOptions;
  private readonly counters: Counters;
  /** Names of the nodes to share with. */
  private readonly shareWith: readonly string[];
  /** Those found on the local network. */
  private lanPeers: ReadonlySet<NodeAddress> = new Set();
  private readonly waiting = new BoundedQueue<PerformanceSample & { at: Instant }>({
    capacity: SHARED_WAITING_MAX,
    overflow: 'drop-oldest',
  });
  private feedAt: Instant;
  private shareAt: Instant | undefined;
  private latest: Instant;

  constructor(options: NodePerformanceOptions) {
    this.options = options;
    this.counters = options.routing.counters;
    this.shareWith = options.options.sharePerformance ?? [];
    this.database = new PerformanceDatabase({ counters: this.counters });
    this.feedAt = later(options.now, FEED_INTERVAL);
    this.latest = options.now;
    const { routing } = options;
    routing.choice.application = (metric, from, to) => {
      const path = { from: this.nameOf(from), to: this.nameOf(to), metric };
      return this.database.value(path, this.latest);
    };
  }

  report(
    sample: Omit<PerformanceSample, 'from'> & { readonly from?: string },
    now: Instant,
  ): boolean {
    const whole = { ...sample, from: sample.from ?? this.options.self.name };
    this.latest = now;
    if (!this.database.report(whole, now)) return false;
    this.offer(whole, now);
    return true;
  }

  /** Members found on the local network, in place of those before, to share with besides those named. */
  shareOnLan(peers: readonly NodeAddress[]): void {
    this.lanPeers = new Set(peers);
  }

  query(filter: PerformanceFilter, now: Instant): PerformanceSummary[] {
    return this.database.query(filter, now);
  }

  best(
    filter: Parameters<PerformanceDatabase['best']>[0],
    now: Instant,
  ): PerformanceSummary | undefined {
    return this.database.best(filter, now);
  }

  frame(neighbour: NodeAddress, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    if (!this.lanPeers.has(neighbour) && !this.shareWith.includes(this.nameOf(neighbour)))
      return this.counters.add('performance-frame-unwanted');
    const samples = decodeSamples(bytes, at, end);
    if (samples === undefined) return this.counters.add('performance-frame-malformed');
    for (const { ageSeconds, ...sample } of samples)
      this.database.report(sample, now, (now - seconds(ageSeconds)) as Instant);
  }

  timeout(links: LinkLayer, now: Instant): void {
    this.latest = now;
    if (this.feedAt <= now) this.feed(links, now);
    if (this.shareAt !== undefined && this.shareAt <= now) this.share(links, now);
  }

  nextTimeout(): Instant {
    return this.shareAt === undefined || this.shareAt > this.feedAt ? this.feedAt : this.shareAt;
  }

  private offer(sample: PerformanceSample, now: Instant): void {
    if (this.shareWith.length + this.lanPeers.size === 0) return;
    this.waiting.push({ ...sample, at: now });
    this.shareAt ??= later(now, SHARE_DELAY);
  }

  private feed(links: LinkLayer, now: Instant): void {
    this.feedAt = later(now, FEED_INTERVAL);
    this.database.sweep(now);
    for (const link of links.status(now)) {
      if (link.state !== 'up' || link.name === undefined) continue;
      const path = { from: this.options.self.name, to: link.name };
      for (const [metric, value] of linkFigures(link)) {
        const sample = { ...path, metric, value };
        const isKept = this.database.report(sample, now);
        if (isKept && this.waiting.length < LINK_SAMPLES_WAITING_MAX) this.offer(sample, now);
      }
    }
  }

  /** One frame a second to each; what does not fit waits for the next. */
  private share(links: LinkLayer, now: Instant): void {
    const samples: SharedSample[] = [];
    const held: (PerformanceSample & { at: Instant })[] = [];
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift())
      held.push(next);
    for (const { at, ...sample } of held) samples.push({ ...sample, ageSeconds: (now - at) / 1e6 });
    const { bytes, taken } = encodeSamples(samples);
    const named = this.shareWith.flatMap((name) => this.options.routing.addressOf(name) ?? []);
    for (const address of new Set([...named, ...this.lanPeers]))
      links.sendControl(address, FRAME_PERFORMANCE, bytes, now);
    for (const rest of held.slice(taken)) this.waiting.push(rest);
    this.shareAt = this.waiting.length > 0 ? later(now, SHARE_DELAY) : undefined;
  }

  private nameOf(address: NodeAddress): string {
    return this.options.routing.memberAt(address)?.name ?? '';
  }
}

/** What is known of a link, by metric; nothing is said of bursts where nothing was lost. */
function linkFigures(link: LinkStatus): (readonly [metric: string, value: number])[] {
  const { rtt, lossOutPpm, lossInPpm, incoming, outgoing, mtu } = link;
  const figures: (readonly [string, number])[] = [
    [LINK_METRICS.rtt, inMilliseconds(rtt)],
    [LINK_METRICS.lossOut, lossOutPpm / 1e6],
    [LINK_METRICS.lossIn, lossInPpm / 1e6],
    [LINK_METRICS.mtu, mtu],
    [LINK_METRICS.jitterIn, incoming.jitter / 1e3],
    [LINK_METRICS.reorderedIn, incoming.reorderedPpm / 1e6],
  ];
  if (incoming.burst > 0) figures.push([LINK_METRICS.burstIn, incoming.burst]);
  if (outgoing === undefined) return figures;
  figures.push([LINK_METRICS.jitterOut, outgoing.jitter / 1e3]);
  figures.push([LINK_METRICS.reorderedOut, outgoing.reorderedPpm / 1e6]);
  if (outgoing.burst > 0) figures.push([LINK_METRICS.burstOut, outgoing.burst]);
  return figures;
}
