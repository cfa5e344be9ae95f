/**
 * Gives back from parities what was lost of the frames they cover. Frames that came are kept for a moment,
 * but only while the neighbour sends parities: its first block is not protected.
 */
import type { Duration, Instant } from '../../kernel/index.ts';
import type { ParityHead } from '../../wire/index.ts';
import { addToParity, frameOfShard, solve } from './erasure-code.ts';
import { History } from './history.ts';

/** Frames are kept this long after the last parity came. */
const ACTIVE: Duration = 10_000_000 as Duration;
const KEPT: Duration = 500_000 as Duration;
const FRAMES_MAX = 1024;
const BYTES_MAX = 1_048_576;
const BLOCKS_MAX = 32;

interface Block {
  readonly session: number;
  readonly first: number;
  readonly parities: { readonly index: number; readonly bytes: Uint8Array }[];
  isDone: boolean;
}

export interface Regained {
  readonly counter: number;
  readonly frame: Uint8Array;
  /** How long ago it was sent first. */
  readonly held: Duration;
}

export class ParityReceiver {
  private readonly came = new History({ packetsMax: FRAMES_MAX, bytesMax: BYTES_MAX });
  private readonly blocks: Block[] = [];
  private parityAt = Number.NEGATIVE_INFINITY;

  /** Whether frames that come are worth keeping. */
  isActive(now: Instant): boolean {
    return now - this.parityAt < ACTIVE;
  }

  /** A data frame at [at, at + length) came. */
  keep(
    packet: { session: number; counter: number; bytes: Uint8Array; at: number; length: number },
    now: Instant,
  ): void {
    if (this.came.isAfter(packet.session, packet.counter))
      this.came.keep({ ...packet, until: (now + KEPT) as Instant, protocol: 0 }, now);
  }

  /** A parity came. Returns the frames that it brings back, if it is the last that was needed. */
  parity(head: ParityHead, parity: Uint8Array, now: Instant): Regained[] {
    const wasActive = this.isActive(now);
    this.parityAt = now;
    const missing: number[] = [];
    head.counters.forEach((counter, shard) => {
      if (this.came.find(head.session, counter) < 0) missing.push(shard);
    });
    if (!wasActive || missing.length === 0) return [];
    const block = this.blockOf(head);
    if (block.isDone) return [];
    const isSame = block.parities.every(({ bytes }) => bytes.length === parity.length);
    if (!isSame || block.parities.some(({ index }) => index === head.index)) return [];
    block.parities.push({ index: head.index, bytes: parity.slice() });
    if (block.parities.length < missing.length) return [];
    block.isDone = true;
    return this.regain(head, block, missing);
  }

  private regain(head: ParityHead, block: Block, missing: readonly number[]): Regained[] {
    const used = block.parities.slice(0, missing.length);
    for (let shard = 0; shard < head.counters.length; shard++) {
      if (missing.includes(shard)) continue;
      const frame = this.came.frame(this.came.find(head.session, head.counters[shard]!));
      // Longer than the parity: it does not cover this frame, whatever its head says.
      if (frame.length + 2 > used[0]!.bytes.length) return [];
      for (const { index, bytes } of used) addToParity(bytes, { parity: index, shard }, frame);
    }
    const regained: Regained[] = [];
    const shards = solve(missing, used);
    missing.forEach((shard, n) => {
      const frame = frameOfShard(shards[n]!);
      if (frame === undefined) return;
      const { counters, sinceFirst, sinceLast } = head;
      const place = counters.length === 1 ? 0 : shard / (counters.length - 1);
      const held = Math.round(sinceFirst + (sinceLast - sinceFirst) * place) as Duration;
      regained.push({ counter: counters[shard]!, frame, held });
    });
    return regained;
  }

  private blockOf({ session, counters }: ParityHead): Block {
    const first = counters[0]!;
    const known = this.blocks.find((block) => block.session === session && block.first === first);
    if (known !== undefined) return known;
    const made: Block = { session, first, parities: [], isDone: false };
    this.blocks.push(made);
    if (this.blocks.length > BLOCKS_MAX) this.blocks.shift();
    return made;
  }
}
