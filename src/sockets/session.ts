/**
 * One end-to-end session: a pair of keys shared with another end node, the indices both ends chose for
 * it, and which packets of each of the peer's flows have been seen. What a session seals:
 *
 *   receiver index (4) | ciphertext | tag (16)
 *   nonce  source epoch (4), flow (2), zero (2), sequence (4)
 *   AAD    source address (4), destination address (4), source epoch (4): bytes 4..15 of the data frame,
 *          which no forwarding node changes
 *
 * (epoch, flow, sequence) never comes twice from a node and keys are never shared between sessions, so
 * no nonce is used twice under a key.
 */
import type { AeadBatch, AeadKey, Crypto, Instant, NodeAddress } from '../kernel/index.ts';
import { AEAD_TAG_BYTES, createAeadBatch, writeU16, writeU32 } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import { ReplayWindow } from '../security/index.ts';
import type { DataHeader } from '../wire/index.ts';

export const REPLAY_FLOWS_MAX = 256;
/** Of one flow: what a link must not lose may come late by all that is on the way of several links. */
const REPLAY_WINDOW_PACKETS = 8_192;
/** Source address, destination address, epoch. */
export const SESSION_AAD_BYTES = 12;

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
  }

  /** Seals [textAt, textAt+length) in place; the additional data stands at `aadAt`. */
  seal(
    key: AeadKey,
    slab: Uint8Array,
    place: { aadAt: number; textAt: number; length: number },
    name: { epoch: number; flow: number; sequence: number },
  ): void {
    this.fill(key, slab, place, name);
    this.crypto.sealBatch(this.batch);
  }

  /** Opens in place; `length` without the tag. */
  open(
    key: AeadKey,
    slab: Uint8Array,
    place: { aadAt: number; textAt: number; length: number },
    name: { epoch: number; flow: number; sequence: number },
  ): boolean {
    this.fill(key, slab, place, name);
    this.crypto.openBatch(this.batch);
    return this.batch.results[0] === 1;
  }

  private fill(
    key: AeadKey,
    slab: Uint8Array,
    place: { aadAt: number; textAt: number; length: number },
    name: { epoch: number; flow: number; sequence: number },
  ): void {
    const { batch } = this;
    batch.count = 1;
    batch.keys[0] = key;
    batch.slabs[0] = slab;
    batch.aadOffsets[0] = place.aadAt;
    batch.aadLengths[0] = SESSION_AAD_BYTES;
    batch.offsets[0] = place.textAt;
    batch.lengths[0] = place.length;
    writeU32(batch.nonces, 0, name.epoch);
    writeU16(batch.nonces, 4, name.flow);
    writeU16(batch.nonces, 6, 0);
    writeU32(batch.nonces, 8, name.sequence);
  }
}

export function writeSessionAad(
  bytes: Uint8Array,
  at: number,
  header: Pick<DataHeader, 'source' | 'destination' | 'epoch'>,
): void {
  writeU32(bytes, at, header.source);
  writeU32(bytes, at + 4, header.destination);
  writeU32(bytes, at + 8, header.epoch);
}

/** Bytes a sealed payload has on top of its plaintext. */
export const SESSION_OVERHEAD_BYTES: number = 4 + AEAD_TAG_BYTES;
