/**
 * The underlay as the simulator makes it: links between nodes, each two path models, one per
 * direction, and what lies in wait on them. A link has the impairments it was built with and any
 * number of named effects on top, so that faults may overlap and end in any order. Beyond what a
 * path model does a direction may flip bits, cut datagrams short and repeat old ones, as a hostile or
 * broken network does.
 *
 * A node is reached at its configured address and at every address it has ever sent from: rebinding
 * models a NAT that gave a flow a new port and still knows the old one.
 */
import type { Impairments } from '../impairment/index.ts';
import { PathModel } from '../impairment/index.ts';
import type { Duration, Instant, Random, UnderlayAddress } from '../kernel/index.ts';
import { assert, underlayAddress } from '../kernel/index.ts';
import type { EventQueue } from './event-queue.ts';
import type { Trace } from './trace.ts';

/** What a fault does to one direction of a link while it lasts. */
export interface LinkEffect extends Partial<Impairments> {
  /** Chance that a datagram has one bit flipped. */
  readonly corrupt?: number;
  /** Chance that a datagram arrives cut short. */
  readonly truncate?: number;
  /** Chance that a datagram is delivered again, up to `REPLAY_DELAY_MAX` later. */
  readonly replay?: number;
}

export interface LinkOptions {
  readonly a: string;
  readonly b: string;
  /** From a to b. */
  readonly forward: Impairments;
  /** From b to a. */
  readonly backward: Impairments;
  /** One of `Topology.bottlenecks`, which every datagram passes before the link's own way. */
  readonly bottleneck?: string;
}

/** Where datagrams arrive. */
export interface NetworkReceiver {
  readonly name: string;
  /** False when it was lost there: not running, or no room. */
  arrive(bytes: Uint8Array, remote: UnderlayAddress): boolean;
}

const REPLAY_DELAY_MAX = 20_000_000;
const PORT = 7100;
const OVERHEARD_MAX = 200;

/** One model for each direction. */
export interface Bottleneck {
  readonly forward: PathModel;
  readonly backward: PathModel;
}

interface Attachment {
  readonly receiver: NetworkReceiver;
  readonly index: number;
  /** What its datagrams say they come from. */
  source: UnderlayAddress;
  rebinds: number;
  readonly directions: Map<number, Direction>;
}

export class Network {
  readonly queue: EventQueue;
  private readonly trace: Trace;
  private readonly random: Random;
  private readonly attachments: Attachment[] = [];
  private readonly byName = new Map<string, Attachment>();
  private readonly byAddress = new Map<string, Attachment>();
  readonly links: LinkOptions[] = [];
  private readonly bottlenecks = new Map<string, Bottleneck>();
  /** Datagrams handed in, and copies that arrived. */
  sent = 0;
  delivered = 0;
  /** Whether `overheard` keeps the last datagrams that arrived, for replaying them. */
  isOverheard = false;
  readonly overheard: Uint8Array[] = [];

  constructor(options: { queue: EventQueue; trace: Trace; random: Random }) {
    this.queue = options.queue;
    this.trace = options.trace;
    this.random = options.random;
  }

  attach(receiver: NetworkReceiver): UnderlayAddress {
    const index = this.attachments.length;
    const source = addressOf(index, PORT);
    const attachment = { receiver, index, source, rebinds: 0, directions: new Map() };
    this.attachments.push(attachment);
    this.byName.set(receiver.name, attachment);
    this.byAddress.set(source.key, attachment);
    return source;
  }

  addLink(options: LinkOptions): void {
    const a = this.at(options.a);
    const b = this.at(options.b);
    assert(a !== b && !a.directions.has(b.index), `link ${options.a}-${options.b} exists already`);
    const label = `${options.a}-${options.b}`;
    const shared = options.bottleneck && this.bottlenecks.get(options.bottleneck);
    assert(shared !== undefined || !options.bottleneck, `there is no ${options.bottleneck}`);
    const [forward, backward] = (['forward', 'backward'] as const).map((way) => {
      const before = shared ? shared[way] : undefined;
      return new Direction(options[way], this.random.split(`${label} ${way}`), before);
    }) as [Direction, Direction];
    a.directions.set(b.index, forward);
    b.directions.set(a.index, backward);
    this.links.push(options);
  }

