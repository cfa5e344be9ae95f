/**
 * Fresh relays for a big mesh. In a small overlay every node knows every link and follows what is
 * advertised, which is damped so that nothing moves for noise (ADR 4). In a mesh of a hundred nodes that
 * costs n^2 figures a node, and the damping gives away most of what a detour could save, because half of
 * the trouble of the Internet is over when the damping ends. Here a source chooses a relay for each
 * destination itself, by figures a second or two old, and the packet carries the choice, so that nodes
 * need not agree.
 *
 *   link room: RTT of each neighbour -> figures() -> RELAY_FIGURES to the rendezvous, once a round
 *   rendezvous: figures of its clients -> best relay of each pair -> RELAY_ADVICE to each client
 *   client: advice + what it measures itself at this moment -> relayFor(destination)
 *
 * What a node measures itself is as fresh as its last hello: advice says who is near the destination,
 * the first hop's time is never taken from anybody else. A rendezvous that does not answer is replaced by
 * nobody: every pair has two, and without either the direct way and link state remain.
 *
 * It does not measure, does not decide that a link is dead, and holds nothing that outlives a restart.
 */
import type { Counters, Duration, Instant, NodeAddress, Random } from '../../kernel/index.ts';
import { between, later } from '../../kernel/index.ts';
import {
  CONTROL_FRAME_HEADER_BYTES,
  decodeLatencyCode,
  decodeRelayAdvice,
  decodeRelayFigures,
  encodeLatencyCode,
  encodeRelayAdvice,
  encodeRelayFigures,
  FRAME_RELAY_ADVICE,
  FRAME_RELAY_FIGURES,
  LATENCY_CODE_NONE,
  RELAY_ADVICE_MAX,
  RELAY_MEMBERS_MAX,
  type RelayHint,
  SEALED_OVERHEAD_BYTES,
} from '../../wire/index.ts';
import { MemberGrid } from './member-grid.ts';
import type { RelayOptions } from './options.ts';
import { RELAY_OPTIONS } from './options.ts';
import { FigureRow, findRelay, isBetter, UNKNOWN } from './relay-finder.ts';

const NONE = -1;
const UDP_IP_BYTES = 28;

export interface RelayExchangeOptions {
  readonly self: NodeAddress;
  readonly random: Random;
  readonly counters: Counters;
  /** Bits a second, all headers included, that figures and advice may cost; stretches the rounds. */
  readonly budget: number;
  readonly options?: Partial<RelayOptions>;
  readonly sendFrame: (neighbour: NodeAddress, frameType: number, body: Uint8Array) => boolean;
}

/** Of one rendezvous. */
interface Advised {
  at: Instant;
  readonly hints: Map<number, RelayHint>;
}

/** One rendezvous' advice on the way to one member. */
export interface HeardHint {
  readonly relay: NodeAddress;
  readonly toldBy: NodeAddress;
  readonly age: Duration;
  /** To the relay and back, as this node measures it now; undefined: it does not. */
  readonly first: Duration | undefined;
  /** From the relay to the destination and back, as told. */
  readonly rest: Duration;
}

export interface HeardOfRelays {
  readonly direct: Duration | undefined;
  readonly hints: readonly HeardHint[];
  readonly rendezvous: number;
  readonly advising: number;
  readonly options: RelayOptions;
}

export interface RelayChoice {
  readonly relay: NodeAddress;
  /** Of the way over the relay, and of the direct one where there is one. */
  readonly rtt: Duration;
  readonly directRtt: Duration | undefined;
}

export class RelayExchange {
  private readonly parts: RelayExchangeOptions;
  private readonly options: RelayOptions;
  private grid = new MemberGrid([]);
  private place = NONE;
  private rendezvous: readonly number[] = [];
  private own: FigureRow = new FigureRow(0, 0 as Instant);
  private readonly clients = new Map<number, FigureRow>();
  private readonly advised = new Map<number, Advised>();
  /** By destination: what `relayFor` answered last. */
  private chosen = new Int16Array(0);
  private round = 0;
  private roundAt: Instant | undefined;

  constructor(parts: RelayExchangeOptions) {
    this.parts = parts;
    this.options = { ...RELAY_OPTIONS, ...parts.options };
  }

  /** The members known, this node among them. State: another list starts everything anew. */
  setMembers(members: Iterable<NodeAddress>, now: Instant): void {
    const grid = new MemberGrid(members);
    if (grid.hash === this.grid.hash && grid.size === this.grid.size) return;
    const former = this.grid;
    const { own } = this;
    this.grid = grid;
    this.place = grid.size > RELAY_MEMBERS_MAX ? NONE : grid.place(this.parts.self);
    if (grid.size > RELAY_MEMBERS_MAX) this.parts.counters.add('relay-members-full');
    this.rendezvous = this.place === NONE ? [] : grid.rendezvousOf(this.place);
    this.own = new FigureRow(grid.size, now);
    former.members.forEach((address, before) => {
      const place = grid.place(address);
      if (place === NONE) return;
      this.own.outward[place] = own.outward[before]!;
      this.own.inward[place] = own.inward[before]!;
    });
    this.chosen = new Int16Array(grid.size).fill(NONE);
    this.clients.clear();
    this.advised.clear();
    this.roundAt = this.place === NONE ? undefined : this.nextRound(now);
  }

