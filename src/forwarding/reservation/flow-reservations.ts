/**
 * Rates that this node's flows reserve on every link of their ways. The source knows a flow's route, so it
 * asks the node at the tail of each link, and asks again for as long as the flow lives: a forwarding node
 * that restarted knows of the reservation again with the next repetition, and one that is not asked any
 * more forgets. Nothing hangs on the order of links or on nodes between.
 *
 * Opening ends after `OPEN_PATIENCE` at the latest: held when every link has agreed and there is a session with
 * the destination, refused with the link
 * that is short otherwise, and then nothing stays reserved. Of two sources that want the same last
 * capacity of one link its tail admits the first; where they meet on two links in opposite order, both
 * may be told no, and both know within that time.
 *
 * Where a link of the flow's way says no, another way is asked (`way-search.ts`), the best over links that
 * are not known to lack room, and the flow takes it when all its links have agreed. Routes that their flow
 * fixes, and graphs, are the only way there is.
 *
 * A flow whose route breaks asks the links of its new one at once. Where one then has no room the flow is
 * told (`lost`), goes on within its fair share, and asks again every ten seconds. One that would only go
 * better elsewhere has its rate reserved there first, beside what it has (make before break, RFC 3209
 * section 2.5, by the idea), and moves when all links have agreed or stays. Links that a flow has left are
 * released when what it sent over them must have passed.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { later, microseconds, milliseconds, seconds } from '../../kernel/index.ts';
import type { ReservationAnswer } from '../../wire/index.ts';
import { encodeReservationRequest } from '../../wire/index.ts';
import type { Asked, DirectedLink, LackingLink } from './asked-links.ts';
import { asked, isFinal, isSameWay, leastOf, linkIn } from './asked-links.ts';
import type { LinkLedger } from './link-ledger.ts';
import { SEARCH_AGAIN, WaySearch } from './way-search.ts';

export interface FlowToReserve {
  /** The socket or stream that sends it. */
  readonly socket: number;
  readonly destination: NodeAddress;
  /** Bits a second with all headers. */
  readonly rate: number;
  /** The label of its packets now; undefined: the flow is gone. */
  readonly label: () => number | undefined;
  /** The number of its own route, where it has one. */
  readonly routeId: () => number | undefined;
  /** Every link its packets take now; empty: it has no way at the moment. */
  readonly links: () => readonly DirectedLink[];
  /** Every link of the way it is to take when its rate is reserved there too; empty: it stays. */
  readonly wish: () => readonly DirectedLink[];
  /**
   * Wishes for the best way but for these links, which have no room, and those that tell of too little.
   * False: there is none but its own.
   */
  readonly seek: (refused: readonly LackingLink[], now: Instant) => boolean;
  /** What came of the wish: granted, or `refused` had no room. State: it has none any more. */
  readonly settle: (refused: readonly LackingLink[] | undefined, now: Instant) => void;
  /**
   * Whether its packets could leave. Asking makes ready: what waits until then leaves all at once, which is no
   * rate.
   */
  readonly isReady: (now: Instant) => boolean;
  /** Nothing is reserved for it any more. */
  readonly ended: () => void;
}

/** Where a reservation fell short: of the ways asked, on the one that could give most. */
export interface ShortLink extends LackingLink {
  /** Ways that were asked. */
  readonly ways: number;
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
  readonly socket: number;
  /** The number of the flow's own route, where it has one. */
  readonly routeId: number | undefined;
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
/** A link whose tail has not answered for so long is not held any more. */
const SILENT_AFTER = seconds(13);
const LOOK_AGAIN = milliseconds(100);
const READY_AGAIN = milliseconds(20);
/** Longer than packets take to the end of the way that their flow has left. */
const LEFT_FOR = seconds(1);
/** Links of one flow's ways; more are not asked. */
export const RESERVED_LINKS_MAX = 64;

interface Reserved {
  readonly id: number;
  readonly flow: FlowToReserve;
  readonly openedAt: Instant;
  state: ReservationState;
  links: Asked[];
  /** Links of the way it wishes for, but for those it has; undefined: it wishes for none. */
  wished: Asked[] | undefined;
  wishedAt: Instant;
  /** Links of ways it has left: `askAt` is when they are released. */
  left: Asked[];
  readonly search: WaySearch;
  /** While there is no way, or it is not ready: when to look again. */
  lookAt: number;
}

export class FlowReservations {
  private readonly options: FlowReservationsOptions;
  private readonly flows = new Map<number, Reserved>();
  private nextId = 1;

