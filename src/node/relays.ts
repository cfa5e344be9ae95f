/**
 * Relays by fresh figures, as one node uses them: feeds `RelayExchange` with what the links measure, runs
 * it only where there are members enough, and stamps the way of flows that ask for nothing.
 *
 * In a big mesh not every link is worth telling everybody: link state then holds the links between
 * rendezvous, a backbone of two hops from anyone to anyone with two ways each, and it is relays and direct
 * ways, which link state need not know, that carry the flows.
 *
 * A figure is the last round-trip time with loss weighed in as routing weighs it, in both directions.
 */
import type { Duration, Instant, NodeAddress, Random } from '../kernel/index.ts';
import type { LinkLayer, LinkMetrics, LinkSink } from '../link/index.ts';
import type { LinkStateRouting, RelayChoice, RelayExplanation } from '../routing/index.ts';
import {
  explainRelays,
  lossPenalty,
  RELAY_OPTIONS,
  RELAY_OUTDONE_BY,
  RelayExchange,
} from '../routing/index.ts';
import type { RouteBlock } from '../wire/index.ts';
import {
  FRAME_PERFORMANCE,
  FRAME_RELAY_ADVICE,
  FRAME_RELAY_FIGURES,
  pathBlock,
} from '../wire/index.ts';
import type { NodePerformance } from './performance.ts';
import type { ProbingOptions } from './probing.ts';
import { PROBING, probingShares } from './probing.ts';

/** A link is left to relays only where both its ends have so many links of the backbone. */
const BACKBONE_LINKS_MIN = 2;

type LinkFigures = Parameters<NonNullable<LinkSink['roundTrip']>>[0];

export interface NodeRelaysOptions {
  readonly self: NodeAddress;
  readonly probing: Partial<ProbingOptions> | undefined;
  /** Between hellos at the most frequent; figures are not told more often than they are measured. */
  readonly helloInterval: Duration;
  readonly random: Random;
  readonly links: LinkLayer;
  readonly routing: LinkStateRouting;
  readonly performance: NodePerformance;
  readonly now: () => Instant;
  /** What is told of a link instead of what was measured; a captured node's lies. */
  readonly claims?: (metrics: LinkMetrics) => LinkMetrics;
}

export class NodeRelays {
  readonly exchange: RelayExchange;
  private readonly options: NodeRelaysOptions;
  private readonly probing: ProbingOptions;
  private isOn = false;
  private readonly told = new Set<NodeAddress>();

  constructor(options: NodeRelaysOptions) {
    this.options = options;
    this.probing = { ...PROBING, ...options.probing };
    this.exchange = new RelayExchange({
      self: options.self,
      random: options.random,
      counters: options.routing.counters,
      budget: probingShares(this.probing.budget).relays,
      options: { roundMin: Math.max(RELAY_OPTIONS.roundMin, options.helloInterval) as Duration },
      sendFrame: (neighbour, type, body) =>
        options.links.sendControl(neighbour, type, body, options.now()),
    });
  }

  /** Another member is known, or one less. */
  membersChanged(now: Instant): void {
    const { relays, relaysFrom } = this.probing;
    const members = this.options.routing.members().map(({ address }) => address);
    this.isOn = relays === 'on' || (relays === 'auto' && members.length >= relaysFrom);
    this.exchange.setMembers(this.isOn ? members : [], now);
    const { links } = this.options;
    for (const neighbour of links.neighbours()) {
      if (this.told.has(neighbour) === this.isWorthTelling(neighbour)) continue;
      this.linkMetrics(neighbour, links.facts.metrics(neighbour), 'left to relays', now);
    }
  }

  /** A link came up, measures something else, or (undefined) is down. */
  linkMetrics(
    neighbour: NodeAddress,
    metrics: LinkMetrics | undefined,
    reason: string,
    now: Instant,
  ): void {
    if (metrics === undefined) this.exchange.figures(neighbour, undefined, undefined);
    const isTold = metrics !== undefined && this.isWorthTelling(neighbour);
    if (!isTold && !this.told.delete(neighbour)) return;
    if (isTold) this.told.add(neighbour);
    const { routing, claims } = this.options;
    const claimed = isTold ? (claims?.(metrics) ?? metrics) : undefined;
    routing.adjacency(neighbour, claimed, reason, now);
  }

