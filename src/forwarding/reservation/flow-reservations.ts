/**
 * Rates that this node's flows reserve on every link of their ways. The source knows a flow's route, so it
 * asks the node at the tail of each link, and asks again for as long as the flow lives: a forwarding node
 * that restarted knows of the reservation again with the next repetition, and one that is not asked any
 * more forgets. Nothing hangs on the order of links or on nodes between.
 *
 * Opening ends after `OPEN_PATIENCE` at the latest: held when every link has agreed, refused with the link
 * that is short otherwise, and then nothing stays reserved. Of two sources that want the same last
 * capacity of one link its tail admits the first; where they meet on two links in opposite order, both
 * may be told no, and both know within that time.
 *
 * A flow whose route changes asks the new links at once and releases the old ones. Where a link then has
 * no room the flow is told (`lost`), goes on within its fair share, and asks again every ten seconds.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { later, milliseconds, seconds } from '../../kernel/index.ts';
import type { ReservationAnswer, ReservationVerdict } from '../../wire/index.ts';
import { encodeReservationRequest } from '../../wire/index.ts';
import type { LinkLedger } from './link-ledger.ts';

export interface DirectedLink {
  readonly from: NodeAddress;
  readonly to: NodeAddress;
}

export interface FlowToReserve {
  readonly destination: NodeAddress;
  /** Bits a second with all headers. */
  readonly rate: number;
  /** The label of its packets now; undefined: the flow is gone. */
  readonly label: () => number | undefined;
  /** Every link its packets take now; empty: it has no way at the moment. */
  readonly links: () => readonly DirectedLink[];
}

/** Where a reservation fell short. `silent`: the node at its tail has not answered. */
export interface ShortLink extends DirectedLink {
  readonly verdict: ReservationVerdict | 'silent' | 'no-route';
  /** Bits a second that could be reserved instead. */
  readonly available: number;
  /** 0: not known. */
  readonly capacity: number;
}

export type ReservationState = 'asking' | 'held' | 'refused' | 'lost';

export interface ReservationNews {
  readonly id: number;
  readonly destination: NodeAddress;
  readonly rate: number;
  readonly state: Exclude<ReservationState, 'asking'>;
  /** Undefined when held. */
  readonly short: ShortLink | undefined;
}

/** One flow's reservation, for people. */
export interface FlowReservation extends Omit<ReservationNews, 'state'> {
  readonly state: ReservationState;
  readonly links: readonly (DirectedLink & { readonly isHeld: boolean })[];
}

export interface FlowReservationsOptions {
  readonly self: NodeAddress;
  readonly ledger: LinkLedger;
  readonly counters: Counters;
  /** Seals it to a node and sends it; false: not yet. */
  readonly send: (to: NodeAddress, message: Uint8Array, now: Instant) => boolean;
  readonly tell: (news: ReservationNews) => void;
}

export const OPEN_PATIENCE: Duration = seconds(3);
const ASK_AGAIN = milliseconds(300);
const NOT_SENT_AGAIN = milliseconds(50);
const REPEAT = seconds(4);
const REFUSED_AGAIN = seconds(10);
/** A link whose tail has not answered for so long is not held any more. */
const SILENT_AFTER = seconds(13);
const LOOK_AGAIN = milliseconds(100);
/** Links of one flow's ways; more are not asked. */
export const RESERVED_LINKS_MAX = 64;

interface Asked extends DirectedLink {
  askAt: number;
  /** The last answer, or the first question. */
  since: Instant;
  verdict: ReservationVerdict | undefined;
  available: number;
  capacity: number;
}

interface Reserved {
  readonly id: number;
  readonly flow: FlowToReserve;
  readonly openedAt: Instant;
  state: ReservationState;
  links: Asked[];
  /** While there is no way: when to look for one. */
  lookAt: number;
}

export class FlowReservations {
  private readonly options: FlowReservationsOptions;
  private readonly flows = new Map<number, Reserved>();
  private nextId = 1;

  constructor(options: FlowReservationsOptions) {
    this.options = options;
  }

  /** What came of it is told, never within this call. */
  open(flow: FlowToReserve, now: Instant): number {
    const id = this.nextId++;
    this.flows.set(id, { id, flow, openedAt: now, state: 'asking', links: [], lookAt: now });
    return id;
  }

  /** State: nothing is reserved for it any more. */
  close(id: number, now: Instant): void {
    const reserved = this.flows.get(id);
    if (reserved === undefined) return;
    this.flows.delete(id);
    for (const link of reserved.links) this.release(reserved, link, now);
  }

  answered(from: NodeAddress, answer: ReservationAnswer, now: Instant): void {
    const reserved = this.flows.get(answer.id);
    const link = reserved?.links.find((l) => l.from === from && l.to === answer.neighbour);
    if (reserved === undefined || link === undefined) return;
    this.take(link, answer, now);
    this.judge(reserved, now);
  }

  /** Routes may have changed: every flow looks where it goes now. */
  reroute(now: Instant): void {
    for (const reserved of this.flows.values()) this.follow(reserved, now);
  }

  timeout(now: Instant): void {
    for (const reserved of [...this.flows.values()]) {
      if (reserved.flow.label() === undefined) {
        this.close(reserved.id, now);
        continue;
      }
      this.follow(reserved, now);
      reserved.lookAt = later(now, LOOK_AGAIN);
      for (const link of reserved.links) if (link.askAt <= now) this.ask(reserved, link, now);
      this.judge(reserved, now);
    }
  }

