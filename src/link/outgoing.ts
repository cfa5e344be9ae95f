/**
 * Packets on their way out, gathered in one slab and sealed in one call. The packet path claims room
 * here and writes its frames in place; nothing is allocated per packet.
 *
 * A control frame joins the packet before it where that one is the last in the slab, goes to the
 * same session and carries no data, which saves 60 bytes of headers and tag each time.
 */
import type { AeadBatch, Crypto, UnderlayAddress } from '../kernel/index.ts';
import { AEAD_TAG_BYTES, assert, createAeadBatch, DatagramBatch } from '../kernel/index.ts';
import {
  DROP_NEVER,
  headOfSealed,
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD_BYTES,
  writeSealedHeader,
} from '../wire/index.ts';
import type { Session } from './session.ts';

export interface OutgoingOptions {
  readonly crypto: Crypto;
  readonly packets: number;
  readonly datagramBytesMax: number;
  /** All frames are written, none is sealed. Must not claim packets. */
  readonly beforeSealing?: () => void;
  readonly transmit: (batch: DatagramBatch) => void;
}

export class Outgoing {
  private readonly crypto: Crypto;
  private readonly transmit: (batch: DatagramBatch) => void;
  private readonly beforeSealing: (() => void) | undefined;
  private readonly batch: DatagramBatch;
  private readonly sealing: AeadBatch;
  private readonly copies: { from: number; to: number; bytes: number }[] = [];
  /** Session of the last packet while more control frames may join it. */
  private joinable: Session | undefined;

  constructor(options: OutgoingOptions) {
    this.crypto = options.crypto;
    this.transmit = options.transmit;
    this.beforeSealing = options.beforeSealing;
    this.batch = new DatagramBatch({
      capacity: options.packets,
      slabBytes: options.packets * options.datagramBytesMax,
    });
    this.sealing = createAeadBatch(options.packets);
  }

  get slab(): Uint8Array {
    return this.batch.slab;
  }

  /** Claims a packet with room for `frameBytes` and returns where they go. Without a precedence it holds control. */
  packet(
    session: Session,
    frameBytes: number,
    to: Destination,
    dropPrecedence: number = DROP_NEVER,
  ): number {
    this.joinable = undefined;
    const size = SEALED_OVERHEAD_BYTES + frameBytes;
    if (!this.batch.hasRoom(size)) this.flush();
    const at = this.batch.reserve(size, to.remote, to.local);
    const counter = session.nextCounter++;
    const frames = at + SEALED_HEADER_BYTES;
    writeSealedHeader(this.batch.slab, at, session.remoteIndex, counter, dropPrecedence);
    const sealing = this.sealing;
    const i = sealing.count++;
    sealing.keys[i] = session.send;
    sealing.slabs[i] = this.batch.slab;
    sealing.heads[i] = headOfSealed(dropPrecedence);
    sealing.offsets[i] = frames;
    sealing.lengths[i] = frameBytes;
    return frames;
  }

  /**
   * Claims room for control frames, in the last packet where they may join it. `datagramBytesMax`
   * bounds the packet they end up in.
   */
  controlFrames(
    session: Session,
    frameBytes: number,
    to: Destination,
    datagramBytesMax: number,
  ): number {
    const { batch, sealing } = this;
    if (this.joinable === session) {
      const last = batch.count - 1;
      const size = batch.lengths[last]! + frameBytes;
      if (size <= datagramBytesMax && batch.offsets[last]! + size <= batch.slab.length) {
        const at = batch.used - AEAD_TAG_BYTES;
        batch.lengths[last] = size;
        batch.used += frameBytes;
        const i = sealing.count - 1;
        sealing.lengths[i] = sealing.lengths[i]! + frameBytes;
        return at;
      }
    }
    const at = this.packet(session, frameBytes, to);
    this.joinable = session;
    return at;
  }

  /** A datagram that is not sealed: handshakes. */
  plain(bytes: Uint8Array, to: Destination): void {
    this.joinable = undefined;
    if (!this.batch.hasRoom(bytes.length)) this.flush();
    this.batch.push(bytes, to.remote, to.local);
  }

  /** Room for two packets of up to so many frame bytes: neither is sealed before both are written. */
  makeRoomForTwo(frameBytes: number): void {
    const size = SEALED_OVERHEAD_BYTES + frameBytes;
    const { batch } = this;
    const hasCount = batch.count + 2 <= batch.capacity;
    if (!hasCount || !batch.hasRoom(2 * size)) this.flush();
  }

  /** What is written at `from` by the time of sealing is copied to `to`, in another packet. */
  copyBeforeSealing(from: number, to: number, bytes: number): void {
    this.copies.push({ from, to, bytes });
  }

  flush(): void {
    this.joinable = undefined;
    if (this.batch.count === 0) return;
    if (this.sealing.count > 0) {
      this.beforeSealing?.();
      for (const { from, to, bytes } of this.copies)
        this.batch.slab.copyWithin(to, from, from + bytes);
      this.copies.length = 0;
      this.crypto.sealBatch(this.sealing);
      assert(this.sealing.results[this.sealing.count - 1] === 1, 'sealing a packet failed');
      this.sealing.count = 0;
    }
    this.transmit(this.batch);
    this.batch.clear();
  }
}

export interface Destination {
  readonly remote: UnderlayAddress;
  readonly local: number;
}

/**
 * Whether a session has sealed what one key should: 2^29 packets, which at 1400 bytes stays below
 * 2^40 bytes, well inside the bounds of both AEADs (RFC 9001, appendix B).
 */
export const isWornOut = (session: Session): boolean => session.nextCounter >= 2 ** 29;