  /**
   * What this node measures of a neighbour, and what the neighbour says it measures; undefined where
   * there is nothing to go by or the link is dead.
   */
  figures(
    neighbour: NodeAddress,
    outward: Duration | undefined,
    inward: Duration | undefined,
  ): void {
    const place = this.grid.place(neighbour);
    if (place === NONE || place >= this.own.outward.length) return;
    this.own.outward[place] = outward ?? UNKNOWN;
    this.own.inward[place] = inward ?? outward ?? UNKNOWN;
  }

  frame(
    from: NodeAddress,
    frameType: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void {
    const place = this.grid.place(from);
    if (this.place === NONE || place === NONE) return this.count('relay-frame-unwanted');
    if (frameType === FRAME_RELAY_FIGURES) this.receiveFigures(place, bytes, at, end, now);
    else this.receiveAdvice(place, bytes, at, end, now);
  }

  timeout(now: Instant): void {
    if (this.roundAt === undefined || this.roundAt > now) return;
    this.round = (this.round + 1) & 0xffff;
    this.roundAt = this.nextRound(now);
    this.forget(now);
    this.tellFigures();
    this.advise();
  }

  nextTimeout(): Instant | undefined {
    return this.roundAt;
  }

  /** The relay to reach `destination` by at this moment; undefined: go directly, or by link state. */
  relayFor(destination: NodeAddress): RelayChoice | undefined {
    const to = this.grid.place(destination);
    if (to === NONE || to === this.place || this.place === NONE) return undefined;
    const { outward } = this.own;
    const direct = outward[to]!;
    const former = this.chosen[to]!;
    let best = UNKNOWN;
    let relay = NONE;
    let formerCost = UNKNOWN;
    for (const { hints } of this.advised.values()) {
      const hint = hints.get(to);
      if (hint === undefined) continue;
      const cost = outward[hint.relay]! + (decodeLatencyCode(hint.rest) ?? UNKNOWN);
      if (hint.relay === former && cost < formerCost) formerCost = cost;
      if (cost < best) {
        best = cost;
        relay = hint.relay;
      }
    }
    if (relay !== former && !isBetter(best, formerCost, this.options)) {
      relay = former;
      best = formerCost;
    }
    const isWorth = relay === former ? best < direct : isBetter(best, direct, this.options);
    this.chosen[to] = isWorth && best < UNKNOWN ? relay : NONE;
    if (this.chosen[to] === NONE) return undefined;
    const directRtt = direct < UNKNOWN ? (direct as Duration) : undefined;
    return { relay: this.grid.members[relay]!, rtt: best as Duration, directRtt };
  }

  /** All that is known of ways to a member over one relay, for people; undefined: not in the mesh. */
  heard(destination: NodeAddress, now: Instant): HeardOfRelays | undefined {
    const to = this.grid.place(destination);
    if (this.place === NONE || to === NONE || to === this.place) return undefined;
    const { members } = this.grid;
    const figure = (place: number): Duration | undefined =>
      this.own.outward[place]! < UNKNOWN ? (this.own.outward[place] as Duration) : undefined;
    const hints: HeardHint[] = [];
    for (const [place, { at, hints: told }] of this.advised) {
      const hint = told.get(to);
      const rest = hint && decodeLatencyCode(hint.rest);
      if (hint === undefined || rest === undefined) continue;
      const toldBy = members[place]!;
      const first = figure(hint.relay);
      hints.push({ relay: members[hint.relay]!, toldBy, age: between(at, now), first, rest });
    }
    const { rendezvous, advising } = this.state();
    return { direct: figure(to), hints, rendezvous, advising, options: this.options };
  }

  /** Those of another member; empty for who is none. */
  rendezvousOf(member: NodeAddress): ReadonlySet<NodeAddress> {
    const place = this.grid.place(member);
    if (place === NONE) return new Set();
    return new Set(this.grid.rendezvousOf(place).map((other) => this.grid.members[other]!));
  }

  /** Unknown members count: they have to be told to become known. */
  isRendezvous(neighbour: NodeAddress): boolean {
    const place = this.grid.place(neighbour);
    return place === NONE || this.rendezvous.includes(place);
  }

  /** Whether this node measures the direct way at the moment. */
  isDirect(destination: NodeAddress): boolean {
    const to = this.grid.place(destination);
    return this.place !== NONE && to !== NONE && this.own.outward[to]! < UNKNOWN;
  }

  /** Members, rendezvous that advise at the moment, and the time between rounds; for status. */
  state(): { members: number; rendezvous: number; advising: number; round: Duration } {
    return {
      members: this.grid.size,
      rendezvous: this.rendezvous.length,
      advising: this.advised.size,
      round: this.roundLength(),
    };
  }

  private receiveFigures(
    place: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void {
    const figures = decodeRelayFigures(bytes, at, end);
    if (figures === undefined) return this.count('relay-figures-malformed');
    if (figures.hash !== this.grid.hash || figures.codes.length !== 2 * this.grid.size)
      return this.count('relay-members-differ');
    if (!this.rendezvous.includes(place)) return this.count('relay-frame-unwanted');
    let row = this.clients.get(place);
    if (row === undefined) {
      row = new FigureRow(this.grid.size, now);
      this.clients.set(place, row);
    }
    row.read(figures.codes, now);
  }

  private receiveAdvice(
    place: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    now: Instant,
  ): void {
    const advice = decodeRelayAdvice(bytes, at, end);
    if (advice === undefined) return this.count('relay-advice-malformed');
    if (advice.hash !== this.grid.hash) return this.count('relay-members-differ');
    if (!this.rendezvous.includes(place)) return this.count('relay-frame-unwanted');
    this.advised.set(place, { at: now, hints: this.soundHints(advice.hints) });
  }

  /** Places outside the list are left out, and a relay that is one of the ends. */
  private soundHints(hints: readonly RelayHint[]): Map<number, RelayHint> {
    const sound = new Map<number, RelayHint>();
    for (const hint of hints) {
      const { destination, relay } = hint;
      const isSound =
        destination < this.grid.size &&
        relay < this.grid.size &&
        relay !== this.place &&
        relay !== destination;
      if (isSound) sound.set(destination, hint);
      else this.count('relay-advice-malformed');
    }
    return sound;
  }

  private tellFigures(): void {
    const { size, hash } = this.grid;
    const codes = new Uint8Array(2 * size).fill(LATENCY_CODE_NONE);
    for (let place = 0; place < size; place++) {
      codes[2 * place] = codeOf(this.own.outward[place]!);
      codes[2 * place + 1] = codeOf(this.own.inward[place]!);
    }
    const body = encodeRelayFigures({ hash, round: this.round, codes });
    for (const place of this.rendezvous) this.send(place, FRAME_RELAY_FIGURES, body);
  }

  /** This node is a client of its own: for the pairs that it is an end of it needs no message. */
  private advise(): void {
    const { hash } = this.grid;
    const own = { at: this.own.at, hints: new Map<number, RelayHint>() };
    for (const [from, source] of this.clients) {
      const hints: RelayHint[] = [];
      for (const [to, target] of this.clients)
        if (to !== from) this.addHint(hints, { from, to }, source, target);
      this.addHint(hints, { from, to: this.place }, source, this.own);
      if (hints.length > RELAY_ADVICE_MAX) this.count('relay-advice-full');
      hints.length = Math.min(hints.length, RELAY_ADVICE_MAX);
      this.send(from, FRAME_RELAY_ADVICE, encodeRelayAdvice({ hash, round: this.round, hints }));
      const mine: RelayHint[] = [];
      this.addHint(mine, { from: this.place, to: from }, this.own, source);
      for (const hint of mine) own.hints.set(from, hint);
    }
    this.advised.set(this.place, own);
  }

  private addHint(
    hints: RelayHint[],
    ends: { from: number; to: number },
    source: FigureRow,
    target: FigureRow,
  ): void {
    const found = findRelay(ends, source, target, this.options);
    if (found === undefined) return;
    hints.push({ destination: ends.to, relay: found.relay, rest: codeOf(found.rest) });
  }

  private send(place: number, frameType: number, body: Uint8Array): void {
    // A dead link is no reason to wait: the next round comes whatever happens to this one.
    if (this.own.outward[place]! >= UNKNOWN) return;
    if (this.parts.sendFrame(this.grid.members[place]!, frameType, body))
      this.count('relay-frame-sent');
  }

  private forget(now: Instant): void {
    const life = this.options.lifeRounds * this.roundLength();
    for (const [place, { at }] of this.clients) if (now - at > life) this.clients.delete(place);
    for (const [place, { at }] of this.advised)
      if (now - at > life && place !== this.place) this.advised.delete(place);
  }

  /** Up to a fifth early, so that nodes do not fall into step. */
  private nextRound(now: Instant): Instant {
    const length = this.roundLength();
    return later(now, Math.round(length * (1 - 0.2 * this.parts.random.fraction())) as Duration);
  }

  /** What a round costs at most, within the budget. */
  private roundLength(): Duration {
    const { roundMin, roundMax } = this.options;
    const peers = this.rendezvous.length;
    const overhead = UDP_IP_BYTES + SEALED_OVERHEAD_BYTES + CONTROL_FRAME_HEADER_BYTES + 8;
    const figures = overhead + 2 * this.grid.size;
    const advice = overhead + 5 * Math.min(peers, RELAY_ADVICE_MAX);
    const length = (8_000_000 * peers * (figures + advice)) / this.parts.budget;
    return Math.round(Math.min(roundMax, Math.max(roundMin, length))) as Duration;
  }

  private count(what: string): void {
    this.parts.counters.add(what);
  }
}

const codeOf = (latency: number): number =>
  latency >= UNKNOWN ? LATENCY_CODE_NONE : encodeLatencyCode(latency);
