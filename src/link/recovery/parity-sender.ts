/**
 * Parities for packets that could not be asked for in time: gathers data frames into blocks and sends
 * Reed-Solomon parities of each, so spread that the last leaves while the block's first frame is of use.
 *
 * A block closes when half of the time W that its packets have is over, or at 16 frames. It gets
 *
 *     r = 2 k p + b / i, rounded up, at least 1, at most k and 8
 *
 * parities for k frames: p the link's loss, twice over for its chance, b the memory of the losses and i the
 * frames' interval, a burst that falls into the block. A flow so slow that W holds one packet has it
 * sent twice.
 */
import type { Duration, Instant } from '../../kernel/index.ts';
import type { ParityHead } from '../../wire/index.ts';
import { isParityStep, PARITIES_MAX, PARITY_FRAMES_MAX } from '../../wire/index.ts';
import { addToParity } from './erasure-code.ts';
import type { LossFigures } from './schedule.ts';

const SPACING_MIN: Duration = 1_000 as Duration;
/** Parities that wait for their time. */
const WAITING_MAX = 64;
const NEVER = Number.POSITIVE_INFINITY;

export interface ParitySenderOptions {
  readonly loss: () => Pick<LossFigures, 'out' | 'burst'>;
  readonly send: (head: ParityHead, parity: Uint8Array, now: Instant) => void;
}

interface Block {
  readonly session: number;
  readonly counters: number[];
  readonly frames: Uint8Array[];
  readonly firstAt: number;
  lastAt: number;
  /** The last parity must leave by then. */
  endsAt: number;
  closesAt: number;
}

interface Waiting {
  readonly block: Block;
  readonly index: number;
  readonly parity: Uint8Array;
  readonly at: number;
}

export class ParitySender {
  private readonly options: ParitySenderOptions;
  private block: Block | undefined;
  private readonly waiting: Waiting[] = [];
  overflows = 0;

  constructor(options: ParitySenderOptions) {
    this.options = options;
  }

  /** A frame leaves that parities are to cover; it is of use for `wanted` from now. */
  add(
    packet: { session: number; counter: number; frame: Uint8Array; wanted: Duration },
    now: Instant,
  ): void {
    const { session, counter, frame, wanted } = packet;
    let { block } = this;
    const isFit =
      block?.session === session &&
      isParityStep(block.counters.at(-1)!, counter) &&
      now < block.closesAt;
    if (block !== undefined && !isFit) this.close(now);
    block = this.block ??= {
      session,
      counters: [],
      frames: [],
      firstAt: now,
      lastAt: now,
      endsAt: NEVER,
      closesAt: NEVER,
    };
    block.counters.push(counter);
    block.frames.push(frame.slice());
    block.lastAt = now;
    block.endsAt = Math.min(block.endsAt, now + wanted);
    block.closesAt = Math.min(block.closesAt, Math.floor((block.firstAt + block.endsAt) / 2));
    if (block.frames.length === PARITY_FRAMES_MAX) this.close(now);
  }

  timeout(now: Instant): void {
    if (this.block !== undefined && this.block.closesAt <= now) this.close(now);
    const { waiting } = this;
    let kept = 0;
    for (const parity of waiting)
      if (parity.at > now) waiting[kept++] = parity;
      else this.send(parity, now);
    waiting.length = kept;
  }

  nextTimeout(): number {
    let next = this.block?.closesAt ?? NEVER;
    for (const { at } of this.waiting) if (at < next) next = at;
    return next;
  }

  private close(now: Instant): void {
    const block = this.block!;
    this.block = undefined;
    const count = this.parities(block);
    const longest = Math.max(...block.frames.map((frame) => frame.length));
    const spacing = Math.max(SPACING_MIN, Math.floor((block.endsAt - now) / count));
    for (let index = 0; index < count; index++) {
      if (this.waiting.length === WAITING_MAX) {
        this.overflows++;
        return;
      }
      const parity = new Uint8Array(2 + longest);
      block.frames.forEach((frame, shard) => {
        addToParity(parity, { parity: index, shard }, frame);
      });
      this.waiting.push({ block, index, parity, at: now + index * spacing });
    }
  }

  private parities({ frames, firstAt, lastAt }: Block): number {
    const { out, burst } = this.options.loss();
    const k = frames.length;
    const interval = k === 1 ? Number.POSITIVE_INFINITY : Math.max(1, (lastAt - firstAt) / (k - 1));
    const wanted = Math.ceil(2 * k * out + burst / interval);
    return Math.max(1, Math.min(wanted, k, PARITIES_MAX));
  }

  private send({ block, index, parity }: Waiting, now: Instant): void {
    const head: ParityHead = {
      session: block.session,
      index,
      counters: block.counters,
      sinceFirst: (now - block.firstAt) as Duration,
      sinceLast: (now - block.lastAt) as Duration,
    };
    this.options.send(head, parity, now);
  }
}
