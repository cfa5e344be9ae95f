/**
 * What happened to links, in words, and since when links that are gone are gone. Routes take the
 * cause of their changes from here, explanations the reason why a better way is not to be had.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../kernel/index.ts';
import { between, formatNodeAddress, inMilliseconds, inSeconds } from '../kernel/index.ts';
import type { Edge, EdgeChange } from './graph.ts';
import type { RoutingLimits, RoutingTimers } from './options.ts';

export type NameOf = (address: NodeAddress) => string | undefined;

export interface VanishedLink {
  /** With the figures it last had. */
  readonly edge: Edge;
  readonly at: Instant;
}

/** A change of a link, ready to be the cause of a change of route. */
export interface LinkChange {
  readonly a: NodeAddress;
  readonly b: NodeAddress;
  readonly isWorse: boolean;
  readonly words: string;
}

export class LinkChanges {
  private readonly vanished = new Map<string, VanishedLink>();
  private readonly timers: RoutingTimers;
  private readonly limits: RoutingLimits;
  private readonly nameOf: NameOf;
  private readonly counters: Counters;

  constructor(options: {
    timers: RoutingTimers;
    limits: RoutingLimits;
    counters: Counters;
    nameOf: NameOf;
  }) {
    this.counters = options.counters;
    this.timers = options.timers;
    this.limits = options.limits;
    this.nameOf = options.nameOf;
  }

  /** `reasonOf`: what is known locally about why this link went. */
  apply(
    changes: readonly EdgeChange[],
    reasonOf: (edge: Edge) => string | undefined,
    now: Instant,
  ): LinkChange[] {
    return changes.map(({ before, after }) => {
      const edge = (after ?? before)!;
      const { a, b } = edge;
      const key = `${a}-${b}`;
      this.vanished.delete(key);
      const link = `link ${this.linkName(a, b)}`;
      if (before === undefined) return { a, b, isWorse: false, words: `${link} up` };
      if (after !== undefined) return { a, b, ...this.changed(link, before, after) };
      this.vanished.set(key, { edge: before, at: now });
      this.forgetSurplus();
      const reason = reasonOf(edge);
      const words = reason === undefined ? `${link} down` : `${link} down (${reason})`;
      return { a, b, isWorse: true, words };
    });
  }

  /** Links gone and not yet forgotten. */
  gone(now: Instant): VanishedLink[] {
    const { vanishedLinkMemory } = this.timers;
    return [...this.vanished.values()].filter(({ at }) => between(at, now) < vanishedLinkMemory);
  }

  /** Names of both ends in alphabetical order: one link has one name on every node. */
  linkName(a: NodeAddress, b: NodeAddress): string {
    return [a, b]
      .map((address) => nodeName(this.nameOf, address))
      .sort()
      .join('-');
  }

  private changed(link: string, before: Edge, after: Edge): { isWorse: boolean; words: string } {
    if (after.isOnProbation !== before.isOnProbation) {
      const words = after.isOnProbation ? `${link} on probation` : `${link} off probation`;
      return { isWorse: after.isOnProbation, words };
    }
    const isWorse = after.costAB + after.costBA > before.costAB + before.costBA;
    const byLatency = Math.abs(after.latency - before.latency);
    const byAB = Math.abs(after.costAB - before.costAB) - byLatency;
    const byBA = Math.abs(after.costBA - before.costBA) - byLatency;
    if (Math.max(byAB, byBA) > byLatency) {
      const loss = byAB >= byBA ? after.lossAB : after.lossBA;
      return { isWorse, words: `${link} loss ${inPercent(loss)}` };
    }
    if (byLatency > 0) return { isWorse, words: `${link} latency ${inWords(after.latency)}` };
    return { isWorse: after.mtu < before.mtu, words: `${link} mtu ${after.mtu}` };
  }

  private forgetSurplus(): void {
    if (this.vanished.size <= this.limits.vanishedLinksMax) return;
    this.counters.add('vanished-links-full');
    this.vanished.delete(this.vanished.keys().next().value!);
  }
}

export const nodeName = (nameOf: NameOf, address: NodeAddress): string =>
  nameOf(address) ?? formatNodeAddress(address);

/** "31 %", "0.4 %". */
export const inPercent = (ppm: number): string =>
  ppm === 0 || ppm >= 10_000 ? `${Math.round(ppm / 10_000)} %` : `${(ppm / 10_000).toFixed(1)} %`;

/** "4.1 ms", "12 s": what a person wants to know of a duration. */
export const inWords = (d: Duration): string =>
  d < 1_000_000 ? `${inMilliseconds(d).toFixed(1)} ms` : `${Math.round(inSeconds(d))} s`;