  nextTimeout(): Instant | undefined {
    if (this.flows.size === 0) return undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const { links, state, openedAt, lookAt } of this.flows.values()) {
      if (links.length === 0) next = Math.min(next, lookAt);
      if (state === 'asking') next = Math.min(next, openedAt + OPEN_PATIENCE);
      for (const { askAt } of links) next = Math.min(next, askAt);
    }
    return Math.ceil(next) as Instant;
  }

  all(): FlowReservation[] {
    return [...this.flows.values()].map((reserved) => ({
      id: reserved.id,
      destination: reserved.flow.destination,
      rate: reserved.flow.rate,
      state: reserved.state,
      short: shortOf(reserved),
      links: reserved.links.map(({ from, to, verdict }) => ({
        from,
        to,
        isHeld: verdict === 'granted',
      })),
    }));
  }

  /** State: links the flow has left are released, those it has come to are to be asked now. */
  private follow(reserved: Reserved, now: Instant): void {
    const wanted = reserved.flow.links().slice(0, RESERVED_LINKS_MAX);
    const isSame =
      wanted.length === reserved.links.length &&
      wanted.every(({ from, to }, i) => isLink(reserved.links[i]!, from, to));
    if (isSame || wanted.length === 0) return;
    const links = wanted.map(({ from, to }): Asked => {
      const known = reserved.links.find((link) => isLink(link, from, to));
      const unknown = { verdict: undefined, available: 0, capacity: 0 };
      return known ?? { from, to, askAt: now, since: now, ...unknown };
    });
    for (const link of reserved.links) if (!links.includes(link)) this.release(reserved, link, now);
    if (reserved.links.length > 0) this.options.counters.add('reservation.moved');
    reserved.links = links;
  }

  private ask(reserved: Reserved, link: Asked, now: Instant): void {
    const { self, ledger } = this.options;
    const request = this.requestFor(reserved, link, false);
    if (link.from === self) return this.take(link, ledger.request(self, request, now), now);
    if (now - link.since > SILENT_AFTER) link.verdict = undefined;
    const isSent = this.options.send(link.from, encodeReservationRequest(request), now);
    const isKnown = link.verdict === 'granted' && isSent;
    link.askAt = later(now, isKnown ? REPEAT : isSent ? ASK_AGAIN : NOT_SENT_AGAIN);
  }

  private take(
    link: Asked,
    answer: Omit<ReservationAnswer, 'id' | 'neighbour'>,
    now: Instant,
  ): void {
    const { verdict, available, capacity } = answer;
    link.verdict = verdict;
    link.available = available;
    link.capacity = capacity;
    link.since = now;
    const again =
      verdict === 'pending' ? ASK_AGAIN : verdict === 'granted' ? REPEAT : REFUSED_AGAIN;
    link.askAt = later(now, again);
  }

  /** State: the flow's state follows from its links', and news of it is told. */
  private judge(reserved: Reserved, now: Instant): void {
    const { links, openedAt } = reserved;
    const isHeld = links.length > 0 && links.every(({ verdict }) => verdict === 'granted');
    if (isHeld) return this.enter(reserved, 'held', now);
    const isRefused = links.some(({ verdict }) => isFinal(verdict));
    const isOpening = reserved.state === 'asking';
    const waiting = links.filter(({ verdict }) => verdict !== 'granted');
    const begun = isOpening ? openedAt : Math.min(...waiting.map(({ since }) => since));
    const isOver = now >= begun + OPEN_PATIENCE;
    if (isRefused || isOver) this.enter(reserved, isOpening ? 'refused' : 'lost', now);
  }

  private enter(reserved: Reserved, state: 'held' | 'refused' | 'lost', now: Instant): void {
    if (reserved.state === state) return;
    reserved.state = state;
    this.options.counters.add(`reservation.flow-${state}`);
    const { id, flow } = reserved;
    const { destination, rate } = flow;
    const short = state === 'held' ? undefined : shortOf(reserved);
    if (state === 'refused') this.close(id, now);
    this.options.tell({ id, destination, rate, state, short });
  }

  private release(reserved: Reserved, link: Asked, now: Instant): void {
    const { self, ledger, send } = this.options;
    const request = this.requestFor(reserved, link, true);
    if (link.from === self) ledger.release(self, request);
    else send(link.from, encodeReservationRequest(request), now);
  }

  private requestFor({ id, flow }: Reserved, link: Asked, isRelease: boolean) {
    return { isRelease, flow: flow.label() ?? 0, id, neighbour: link.to, rate: flow.rate };
  }
}

/** The link that has least to give, of those that gave nothing. */
function shortOf({ links, state, flow }: Reserved): ShortLink | undefined {
  if (state === 'held') return undefined;
  if (links.length === 0)
    return {
      from: flow.destination,
      to: flow.destination,
      verdict: 'no-route',
      available: 0,
      capacity: 0,
    };
  const short = links
    .filter(({ verdict }) => verdict !== 'granted')
    .sort(
      (a, b) =>
        Number(isFinal(b.verdict)) - Number(isFinal(a.verdict)) || a.available - b.available,
    )[0];
  if (short === undefined) return undefined;
  const { from, to, verdict, available, capacity } = short;
  return { from, to, verdict: verdict ?? 'silent', available, capacity };
}

const isFinal = (verdict: ReservationVerdict | undefined): boolean =>
  verdict !== undefined && verdict !== 'granted' && verdict !== 'pending';

const isLink = (link: DirectedLink, from: NodeAddress, to: NodeAddress): boolean =>
  link.from === from && link.to === to;