  /** A queue of the underlay that several links pass: what overlays share without knowing of each other. */
  addBottleneck(name: string, impairments: Partial<Impairments>): void {
    const random = this.random.split(`bottleneck ${name}`);
    const way = (label: string): PathModel =>
      new PathModel({ random: random.split(label), impairments });
    this.bottlenecks.set(name, { forward: way('forward'), backward: way('backward') });
  }

  bottleneck(name: string): Bottleneck {
    const found = this.bottlenecks.get(name);
    assert(found !== undefined, `there is no bottleneck ${name}`);
    return found;
  }

  hasLink(a: string, b: string): boolean {
    const to = this.byName.get(b);
    return to !== undefined && (this.byName.get(a)?.directions.has(to.index) ?? false);
  }

  /** The address by which others first know the node that is attached as number `index`. */
  addressAt(index: number): UnderlayAddress {
    return addressOf(index, PORT);
  }

  /** From now on the node's datagrams come from a port not seen before. */
  rebind(name: string): UnderlayAddress {
    const attachment = this.at(name);
    attachment.rebinds++;
    attachment.source = addressOf(attachment.index, PORT + attachment.rebinds);
    this.byAddress.set(attachment.source.key, attachment);
    return attachment.source;
  }

  /** Lays an effect on one direction; the same name replaces what it did before. */
  impair(from: string, to: string, effectName: string, effect: LinkEffect): void {
    this.direction(from, to).setEffect(effectName, effect);
  }

  /** Lifts an effect; lifting what is not there does nothing. */
  lift(from: string, to: string, effectName: string): void {
    this.direction(from, to).setEffect(effectName, undefined);
  }

  /** Lifts all effects from all links. */
  healAll(): void {
    for (const a of this.attachments) for (const d of a.directions.values()) d.clearEffects();
  }

  /** What a datagram would meet on the way at the moment. */
  impairments(from: string, to: string): Impairments {
    return this.direction(from, to).current;
  }

  /** A node sends. The bytes are copied if they travel. */
  transmit(from: string, remote: UnderlayAddress, bytes: Uint8Array): void {
    const source = this.at(from);
    const target = this.byAddress.get(remote.key);
    const direction = target === undefined ? undefined : source.directions.get(target.index);
    this.sent++;
    if (target === undefined || direction === undefined) {
      this.note(from, remote, bytes, 0, 'no-path');
      return;
    }
    const { model, shared } = direction;
    const now = this.queue.now as number as Instant;
    const passes = shared === undefined || shared.offer(bytes.length, now) > 0;
    const at = shared === undefined ? now : shared.arrivals[0];
    const copies = passes ? model.offer(bytes.length, at) : 0;
    const lostAt = passes ? model : shared;
    this.note(from, remote, bytes, copies, copies === 0 ? lostAt.dropReason : '');
    for (let i = 0; i < copies; i++)
      this.launch(target, source.source, direction.damage(bytes), model.arrivals[i]!);
    if (copies > 0 && direction.isReplayed()) {
      const at = this.queue.now + 1 + direction.random.below(REPLAY_DELAY_MAX);
      this.launch(target, source.source, bytes.slice(), at);
    }
  }

  /** Delivers bytes that no node sent, as from `remote`. */
  inject(to: string, remote: UnderlayAddress, bytes: Uint8Array): void {
    this.launch(this.at(to), remote, bytes.slice(), this.queue.now);
  }

  private launch(target: Attachment, source: UnderlayAddress, bytes: Uint8Array, at: number): void {
    this.queue.schedule(at, () => {
      this.delivered++;
      // What never reached its node is not old: whoever holds one back may play it as the peer's.
      if (target.receiver.arrive(bytes, source) && this.isOverheard) this.overhear(bytes);
    });
  }

  private overhear(bytes: Uint8Array): void {
    if (this.overheard.length < OVERHEARD_MAX) this.overheard.push(bytes);
    else this.overheard[this.delivered % OVERHEARD_MAX] = bytes;
  }

