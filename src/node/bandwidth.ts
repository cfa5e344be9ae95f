/**
 * What this node's links carry, and who has been promised how much of it: stated and measured capacity,
 * use and reservations come together here, are told to routing, and decide on reservations, of this
 * node's flows and of others'.
 *
 * A link whose capacity is not stated is scheduled only while rates are reserved on it, at what was
 * measured: a promise that nobody keeps is worth nothing, and nobody else is to pay for a guess.
 */
import type {
  DirectedLink,
  FairOutlet,
  FlowReservation,
  LackingLink,
  LedgerLink,
  ReservationEntry,
  ReservationNews,
} from '../forwarding/index.ts';
import { FlowReservations, LinkLedger } from '../forwarding/index.ts';
import type { Counters, Duration, Instant, NodeAddress, Result } from '../kernel/index.ts';
import { fail, later, microseconds, ok, seconds, soonest } from '../kernel/index.ts';
import type { LinkLayer } from '../link/index.ts';
import type { LinkStateRouting } from '../routing/index.ts';
import type { SocketId, SocketLayer, SocketRefusal, StreamId } from '../sockets/index.ts';
import {
  decodeReservationAnswer,
  decodeReservationRequest,
  encodeReservationAnswer,
  MESSAGE_RESERVE,
  NO_ROUTE,
  RESERVED_RATE_MAX,
  ROUTE_FLOOD,
} from '../wire/index.ts';
import type { NeighbourOptions, NodeOptions } from './contract.ts';
import { routeLinks } from './route-links.ts';

/** How a link's capacity is known. `least`: it is no less; `delivered`: reliable traffic has got so much. */
export type CapacitySource = 'stated' | 'measured' | 'least' | 'delivered' | 'unknown';

/** One direction of one link, outwards; rates in bits a second with all headers. */
export interface LinkBandwidthStatus {
  readonly neighbour: NodeAddress;
  /** 0: not known. */
  readonly capacity: number;
  readonly source: CapacitySource;
  readonly used: number;
  readonly usedIn: number;
  readonly reserved: number;
  /** What may still be reserved; 0 where the capacity is not known, which refuses nothing. */
  readonly reservable: number;
  /** Requests to reserve for which there was no room, since the link is up. */
  readonly refused: number;
  /** What neither use nor reservations take; 0 where the capacity is not known. */
  readonly available: number;
}

export interface RateRequest {
  /** A datagram socket or a stream. */
  readonly socket: SocketId | StreamId;
  readonly destination: NodeAddress;
  /** Bits a second with all headers. */
  readonly rate: number;
}

export interface NodeBandwidthOptions {
  readonly self: NodeAddress;
  readonly links: LinkLayer;
  readonly routing: LinkStateRouting;
  readonly outlet: () => FairOutlet;
  readonly sockets: () => SocketLayer;
  readonly counters: Counters;
  readonly neighbours: () => readonly NeighbourOptions[];
  readonly options: Pick<NodeOptions, 'linkCapacity' | 'reservations'>;
  readonly nameOf: (neighbour: NodeAddress) => string | undefined;
  readonly tell: (news: ReservationNews) => void;
  /** For the performance database, bits a second. */
  readonly report: (to: string, metric: string, value: number, now: Instant) => void;
  readonly now: Instant;
}

const LOOK_INTERVAL: Duration = seconds(1);
const LOOKS_A_REPORT = 10;
/** Names of the metrics in the performance database. */
const BANDWIDTH_METRICS = { capacity: 'capacity', available: 'available' } as const;
/** A measured link is scheduled at so much of what was measured. */
const MEASURED_SHARE = 0.95;
/**
 * A measured capacity has to be so much more for its link to be scheduled faster; less is followed at once: what
 * is above the true capacity waits, and is lost, where no promise counts.
 */
const FASTER_FROM = 0.1;

/** Rates that flows of this node reserve. */
export interface RateApi {
  /**
   * On every link that a socket's or a stream's packets to a node take. What came of it follows as an event
   * `reservation` with this number. `rate-already-reserved`: to another rate by releasing this one, or with
   * another socket, whose packets count against a rate of their own.
   */
  reserve(request: RateRequest, now: Instant): Result<number, SocketRefusal>;
  release(id: number, now: Instant): void;
  reservations(): readonly FlowReservation[];
}