  constructor(options: FlowReservationsOptions) {
    this.options = options;
  }

  /** Whether the packets of a socket to a destination, which are one flow, have a reservation. */
  has(socket: number, destination: NodeAddress): boolean {
    for (const { flow } of this.flows.values())
      if (flow.socket === socket && flow.destination === destination) return true;
    return false;
  }

  /** What came of it is told, never within this call. */
  open(flow: FlowToReserve, now: Instant): number {
    const id = this.nextId++;
    const none = { links: [], wished: undefined, wishedAt: now, left: [] };
    const search = new WaySearch();
    this.flows.set(id, { id, flow, openedAt: now, state: 'asking', ...none, search, lookAt: now });
    return id;
  }

  /** State: nothing is reserved for it any more. */
  close(id: number, now: Instant): void {
    const reserved = this.flows.get(id);
    if (reserved === undefined) return;
    this.flows.delete(id);
    for (const link of linksOf(reserved)) this.release(reserved, link, now);
    reserved.flow.ended();
  }

  answered(from: NodeAddress, answer: ReservationAnswer, now: Instant): void {
    const reserved = this.flows.get(answer.id);
    if (reserved === undefined) return;
    const link = linkIn([...reserved.links, ...(reserved.wished ?? [])], from, answer.neighbour);
    if (link === undefined) return;
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
      const isWaiting = reserved.state === 'asking' && !reserved.flow.isReady(now);
      reserved.lookAt = later(now, isWaiting ? READY_AGAIN : LOOK_AGAIN);
      for (const link of [...reserved.links, ...(reserved.wished ?? [])])
        if (link.askAt <= now) this.ask(reserved, link, now);
      this.releaseLeft(reserved, now);
      this.judge(reserved, now);
    }
  }