  private note(
    node: string,
    remote: UnderlayAddress,
    bytes: Uint8Array,
    copies: number,
    fate: string,
  ): void {
    const n = bytes.length;
    const mark =
      n < 4
        ? 0
        : (bytes[n - 4]! << 24) | (bytes[n - 3]! << 16) | (bytes[n - 2]! << 8) | bytes[n - 1]!;
    const at = this.queue.now;
    this.trace.record({
      at,
      node,
      kind: 'transmit',
      remote: remote.key,
      bytes: n,
      mark,
      copies,
      fate,
    });
  }

  private direction(from: string, to: string): Direction {
    const direction = this.at(from).directions.get(this.at(to).index);
    assert(direction !== undefined, `there is no link ${from}-${to}`);
    return direction;
  }

  private at(name: string): Attachment {
    const attachment = this.byName.get(name);
    assert(attachment !== undefined, `there is no node ${name}`);
    return attachment;
  }
}

const addressOf = (index: number, port: number): UnderlayAddress =>
  underlayAddress(`10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`, port);

class Direction {
  readonly model: PathModel;
  readonly shared: PathModel | undefined;
  readonly random: Random;
  private readonly base: Impairments;
  private readonly effects = new Map<string, LinkEffect>();
  private corrupt = 0;
  private truncate = 0;
  private replay = 0;
  current: Impairments;

  constructor(base: Impairments, random: Random, shared?: PathModel) {
    this.shared = shared;
    this.base = base;
    this.current = base;
    this.model = new PathModel({ random, impairments: base });
    this.random = random.split('damage');
  }

  setEffect(name: string, effect: LinkEffect | undefined): void {
    if (effect === undefined && !this.effects.has(name)) return;
    if (effect === undefined) this.effects.delete(name);
    else this.effects.set(name, effect);
    this.apply();
  }

  clearEffects(): void {
    if (this.effects.size === 0) return;
    this.effects.clear();
    this.apply();
  }

  isReplayed(): boolean {
    return this.replay > 0 && this.random.chance(this.replay);
  }

  /** A copy of the bytes as they will arrive. */
  damage(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice();
    if (this.corrupt > 0 && this.random.chance(this.corrupt))
      copy[this.random.below(copy.length)]! ^= 1 << this.random.below(8);
    if (this.truncate > 0 && this.random.chance(this.truncate))
      return copy.subarray(0, this.random.below(copy.length));
    return copy;
  }

  private apply(): void {
    let merged = this.base;
    this.corrupt = 0;
    this.truncate = 0;
    this.replay = 0;
    for (const effect of this.effects.values()) {
      merged = combine(merged, effect);
      this.corrupt = Math.max(this.corrupt, effect.corrupt ?? 0);
      this.truncate = Math.max(this.truncate, effect.truncate ?? 0);
      this.replay = Math.max(this.replay, effect.replay ?? 0);
    }
    this.current = merged;
    this.model.change(merged);
  }
}

/** Impairments one behind the other: delays add, losses compound, the tighter bound holds. */
function combine(base: Impairments, effect: LinkEffect): Impairments {
  return {
    delay: (base.delay + (effect.delay ?? 0)) as Duration,
    jitter: Math.max(base.jitter, effect.jitter ?? 0) as Duration,
    loss: 1 - (1 - base.loss) * (1 - (effect.loss ?? 0)),
    burst: Math.max(base.burst, effect.burst ?? 0),
    burstTime: effect.burstTime ?? base.burstTime,
    rate: tighter(base.rate, effect.rate),
    queueBytes: Math.min(base.queueBytes, effect.queueBytes ?? base.queueBytes),
    mtu: tighter(base.mtu, effect.mtu),
    reorder: Math.max(base.reorder, effect.reorder ?? 0),
    reorderDelay: effect.reorderDelay ?? base.reorderDelay,
    duplicate: Math.max(base.duplicate, effect.duplicate ?? 0),
    cut: base.cut || (effect.cut ?? false),
  };
}

/** Zero means unlimited. */
const tighter = (a: number, b: number | undefined): number =>
  b === undefined || b === 0 ? a : a === 0 ? b : Math.min(a, b);
