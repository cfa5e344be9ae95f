/**
 * Rates reserved on this node's links, by whoever sends over them: admission, and which packets keep to
 * what was admitted.
 *
 * A link gives away `share` of its capacity and one member, this node apart, gets `memberShare` of it at
 * most, so that no member reserves what is the others'. What was admitted is kept for as long as the link
 * carries it, those first that were admitted first: a capacity that is measured a little less takes
 * nobody's rate away. Entries are soft state: one that its flow's source does not repeat for
 * `RESERVATION_LIFE` is gone. A link whose capacity nobody knows refuses nothing.
 *
 * Bounds: `entriesMax` for all links; refused beyond. Counters, under `forwarding.`: `reservation.VERDICT`,
 * `reservation.lapsed`.
 */
import type { Counters, Duration, Instant, NodeAddress } from '../../kernel/index.ts';
import { later, seconds, soonest } from '../../kernel/index.ts';
import type { ReservationAnswer, ReservationRequest } from '../../wire/index.ts';

export interface ReservationOptions {
  /** Of a link's capacity, 0 to 1, that flows may reserve together. Default 0.9. */
  readonly share: number;
  /** Of a link's capacity, 0 to 1, that flows of one member may reserve. Default 0.5. */
  readonly memberShare: number;
  /** Reservations on links of this node. Default 1024. */
  readonly entriesMax: number;
}

export const RESERVATIONS: ReservationOptions = { share: 0.9, memberShare: 0.5, entriesMax: 1024 };

/** Entries that are not repeated for this long are forgotten. */
export const RESERVATION_LIFE: Duration = seconds(15);
/** A flow may run ahead of its rate by this much time, or by two packets. */
const BURST_TIME = 50_000;
const BURST_BYTES_MIN = 3_200;
/** In front of a data frame on the wire: headers of UDP and IPv4, sealed header and tag. */
const FRAME_OVERHEAD_BYTES = 60;

export interface LedgerLink {
  /** Bits a second with all headers; 0: not known. */
  readonly capacity: number;
  /** It is being measured. */
  readonly isPending: boolean;
}

export interface LedgerOptions extends Partial<ReservationOptions> {
  readonly self: NodeAddress;
  readonly counters: Counters;
  /** Undefined: no such link is up. */
  readonly linkTo: (neighbour: NodeAddress, now: Instant) => LedgerLink | undefined;
}

/** For people. */
export interface ReservationEntry {
  readonly source: NodeAddress;
  readonly id: number;
  readonly neighbour: NodeAddress;
  readonly rate: number;
}

interface Entry extends ReservationEntry {
  rate: number;
  flow: number;
  until: Instant;
  /** Bytes that may go at once, at `filledAt`. */
  tokens: number;
  filledAt: Instant;
}

/** Of one link, in order of admission. */
type Entries = Map<string, Entry>;

type Verdict = Omit<ReservationAnswer, 'id' | 'neighbour'>;

export class LinkLedger {
  private readonly options: LedgerOptions & ReservationOptions;
  private readonly links = new Map<NodeAddress, Entries>();
  private readonly byFlow = new Map<NodeAddress, Map<number, Entry>>();
  /** Requests for which there was no room, by link, since it is up. */
  private readonly refusals = new Map<NodeAddress, number>();
  private size = 0;

  constructor(options: LedgerOptions) {
    this.options = { ...RESERVATIONS, ...options };
  }

  /** State: admitted, or kept for another life; one that is refused is gone. */
  request(source: NodeAddress, request: ReservationRequest, now: Instant): Verdict {
    const verdict = this.judge(source, request, now);
    this.options.counters.add(`reservation.${verdict.verdict}`);
    if (verdict.verdict === 'granted') this.put(source, request, now);
    else this.refuse(source, request, verdict);
    return verdict;
  }

  /** Requests that a link had no room for, since it is up. */
  refused(neighbour: NodeAddress): number {
    return this.refusals.get(neighbour) ?? 0;
  }

  release(
    source: NodeAddress,
    { id, neighbour }: Pick<ReservationRequest, 'id' | 'neighbour'>,
  ): void {
    const entry = this.links.get(neighbour)?.get(keyOf(source, id));
    if (entry !== undefined) this.remove(entry);
  }

  /** Bits a second that are given away of a link. */
  reserved(neighbour: NodeAddress): number {
    let sum = 0;
    for (const { rate } of this.links.get(neighbour)?.values() ?? []) sum += rate;
    return sum;
  }

  /** Bits a second that may still be given away of a link that carries so much. */
  reservable(neighbour: NodeAddress, capacity: number): number {
    return Math.max(0, this.options.share * capacity - this.reserved(neighbour));
  }