  nextTimeout(): Instant | undefined {
    if (this.flows.size === 0) return undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const reserved of this.flows.values()) {
      const { links, state, openedAt, lookAt, wished, wishedAt } = reserved;
      if (links.length === 0 || state === 'asking') next = Math.min(next, lookAt);
      if (state === 'asking') next = Math.min(next, openedAt + OPEN_PATIENCE);
      if (wished !== undefined) next = Math.min(next, wishedAt + OPEN_PATIENCE);
      for (const { askAt } of linksOf(reserved)) next = Math.min(next, askAt);
    }
    return Math.ceil(next) as Instant;
  }

  all(): FlowReservation[] {
    return [...this.flows.values()].map((reserved) => ({
      id: reserved.id,
      destination: reserved.flow.destination,
      rate: reserved.flow.rate,
      state: reserved.state,
      socket: reserved.flow.socket,
      routeId: reserved.flow.routeId(),
      short: shortOf(reserved),
      links: reserved.links.map(({ from, to, verdict }) => ({
        from,
        to,
        isHeld: verdict === 'granted',
      })),
    }));
  }

  /** State: links the flow has come to are to be asked now, those it has left released later. */
  private follow(reserved: Reserved, now: Instant): void {
    const { flow, links } = reserved;
    const wanted = flow.links().slice(0, RESERVED_LINKS_MAX);
    if (wanted.length === 0) return;
    const known = linksOf(reserved);
    if (!isSameWay(links, wanted)) {
      reserved.links = asked(wanted, known, now);
      const left = links.filter(({ from, to }) => linkIn(reserved.links, from, to) === undefined);
      for (const link of left) link.askAt = later(now, LEFT_FOR);
      if (reserved.state !== 'asking') reserved.left.push(...left);
      if (links.length > 0) this.options.counters.add('reservation.moved');
    }
    this.wishFor(reserved, flow.wish(), known, now);
    const isInUse = ({ from, to }: Asked): boolean =>
      linkIn([...reserved.links, ...(reserved.wished ?? [])], from, to) !== undefined;
    reserved.left = reserved.left.filter((link) => !isInUse(link));
    for (const link of known)
      if (!isInUse(link) && !reserved.left.includes(link)) this.release(reserved, link, now);
  }

  /** State: the links of another way are to be asked now, beside those the flow has. */
  private wishFor(
    reserved: Reserved,
    wish: readonly DirectedLink[],
    known: readonly Asked[],
    now: Instant,
  ): void {
    if (wish.length === 0 || wish.length > RESERVED_LINKS_MAX) {
      reserved.wished = undefined;
      return;
    }
    const more = wish.filter(({ from, to }) => linkIn(reserved.links, from, to) === undefined);
    if (reserved.wished !== undefined && isSameWay(reserved.wished, more)) return;
    // The moment after this one: a timeout that comes to wish for something has done what was due.
    reserved.wished = asked(more, known, later(now, microseconds(1)));
    reserved.wishedAt = now;
  }

  private releaseLeft(reserved: Reserved, now: Instant): void {
    const { left } = reserved;
    if (left.length === 0) return;
    reserved.left = left.filter(({ askAt }) => askAt > now);
    for (const link of left) if (link.askAt <= now) this.release(reserved, link, now);
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
    const again = verdict === 'pending' ? ASK_AGAIN : verdict === 'granted' ? REPEAT : SEARCH_AGAIN;
    link.askAt = later(now, again);
  }

  /** State: the flow's state follows from its links', and news of it is told; its wish may be over. */
  private judge(reserved: Reserved, now: Instant): void {
    this.judgeWish(reserved, now);
    const { links, openedAt } = reserved;
    const isGranted = links.length > 0 && links.every(({ verdict }) => verdict === 'granted');
    const isOpening = reserved.state === 'asking';
    const waiting = links.filter(({ verdict }) => verdict !== 'granted');
    const begun = isOpening ? openedAt : Math.min(...waiting.map(({ since }) => since));
    const isOver = now >= begun + OPEN_PATIENCE;
    if (isGranted && isOpening && !isOver && !reserved.flow.isReady(now)) return;
    if (isGranted) {
      reserved.search.forget();
      return this.enter(reserved, 'held', now);
    }
    const isRefused = links.some(({ verdict }) => isFinal(verdict));
    if (isRefused && !isOver && this.seeks(reserved, now)) return;
    if (isRefused || isOver) this.enter(reserved, isOpening ? 'refused' : 'lost', now);
  }

  /** Whether another way is being asked. State: one is, where there may be one with room. */
  private seeks(reserved: Reserved, now: Instant): boolean {
    const { flow, links, search } = reserved;
    if (reserved.wished !== undefined) return true;
    search.failed(links, false, now);
    if (!search.mayGoOn || !flow.seek(search.refused, now)) return false;
    search.asks();
    this.options.counters.add('reservation.other-way-asked');
    this.follow(reserved, now);
    return reserved.wished !== undefined;
  }

  private judgeWish(reserved: Reserved, now: Instant): void {
    const { wished, wishedAt, flow } = reserved;
    if (wished === undefined) return;
    const isGranted = wished.every(({ verdict }) => verdict === 'granted');
    const isOver = now >= wishedAt + OPEN_PATIENCE;
    if (!isGranted && !isOver && !wished.some(({ verdict }) => isFinal(verdict))) return;
    this.options.counters.add(isGranted ? 'reservation.wish-granted' : 'reservation.wish-refused');
    if (!isGranted) reserved.search.failed(wished, isOver, now);
    reserved.wishedAt = now;
    flow.settle(isGranted ? undefined : reserved.search.refused, now);
    this.follow(reserved, now);
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

/** The link that is named to whoever asked. */
function shortOf({ links, state, flow, search }: Reserved): ShortLink | undefined {
  if (state === 'held') return undefined;
  const { ways, nearest } = search;
  const end = flow.destination;
  if (links.length === 0)
    return { from: end, to: end, verdict: 'no-route', available: 0, capacity: 0, ways };
  const short = nearest ?? leastOf(links);
  return short && { ...short, ways };
}

/** Every link that something is or may be reserved on. */
const linksOf = ({ links, wished, left }: Reserved): Asked[] => [
  ...links,
  ...(wished ?? []),
  ...left,
];
