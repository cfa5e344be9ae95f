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
}

export interface Slot {
  readonly key: string;
  readonly spec: NeighbourSpec;
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
    for (const spec of specs) {
      if (spec.remotes.length === 0) continue;
      const key = slotKey(spec);
      this.slotsByKey.set(key, former.get(key) ?? this.freshSlot(key, spec, now));
    }
    return { removed: [...former.values()].filter((slot) => !this.slotsByKey.has(slot.key)) };
  }

  /** The slot that a link to this member fills, if any. */
  slotFor(peer: { name: string; address: NodeAddress; remote: UnderlayAddress }): Slot | undefined {
    let found: Slot | undefined;
    for (const slot of this.slotsByKey.values()) {
      if (slot.spec.name !== undefined) {
        if (slot.spec.name === peer.name) return slot;
        continue;
      }
      if (slot.address === peer.address) return slot;
      if (slot.spec.remotes.some((remote) => remote.key === peer.remote.key)) found = slot;
    }
    return found;
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

const slotKey = (spec: NeighbourSpec): string =>
  `${spec.name ?? ''} ${spec.local ?? 0} ${spec.remotes.map((remote) => remote.key).join(' ')}`;