  private isWorthTelling(neighbour: NodeAddress): boolean {
    const { members } = this.exchange.state();
    if (!this.isOn || members < this.probing.backboneFrom) return true;
    if (this.exchange.isRendezvous(neighbour)) return true;
    // Who is not in the mesh, or has just come, would be cut off without this link. Links to rendezvous
    // are never left out, so what is decided here does not depend on what others decide by the same rule.
    return !this.isOnBackbone(neighbour) || !this.isOnBackbone(this.options.self);
  }

  private isOnBackbone(member: NodeAddress): boolean {
    const rendezvous = this.exchange.rendezvousOf(member);
    return this.options.routing.linksAmong(member, rendezvous) >= BACKBONE_LINKS_MIN;
  }

  linkMeasured(figures: LinkFigures, neighbour: NodeAddress): void {
    if (this.isOn && this.told.has(neighbour) !== this.isWorthTelling(neighbour)) {
      const { links, now } = this.options;
      this.linkMetrics(neighbour, links.facts.metrics(neighbour), 'left to relays', now());
    }
    if (!this.isOn || figures.rtt.samples === 0) return;
    const { rttTold, lossOutToldPpm, loss } = figures;
    const lost = lossPenalty(lossOutToldPpm) + lossPenalty(loss.toldPpm);
    const outward = (figures.rtt.latest + lost) as Duration;
    const inward = rttTold < 0 ? undefined : ((rttTold + lost) as Duration);
    this.exchange.figures(neighbour, outward, inward);
  }

  /** A control frame of a neighbour: of relays, of the performance database, or of link state. */
  frame(
    neighbour: NodeAddress,
    type: number,
    slab: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void {
    if (type === FRAME_RELAY_FIGURES || type === FRAME_RELAY_ADVICE)
      this.exchange.frame(neighbour, type, slab, at, end, now);
    else if (type === FRAME_PERFORMANCE)
      this.options.performance.frame(neighbour, slab, at, end, now);
    else this.options.routing.frame(neighbour, type, slab, at, end, now);
  }

  /**
   * For packets without a stamp: link state's next hop, or the neighbour itself, where the link to it is
   * not among those that link state knows. A packet one hop from its end cannot go round in circles.
   */
  nextHop(destination: NodeAddress): NodeAddress | 0 {
    const { routing, self } = this.options;
    const isUntold = this.isOn && !this.told.has(destination);
    if (!isUntold || !this.exchange.isDirect(destination)) return routing.nextHop(destination);
    // What goes hop by hop is of the default class.
    const isDenied = routing.choice.policy.defaultClass.linkDenial(self, destination) !== undefined;
    return isDenied ? routing.nextHop(destination) : destination;
  }

  signedEpoch(source: NodeAddress): number | undefined {
    return this.options.routing.signedEpoch(source);
  }

  /** A fresh relay's stamp, where relays are looked for and policy permits it; else policy's own. */
  defaultRoute(destination: NodeAddress, lane: number): RouteBlock | undefined {
    const { choice } = this.options.routing;
    const way = this.isOn ? this.wayTo(destination, lane) : undefined;
    return way === undefined ? choice.defaultRoute(destination, lane) : pathBlock(way);
  }

  /** A mesh with holes: one relay reaches the destination, but a longer way is far better. */
  private isOutdone({ rtt, directRtt }: RelayChoice, destination: NodeAddress): boolean {
    if (directRtt !== undefined) return false;
    const cost = this.options.routing.costTo(destination);
    return cost !== undefined && 2 * cost * RELAY_OUTDONE_BY < rtt;
  }

  /** Why packets without a wish go over a relay, or not; undefined where none is looked for. */
  explain(destination: NodeAddress, lane: number, now: Instant): RelayExplanation | undefined {
    const heard = this.isOn ? this.exchange.heard(destination, now) : undefined;
    if (heard === undefined) return undefined;
    const { routing } = this.options;
    return explainRelays({
      destination,
      heard,
      way: this.wayTo(destination, lane),
      denialOf: (path) => routing.denialOf(destination, lane, path),
      nameOf: (address) => routing.memberAt(address)?.name,
    });
  }

  /** The way to stamp on a packet to `destination`; undefined: as link state has it. */
  private wayTo(destination: NodeAddress, lane: number): readonly NodeAddress[] | undefined {
    const { choice } = this.options.routing;
    const found = this.exchange.relayFor(destination);
    const relayed = found && !this.isOutdone(found, destination) && [found.relay, destination];
    if (relayed && choice.permitsPath(destination, lane, relayed)) return relayed;
    if (!this.exchange.isDirect(destination)) return undefined;
    const direct = [destination];
    return choice.permitsPath(destination, lane, direct) ? direct : undefined;
  }
}
