/**
 * Opens links to the configured neighbours: one slot each, its addresses tried in turn, waits that
 * double from 0.25 to 5 s with jitter. A slot whose link is up rests; when the link goes it dials
 * at once. Who answers at an address is not known before the handshake, so a slot learns its
 * neighbour's overlay address from the first link.
 */
import type { Instant, NodeAddress, Random, UnderlayAddress } from '../kernel/index.ts';
import { soonest } from '../kernel/index.ts';
import type { Attempt } from './handshakes.ts';
import type { LinkTimers } from './options.ts';

/** A neighbour to open a link to. `remotes` are tried in turn until one answers. */
export interface NeighbourSpec {
  /** The member expected there; a link to any other member is refused. */
  readonly name?: string;
  readonly remotes: readonly UnderlayAddress[];
  /** Which local socket to use; default 0. */
  readonly local?: number;
  /** Pairs of addresses to keep open all at once, in place of `remotes` and `local`. */
  readonly paths?: readonly PathSpec[];
  /** Packets with a deadline go over two paths at once. */
  readonly isSentTwice?: boolean;
}

export interface PathSpec {
  readonly remote: UnderlayAddress;
  readonly local: number;
}

export interface Slot {
  readonly key: string;
  readonly spec: NeighbourSpec;
  /** For one of several paths, each of which has a slot. */
  readonly isOneOfSeveral: boolean;
  /** Once known: the neighbour that answered last. */
  address: NodeAddress | undefined;
  /** Why it is not up. */
  reason: string | undefined;
  since: Instant;
  /** When to try next; far off while the link is up. */
  dialAt: Instant;
  wait: number;
  /** Place in `remotes` of the attempt under way. */
  place: number;
  /** Handshake index of the attempt under way. */
  attempt: number | undefined;
}

const REST = Number.MAX_SAFE_INTEGER as Instant;
/** Sendings to one address before the next one is tried. */
const FIRST_SPREAD = 20_000;

export class Dialer {
  private readonly timers: LinkTimers;
  private readonly random: Random;
  private slotsByKey = new Map<string, Slot>();

  constructor(options: { timers: LinkTimers; random: Random }) {
    this.timers = options.timers;
    this.random = options.random;
  }

  get slots(): Iterable<Slot> {
    return this.slotsByKey.values();
  }

  /** Replaces the configuration. Slots whose settings stay the same stay as they are. */
  configure(specs: readonly NeighbourSpec[], now: Instant): { removed: Slot[] } {
    const former = this.slotsByKey;
    this.slotsByKey = new Map();
    for (const spec of specs.flatMap(pathSpecs)) {
      if (spec.remotes.length === 0) continue;
      const key = slotKey(spec);
      this.slotsByKey.set(key, former.get(key) ?? this.freshSlot(key, spec, now));
    }
    return { removed: [...former.values()].filter((slot) => !this.slotsByKey.has(slot.key)) };
  }

  /** The slot that a link to this member fills, if any. */
  slotFor(peer: {
    name: string;
    address: NodeAddress;
    remote: UnderlayAddress;
    local?: number;
  }): Slot | undefined {
    let found: Slot | undefined;
    for (const slot of this.slotsByKey.values()) {
      const { name, local, remotes } = slot.spec;
      if (slot.isOneOfSeveral) {
        const isHere = peer.local === undefined || peer.local === (local ?? 0);
        const isThere = remotes.some((remote) => remote.key === peer.remote.key);
        if (isHere && isThere && (name === undefined || name === peer.name)) return slot;
        continue;
      }
      if (name !== undefined) {
        if (name === peer.name) return slot;
        continue;
      }
      if (slot.address === peer.address) return slot;
      if (remotes.some((remote) => remote.key === peer.remote.key)) found = slot;
    }
    return found;
  }

  /** Whether a member of this name may be expected, whatever it comes from. */
  isNamed(name: string): boolean {
    for (const { spec } of this.slotsByKey.values()) if (spec.name === name) return true;
    return false;
  }

  /** What is configured of a neighbour. */
  isSentTwice(neighbour: NodeAddress): boolean {
    for (const { address, spec } of this.slotsByKey.values())
      if (address === neighbour && spec.isSentTwice === true) return true;
    return false;
  }

  due(slot: Slot, now: Instant): boolean {
    return slot.dialAt <= now;
  }

  /** Where the next sending goes. State: the wait grows, the next address is next. */
  take(slot: Slot, now: Instant): Attempt {
    const remote = slot.spec.remotes[slot.place % slot.spec.remotes.length]!;
    slot.dialAt = (now + this.jittered(slot.wait)) as Instant;
    slot.wait = Math.min(this.timers.dialAgainMax, slot.wait * 2);
    return { remote, local: slot.spec.local ?? 0 };
  }

  /** The address tried does not answer. */
  nextPlace(slot: Slot): void {
    slot.place = (slot.place + 1) % slot.spec.remotes.length;
    slot.attempt = undefined;
  }

  rest(slot: Slot, address: NodeAddress): void {
    slot.address = address;
    slot.dialAt = REST;
    slot.wait = this.timers.dialAgainMin;
    slot.attempt = undefined;
    slot.reason = undefined;
  }

  /** The link is gone: try at once, spread a little so that many do not come together. */
  wake(slot: Slot, reason: string, now: Instant): void {
    slot.reason = reason;
    slot.since = now;
    slot.wait = this.timers.dialAgainMin;
    slot.attempt = undefined;
    slot.dialAt = (now + 1 + this.random.below(FIRST_SPREAD)) as Instant;
  }

  /** Somebody answered, and it will not do: trying again soon would change nothing. */
  refused(slot: Slot, reason: string, now: Instant): void {
    slot.reason = reason;
    this.nextPlace(slot);
    const others = slot.spec.remotes.length > 1 && slot.place !== 0;
    slot.wait = others ? this.timers.dialAgainMin : this.timers.dialAgainMax;
    slot.dialAt = (now + this.jittered(slot.wait)) as Instant;
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const slot of this.slotsByKey.values())
      if (slot.dialAt !== REST) next = soonest(next, slot.dialAt);
    return next;
  }

  private freshSlot(key: string, spec: NeighbourSpec, now: Instant): Slot {
    return {
      key,
      spec,
      isOneOfSeveral: (spec.paths?.length ?? 0) > 1,
      address: undefined,
      reason: undefined,
      since: now,
      dialAt: (now + 1 + this.random.below(FIRST_SPREAD)) as Instant,
      wait: this.timers.dialAgainMin,
      place: 0,
      attempt: undefined,
    };
  }

  private jittered(wait: number): number {
    return Math.max(1, Math.round(wait * (0.75 + 0.5 * this.random.fraction())));
  }
}

/** One for each path; `paths` stays in each, so that a slot knows it is one of several. */
function pathSpecs(spec: NeighbourSpec): NeighbourSpec[] {
  if (spec.paths === undefined || spec.paths.length < 2) return [spec];
  return spec.paths.map(({ remote, local }) => ({ ...spec, remotes: [remote], local }));
}

const slotKey = (spec: NeighbourSpec): string =>
  `${spec.name ?? ''} ${spec.local ?? 0} ${spec.remotes.map((remote) => remote.key).join(' ')}`;
