/**
 * Which packets of floods each neighbour is known to have: those that came from it, in whatever copy,
 * and those it has named (`wire/have.ts`). A copy for it is then not sent; one that waits for it is
 * taken out of its queue. The other half is telling neighbours: a packet is named where its own copy
 * has to wait, or where the neighbour names packets itself and so holds copies back as well.
 *
 * A neighbour is believed about itself only. One that names what it has not got goes without it, on its own
 * link, which it could have by dropping it; the flood goes around it.
 *
 * Bounds for each neighbour: `KNOWN_FLOWS_MAX` flows, `KNOWN_BITS` sequence numbers of each. Overflow: the
 * flow that was learned of first, and the oldest numbers, are forgotten, which costs copies.
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import type { HaveRun } from '../wire/index.ts';
import { HAVE_RUN_LENGTH_MAX, HAVE_RUNS_MAX } from '../wire/index.ts';
import { DuplicateWindow } from './duplicate-window.ts';
import { type FloodName, floodFlow } from './flood-index.ts';

export const KNOWN_FLOWS_MAX = 1_024;
const KNOWN_BITS = 512;
/** A name waits so long for others to share its packet. */
const ANNOUNCE_WITHIN = 5_000;
/** Who has named packets less than this ago is told of packets. */
const ANNOUNCER_LIFE = 1_000_000;

interface KnownFlow {
  epoch: number;
  readonly window: DuplicateWindow;
}

class Neighbour {
  /** By `floodFlow`. */
  readonly flows = new Map<number, KnownFlow>();
  /** Named to it with the next frame. */
  pending: { -readonly [K in keyof HaveRun]: HaveRun[K] }[] = [];
  dueAt = Number.POSITIVE_INFINITY;
  /** It has named packets until shortly before. */
  announcesUntil = 0;
}

export interface KnownCopiesOptions {
  readonly announce: (neighbour: NodeAddress, runs: readonly HaveRun[], now: Instant) => void;
}

export class KnownCopies {
  private readonly options: KnownCopiesOptions;
  private readonly neighbours = new Map<NodeAddress, Neighbour>();

  constructor(options: KnownCopiesOptions) {
    this.options = options;
  }

  learn(neighbour: NodeAddress, name: FloodName): void {
    const { flows } = this.of(neighbour);
    const key = floodFlow(name);
    let known = flows.get(key);
    if (known === undefined) {
      known = { epoch: name.epoch, window: new DuplicateWindow(KNOWN_BITS) };
      flows.set(key, known);
      if (flows.size > KNOWN_FLOWS_MAX) flows.delete(flows.keys().next().value!);
    }
    if (name.epoch !== known.epoch) {
      if (name.epoch < known.epoch) return;
      known.epoch = name.epoch;
      known.window.reset();
    }
    known.window.admit(name.sequence);
  }

  has(neighbour: NodeAddress, name: FloodName): boolean {
    const known = this.neighbours.get(neighbour)?.flows.get(floodFlow(name));
    return known !== undefined && known.epoch === name.epoch && known.window.has(name.sequence);
  }

  /** The neighbour has named packets: it holds copies back, and wants to be told in turn. */
  announced(neighbour: NodeAddress, now: Instant): void {
    this.of(neighbour).announcesUntil = now + ANNOUNCER_LIFE;
  }

  isAnnouncer(neighbour: NodeAddress, now: Instant): boolean {
    return (this.neighbours.get(neighbour)?.announcesUntil ?? 0) > now;
  }

  /** This node has the packet: names it to the neighbour shortly. */
  announce(to: NodeAddress, name: FloodName, now: Instant): void {
    const { source, epoch, flow, sequence, isSigned } = name;
    const neighbour = this.of(to);
    const { pending } = neighbour;
    const run = pending.findLast(
      (r) => r.flow === flow && r.source === source && r.epoch === epoch && r.isSigned === isSigned,
    );
    const isNext = run !== undefined && run.first + run.count === sequence;
    if (isNext && run.count < HAVE_RUN_LENGTH_MAX) run.count++;
    else pending.push({ source, epoch, isSigned, flow, first: sequence, count: 1 });
    if (neighbour.dueAt === Number.POSITIVE_INFINITY) neighbour.dueAt = now + ANNOUNCE_WITHIN;
    if (pending.length >= HAVE_RUNS_MAX) this.send(to, neighbour, now);
  }

  nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.neighbours.values()) next = Math.min(next, dueAt);
    return next;
  }

  timeout(now: Instant): void {
    for (const [address, neighbour] of this.neighbours)
      if (neighbour.dueAt <= now) this.send(address, neighbour, now);
  }

  /** The link is down: what was sent on it may not have arrived. */
  forget(neighbour: NodeAddress): void {
    this.neighbours.delete(neighbour);
  }

  private send(to: NodeAddress, neighbour: Neighbour, now: Instant): void {
    const runs = neighbour.pending;
    neighbour.pending = [];
    neighbour.dueAt = Number.POSITIVE_INFINITY;
    const side = ({ isSigned }: HaveRun): number => Number(isSigned);
    runs.sort((a, b) => a.source - b.source || a.epoch - b.epoch || side(a) - side(b));
    this.options.announce(to, runs, now);
  }

  private of(address: NodeAddress): Neighbour {
    const known = this.neighbours.get(address);
    if (known !== undefined) return known;
    const made = new Neighbour();
    this.neighbours.set(address, made);
    return made;
  }
}
