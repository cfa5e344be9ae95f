/**
 * One end-to-end session: a pair of keys shared with another end node, the indices both ends chose for
 * it, and which packets of each of the peer's flows have been seen. What a session seals:
 *
 *   receiver index (4) | ciphertext | tag (16)
 *   counter of `AeadBatch`: flow (2), zero (2), sequence (4); it is in the header of the data frame, not on the wire
 *
 * (flow, sequence) never comes twice from a node in one epoch, and a key serves one direction between two nodes in
 * one epoch each: so no nonce is used twice under a key, and a packet said to be from another source, to another
 * destination or of another epoch finds no key that opens it.
 */
import type { AeadBatch, AeadKey, Crypto, Instant, NodeAddress } from '../kernel/index.ts';
import { AEAD_TAG_BYTES, createAeadBatch, readU32, writeU32 } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import { ReplayWindow } from '../security/index.ts';

export const REPLAY_FLOWS_MAX = 256;
/** Of one flow: what a link must not lose may come late by all that is on the way of several links. */
const REPLAY_WINDOW_PACKETS = 8_192;

export interface Session {
  readonly peer: NodeAddress;
  /** What the peer's certificate said when the session was made. */
  readonly member: Member;
  readonly peerEpoch: number;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly send: AeadKey;
  readonly receive: AeadKey;
  readonly madeAt: Instant;
  readonly replay: ReplayFlows;
  /** When a newer one took its place for sending. */
  supersededAt: Instant | undefined;
  sealed: number;
  lastUsed: Instant;
}

/**
 * Replay windows by flow label, bounded. The least recently used flow loses its window but not its
 * greatest number: everything up to it stays refused.
 */
export class ReplayFlows {
  private readonly windows = new Map<number, ReplayWindow>();
  private readonly floors = new Map<number, number>();
  private readonly flowsMax: number;
  evictions = 0;

  constructor(flowsMax: number = REPLAY_FLOWS_MAX) {
    this.flowsMax = flowsMax;
  }

  check(flow: number, sequence: number): boolean {
    const window = this.windows.get(flow);
    if (window !== undefined && !window.check(sequence)) return false;
    return this.floors.size === 0 || sequence > (this.floors.get(flow) ?? -1);
  }

  /** After the tag has verified. */
  accept(flow: number, sequence: number): void {
    let window = this.windows.get(flow);
    if (window === undefined) {
      if (this.windows.size >= this.flowsMax) this.evict();
      window = new ReplayWindow(REPLAY_WINDOW_PACKETS);
      this.windows.set(flow, window);
    } else if (this.windows.size > this.flowsMax / 2) {
      // Order of use matters only where somebody may have to go.
      this.windows.delete(flow);
      this.windows.set(flow, window);
    }
    window.accept(sequence);
  }

  private evict(): void {
    for (const [flow, window] of this.windows) {
      this.evictions++;
      this.floors.set(flow, Math.max(window.greatest, this.floors.get(flow) ?? -1));
      this.windows.delete(flow);
      return;
    }
  }
}

/** Seals and opens single payloads through the batch interface, without allocating. */
export class PayloadSealer {
  private readonly crypto: Crypto;
  private readonly batch: AeadBatch = createAeadBatch(1);

  constructor(crypto: Crypto) {
    this.crypto = crypto;
    this.batch.count = 1;
  }

  /** Seals [textAt, +length) in place; the eight bytes in front of it are written over. */
  seal(
    key: AeadKey,
    slab: Uint8Array,
    text: { readonly at: number; readonly length: number },
    name: PacketName,
  ): void {
    this.fill(key, slab, text, name);
    this.crypto.sealBatch(this.batch);
  }

  /** Opens in place; `length` without the tag. The bytes in front are as they were afterwards. */
  open(
    key: AeadKey,
    slab: Uint8Array,
    text: { readonly at: number; readonly length: number },
    name: PacketName,
  ): boolean {
    const before0 = readU32(slab, text.at - 8);
    const before1 = readU32(slab, text.at - 4);
    this.fill(key, slab, text, name);
    this.crypto.openBatch(this.batch);
    writeU32(slab, text.at - 8, before0);
    writeU32(slab, text.at - 4, before1);
    return this.batch.results[0] === 1;
  }

  private fill(
    key: AeadKey,
    slab: Uint8Array,
    text: { readonly at: number; readonly length: number },
    name: PacketName,
  ): void {
    const { batch } = this;
    batch.keys[0] = key;
    batch.slabs[0] = slab;
    batch.offsets[0] = text.at;
    batch.lengths[0] = text.length;
    writeU32(slab, text.at - 8, name.flow << 16);
    writeU32(slab, text.at - 4, name.sequence);
  }
}

/** A packet's among those of its source in one epoch. */
interface PacketName {
  readonly flow: number;
  readonly sequence: number;
}

/** Bytes a sealed payload has on top of its plaintext. */
export const SESSION_OVERHEAD_BYTES: number = 4 + AEAD_TAG_BYTES;
