/** The links that a flow's rate is asked of, and what their tails have said. */
import type { Instant, NodeAddress } from '../../kernel/index.ts';
import type { ReservationVerdict } from '../../wire/index.ts';

export interface DirectedLink {
  readonly from: NodeAddress;
  readonly to: NodeAddress;
}

/** A link that has not agreed. `silent`: the node at its tail has not answered. */
export interface LackingLink extends DirectedLink {
  readonly verdict: ReservationVerdict | 'silent' | 'no-route';
  /** Bits a second that could be reserved instead. */
  readonly available: number;
  /** 0: not known. */
  readonly capacity: number;
}

export interface Asked extends DirectedLink {
  askAt: number;
  /** The last answer, or the first question. */
  since: Instant;
  verdict: ReservationVerdict | undefined;
  available: number;
  capacity: number;
}

/** What is known of each link; one that is new is to be asked now. */
export const asked = (
  way: readonly DirectedLink[],
  known: readonly Asked[],
  now: Instant,
): Asked[] =>
  way.map(({ from, to }) => {
    const unknown = { verdict: undefined, available: 0, capacity: 0 };
    return linkIn(known, from, to) ?? { from, to, askAt: now, since: now, ...unknown };
  });

export const linkIn = <L extends DirectedLink>(
  links: readonly L[],
  from: NodeAddress,
  to: NodeAddress,
): L | undefined => links.find((link) => link.from === from && link.to === to);

export const isSameWay = (links: readonly DirectedLink[], way: readonly DirectedLink[]): boolean =>
  links.length === way.length &&
  way.every(({ from, to }, i) => links[i]!.from === from && links[i]!.to === to);

/** It said no, for now. */
export const isFinal = (verdict: ReservationVerdict | undefined): boolean =>
  verdict !== undefined && verdict !== 'granted' && verdict !== 'pending';

/** Of one way, the link that has least to give, those first that said so; undefined: all agreed. */
export function leastOf(links: readonly Asked[]): LackingLink | undefined {
  const least = links
    .filter(({ verdict }) => verdict !== 'granted')
    .sort(
      (a, b) =>
        Number(isFinal(b.verdict)) - Number(isFinal(a.verdict)) || a.available - b.available,
    )[0];
  return least && lacking(least);
}

export const lacking = ({ from, to, verdict, available, capacity }: Asked): LackingLink => ({
  from,
  to,
  verdict: verdict ?? 'silent',
  available,
  capacity,
});