export class NodeBandwidth implements RateApi {
  readonly ledger: LinkLedger;
  readonly flows: FlowReservations;
  private readonly options: NodeBandwidthOptions;
  private readonly scheduled = new Map<NodeAddress, number>();
  private lookAt: Instant;
  private looks = 0;
  private rerouteAt: Instant | undefined;

  constructor(options: NodeBandwidthOptions) {
    this.options = options;
    const { self, counters, tell } = options;
    this.ledger = new LinkLedger({
      ...options.options.reservations,
      self,
      counters,
      linkTo: (neighbour, now) => this.linkTo(neighbour, now),
    });
    this.flows = new FlowReservations({
      self,
      ledger: this.ledger,
      counters,
      send: (to, message, now) => options.sockets().sendOwn(to, message, now),
      tell,
    });
    this.lookAt = later(options.now, LOOK_INTERVAL);
  }

  /** Bits a second as configured; 0: not stated. */
  stated(neighbour: NodeAddress): number {
    const name = this.options.nameOf(neighbour);
    const one = this.options.neighbours().find((n) => n.name !== undefined && n.name === name);
    return one?.capacity ?? this.options.options.linkCapacity ?? 0;
  }

  reserve(request: RateRequest, now: Instant): Result<number, SocketRefusal> {
    const { socket, destination, rate } = request;
    const { self, sockets, routing } = this.options;
    const flow = sockets().routeOf(socket, destination);
    if (flow === undefined) return fail('closed');
    const isRate = rate > 0 && rate <= RESERVED_RATE_MAX;
    if (!isRate || destination === self || flow.route?.form === ROUTE_FLOOD)
      return fail('bad-argument');
    if (this.flows.has(socket, destination)) return fail('rate-already-reserved');
    const { routes } = flow;
    routes?.reserve(destination, rate);
    const { chooser } = routing.choice;
    const chosen = () => routes?.chosenTo(destination);
    const wanting = (lacking: readonly LackingLink[], askedAt: Instant) => ({
      rate,
      lacking: [...lacking],
      askedAt,
    });
    const spec = {
      socket,
      destination,
      rate,
      routeId: () => chosen()?.id,
      label: () => sockets().routeOf(socket, destination)?.flow,
      links: () => this.linksOf(socket, destination),
      wish: () => this.linksOver(destination, chosen()?.wish),
      seek: (lacking: readonly LackingLink[], at: Instant) => {
        const route = chosen();
        return route !== undefined && chooser.seek(route, wanting(lacking, at));
      },
      settle: (lacking: readonly LackingLink[] | undefined, at: Instant) => {
        const route = chosen();
        if (route === undefined) return;
        if (lacking === undefined) chooser.granted(route, at);
        else chooser.refused(route, wanting(lacking, at));
      },
      isReady: (at: Instant) => sockets().isReady(destination, at),
      ended: () => routes?.reserve(destination, 0),
    };
    return ok(this.flows.open(spec, now));
  }

  release(id: number, now: Instant): void {
    this.flows.close(id, now);
  }

  reservations(): readonly FlowReservation[] {
    return this.flows.all();
  }

  /** A route has changed: flows look where they go, after the call that changed it. */
  rerouted(now: Instant): void {
    this.rerouteAt = later(now, microseconds(1));
  }

  /** A request or an answer from a node that has proven who it is. */
  message(from: NodeAddress, bytes: Uint8Array, at: number, end: number, now: Instant): void {
    if (bytes[at] !== MESSAGE_RESERVE) {
      const answer = decodeReservationAnswer(bytes, at, end);
      if (answer === undefined) return this.options.counters.add('reservation.malformed');
      return this.flows.answered(from, answer, now);
    }
    const request = decodeReservationRequest(bytes, at, end);
    if (request === undefined) return this.options.counters.add('reservation.malformed');
    if (request.isRelease) this.ledger.release(from, request);
    else {
      const { id, neighbour } = request;
      const verdict = this.ledger.request(from, request, now);
      this.options
        .sockets()
        .sendOwn(from, encodeReservationAnswer({ ...verdict, id, neighbour }), now);
    }
    this.schedule(request.neighbour, now);
  }

  linkUp(neighbour: NodeAddress, now: Instant): void {
    this.scheduled.delete(neighbour);
    this.options.outlet().linkUp(neighbour, this.stated(neighbour), now);
  }

  linkDown(neighbour: NodeAddress): void {
    this.scheduled.delete(neighbour);
    this.ledger.linkDown(neighbour);
  }

