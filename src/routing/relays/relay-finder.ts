/**
 * What a rendezvous does for its clients: keeps the figures they told last and finds, for each ordered
 * pair of them, the relay over which a packet would come soonest. A pair's costs are exact in both
 * directions, because each client tells what it measures of everybody and what everybody measures of it.
 *
 * The last sample counts, not an average: on recorded Internet round-trip times, whose trouble lasts for
 * tens of seconds, medians and long averages chose relays that were worse by a third. What keeps the
 * choice still is the margin: a pair keeps its relay until another is better by a share and a minimum.
 *
 * It measures nothing and sends nothing (`relay-exchange.ts`). A round over c clients of n members costs
 * c^2 n additions, 0.1 ms for 100 members.
 */
import type { Instant } from '../../kernel/index.ts';
import { decodeLatencyCode } from '../../wire/index.ts';
import type { RelayOptions } from './options.ts';

/** No figure: greater than any sum of two that are. */
export const UNKNOWN = 0x3fff_ffff;
const NO_RELAY = -1;

const LATENCY_OF_CODE: Uint32Array = Uint32Array.from(
  { length: 256 },
  (_, code) => decodeLatencyCode(code) ?? UNKNOWN,
);

/** One node's figures, in microseconds, by place in the member list. */
export class FigureRow {
  /** What the node measures of each member. */
  readonly outward: Uint32Array;
  /** What each member measures of the node. */
  readonly inward: Uint32Array;
  /** Found last, by destination. */
  readonly relayTo: Int16Array;
  at: Instant;

  constructor(members: number, now: Instant) {
    this.outward = new Uint32Array(members).fill(UNKNOWN);
    this.inward = new Uint32Array(members).fill(UNKNOWN);
    this.relayTo = new Int16Array(members).fill(NO_RELAY);
    this.at = now;
  }

  read(codes: Uint8Array, now: Instant): void {
    this.at = now;
    for (let place = 0; place < this.outward.length; place++) {
      this.outward[place] = LATENCY_OF_CODE[codes[2 * place]!]!;
      this.inward[place] = LATENCY_OF_CODE[codes[2 * place + 1]!]!;
    }
  }
}

export interface FoundRelay {
  readonly relay: number;
  /** From the relay to the destination. */
  readonly rest: number;
}

/**
 * The best relay from the node at `from`, whose figures are `source`, to the one at `to`; undefined when
 * the direct way is as good to within the margin. State: `source.relayTo` remembers what was found.
 */
export function findRelay(
  ends: { from: number; to: number },
  source: FigureRow,
  target: FigureRow,
  options: RelayOptions,
): FoundRelay | undefined {
  const { outward } = source;
  const { inward } = target;
  const { from, to } = ends;
  let best = UNKNOWN;
  let relay = NO_RELAY;
  for (let via = 0; via < outward.length; via++) {
    const cost = outward[via]! + inward[via]!;
    if (cost < best && via !== from && via !== to) {
      best = cost;
      relay = via;
    }
  }
  const former = source.relayTo[to]!;
  const formerCost = former === NO_RELAY ? UNKNOWN : outward[former]! + inward[former]!;
  if (relay !== former && !isBetter(best, formerCost, options)) relay = former;
  const direct = outward[to]!;
  const cost = relay === NO_RELAY ? UNKNOWN : outward[relay]! + inward[relay]!;
  // Leaving the direct way asks for the margin, staying off it only for being better.
  const isWorth = relay === former ? cost < direct : isBetter(cost, direct, options);
  source.relayTo[to] = isWorth ? relay : NO_RELAY;
  return isWorth ? { relay, rest: inward[relay]! } : undefined;
}

/** Whether `cost` is below `other` by the margin. */
export const isBetter = (cost: number, other: number, options: RelayOptions): boolean =>
  cost < UNKNOWN &&
  (other >= UNKNOWN ||
    (other - cost >= options.marginMin && other - cost >= other * options.marginShare));