  /**
   * Whether a packet is within what its flow has reserved on a link. For the packet path of links that
   * are scheduled. State: its bytes are taken from the flow's allowance.
   */
  conforms(
    neighbour: NodeAddress,
    { source, flow }: { source: NodeAddress; flow: number },
    frameBytes: number,
    now: Instant,
  ): boolean {
    const entry = this.byFlow.get(neighbour)?.get(flowName(source, flow));
    if (entry === undefined) return false;
    const perMicrosecond = entry.rate / 8_000_000;
    const burst = Math.max(BURST_BYTES_MIN, perMicrosecond * BURST_TIME);
    const filled = entry.tokens + perMicrosecond * (now - entry.filledAt);
    entry.tokens = Math.min(burst, filled);
    entry.filledAt = now;
    const bytes = frameBytes + FRAME_OVERHEAD_BYTES;
    if (entry.tokens < bytes) return false;
    entry.tokens -= bytes;
    return true;
  }

  linkDown(neighbour: NodeAddress): void {
    for (const entry of this.links.get(neighbour)?.values() ?? []) this.remove(entry);
    this.refusals.delete(neighbour);
  }

  /** Forgets what was not repeated. */
  timeout(now: Instant): void {
    for (const entries of this.links.values())
      for (const entry of entries.values())
        if (entry.until <= now) {
          this.options.counters.add('reservation.lapsed');
          this.remove(entry);
        }
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const entries of this.links.values())
      for (const { until } of entries.values()) next = soonest(next, until);
    return next;
  }

  entries(): ReservationEntry[] {
    return [...this.links.values()].flatMap((entries) => [...entries.values()]);
  }

  private judge(source: NodeAddress, request: ReservationRequest, now: Instant): Verdict {
    const { self, share, memberShare, entriesMax, linkTo } = this.options;
    const link = linkTo(request.neighbour, now);
    if (link === undefined) return { verdict: 'no-link', available: 0, capacity: 0 };
    const { capacity, isPending } = link;
    const entries = this.links.get(request.neighbour) ?? (new Map() as Entries);
    const own = entries.get(keyOf(source, request.id));
    if (own === undefined && this.size >= entriesMax)
      return { verdict: 'table-full', available: 0, capacity };
    if (capacity === 0) {
      const verdict = isPending ? 'pending' : 'granted';
      return { verdict, available: isPending ? 0 : request.rate, capacity };
    }
    const isKept = own !== undefined && request.rate <= own.rate;
    let before = 0;
    let byMember = 0;
    for (const entry of entries.values()) {
      if (entry === own && isKept) break;
      if (entry === own) continue;
      before += entry.rate;
      if (entry.source === source) byMember += entry.rate;
    }
    const room = Math.max(0, (isKept ? 1 : share) * capacity - before);
    const isOwn = source === self || isKept;
    const memberRoom = isOwn ? room : Math.max(0, memberShare * capacity - byMember);
    const available = Math.min(room, memberRoom);
    if (request.rate <= available) return { verdict: 'granted', available, capacity };
    return { verdict: room < request.rate ? 'no-room' : 'member-limit', available, capacity };
  }

  private refuse(source: NodeAddress, request: ReservationRequest, { verdict }: Verdict): void {
    const { neighbour } = request;
    const isForRoom = verdict === 'no-room' || verdict === 'member-limit';
    if (isForRoom) this.refusals.set(neighbour, this.refused(neighbour) + 1);
    this.release(source, request);
  }

  private put(source: NodeAddress, request: ReservationRequest, now: Instant): void {
    const { id, neighbour, flow, rate } = request;
    const entries: Entries = this.links.get(neighbour) ?? new Map();
    this.links.set(neighbour, entries);
    const known = entries.get(keyOf(source, id));
    const until = later(now, RESERVATION_LIFE);
    if (known !== undefined) {
      this.unname(known);
      Object.assign(known, { flow, rate, until });
      return this.name(known);
    }
    const entry = { source, id, neighbour, flow, rate, until, tokens: 0, filledAt: 0 as Instant };
    entries.set(keyOf(source, id), entry);
    this.size++;
    this.name(entry);
  }

  private name(entry: Entry): void {
    const flows = this.byFlow.get(entry.neighbour) ?? new Map<number, Entry>();
    flows.set(flowName(entry.source, entry.flow), entry);
    this.byFlow.set(entry.neighbour, flows);
  }

  /** State: a flow that has reserved anew since goes by that. */
  private unname(entry: Entry): void {
    const flows = this.byFlow.get(entry.neighbour);
    const name = flowName(entry.source, entry.flow);
    if (flows?.get(name) === entry) flows.delete(name);
  }

  private remove(entry: Entry): void {
    const { neighbour, source, id } = entry;
    const entries = this.links.get(neighbour);
    if (entries?.delete(keyOf(source, id)) !== true) return;
    this.size--;
    this.unname(entry);
    if (entries.size > 0) return;
    this.links.delete(neighbour);
    this.byFlow.delete(neighbour);
  }
}

const keyOf = (source: NodeAddress, id: number): string => `${source} ${id}`;
/** 48 bits: exact in a double. */
const flowName = (source: NodeAddress, flow: number): number => source * 0x1_0000 + flow;