  timeout(now: Instant): void {
    this.ledger.timeout(now);
    const isLook = this.lookAt <= now;
    if (isLook || (this.rerouteAt !== undefined && this.rerouteAt <= now)) {
      this.rerouteAt = undefined;
      this.flows.reroute(now);
    }
    const due = this.flows.nextTimeout();
    if (due !== undefined && due <= now) this.flows.timeout(now);
    if (!isLook) return;
    this.lookAt = later(now, LOOK_INTERVAL);
    this.looks++;
    const isReport = this.looks % LOOKS_A_REPORT === 0;
    for (const neighbour of this.options.links.neighbours()) {
      this.schedule(neighbour, now);
      const { capacity, available } = this.of(neighbour);
      const told = capacity === 0 ? undefined : { capacity, available };
      this.options.routing.bandwidth(neighbour, told, now);
      const name = this.options.nameOf(neighbour);
      if (!isReport || told === undefined || name === undefined) continue;
      this.options.report(name, BANDWIDTH_METRICS.capacity, capacity, now);
      this.options.report(name, BANDWIDTH_METRICS.available, available, now);
    }
  }

  nextTimeout(): Instant {
    const reserved = soonest(this.ledger.nextTimeout(), this.flows.nextTimeout());
    return soonest(soonest(reserved, this.rerouteAt), this.lookAt)!;
  }

  of(neighbour: NodeAddress): LinkBandwidthStatus {
    const { links } = this.options;
    const figures = links.trains.figures(neighbour);
    const { capacity, source } = this.capacityOf(neighbour);
    const used = Math.round(figures?.usedOut ?? 0);
    const usedIn = Math.round(figures?.usedIn ?? 0);
    const reserved = this.ledger.reserved(neighbour);
    const available = Math.round(Math.max(0, capacity - Math.max(used, reserved)));
    const reservable = Math.round(this.ledger.reservable(neighbour, capacity));
    const refused = this.ledger.refused(neighbour);
    return { neighbour, capacity, source, used, usedIn, reserved, reservable, refused, available };
  }

  status(): {
    links: LinkBandwidthStatus[];
    reservations: FlowReservation[];
    granted: ReservationEntry[];
  } {
    return {
      links: this.options.links.neighbours().map((neighbour) => this.of(neighbour)),
      reservations: this.flows.all(),
      granted: this.ledger.entries(),
    };
  }

  private capacityOf(neighbour: NodeAddress): { capacity: number; source: CapacitySource } {
    const stated = this.stated(neighbour);
    if (stated > 0) return { capacity: stated, source: 'stated' };
    const { links } = this.options;
    const { capacity = 0, isAtLeast = false } = links.trains.figures(neighbour) ?? {};
    const delivered = Math.round(links.reliable.measuredCapacity(neighbour));
    // Neither can show more than there is, but for chance.
    if (delivered > capacity) return { capacity: delivered, source: 'delivered' };
    if (capacity === 0) return { capacity, source: 'unknown' };
    return { capacity: Math.round(capacity), source: isAtLeast ? 'least' : 'measured' };
  }

  private linkTo(neighbour: NodeAddress, now: Instant): LedgerLink | undefined {
    const { links } = this.options;
    if (links.trains.figures(neighbour) === undefined) return undefined;
    const isPending = links.trains.ask(neighbour, now);
    return { capacity: this.capacityOf(neighbour).capacity, isPending };
  }

  /** Whether and how a link is scheduled follows from what is reserved on it. */
  private schedule(neighbour: NodeAddress, now: Instant): void {
    if (this.stated(neighbour) > 0) return;
    const isPromised = this.ledger.reserved(neighbour) > 0;
    const wanted = isPromised ? MEASURED_SHARE * this.capacityOf(neighbour).capacity : 0;
    const before = this.scheduled.get(neighbour) ?? 0;
    const isLittleMore = wanted >= before && wanted <= (1 + FASTER_FROM) * before;
    if (isLittleMore) return;
    this.scheduled.set(neighbour, wanted);
    this.options.outlet().linkUp(neighbour, Math.round(wanted), now);
  }

  private linksOf(socket: SocketId | StreamId, destination: NodeAddress): DirectedLink[] {
    const { self, sockets, routing } = this.options;
    const route = sockets().routeOf(socket, destination)?.route;
    return routeLinks(route, { source: self, destination }, routing.path(destination));
  }

  private linksOver(
    destination: NodeAddress,
    path: readonly NodeAddress[] | undefined,
  ): DirectedLink[] {
    return routeLinks(NO_ROUTE, { source: this.options.self, destination }, path);
  }
}
