/**
 * Memory for one `recvmmsg`: slots of a maximal UDP payload each, so that the kernel may hand over a
 * whole run of datagrams in one (generic receive offload), and the records that describe them.
 *
 *    struct mmsghdr, 64 bytes             struct cmsghdr for UDP_GRO, 24 bytes
 *     0  name        8  name length        0  length (20)
 *    16  iovec      24  iovecs             8  level (SOL_UDP)   12  type (UDP_GRO)
 *    32  control    40  control length    16  size of the segments, int
 *    48  flags      56  bytes received
 *
 * The payloads are not copied: the batch's slab is the memory that the kernel wrote. A run from one
 * remote is one entry of the kernel and becomes as many datagrams as it has segments.
 */
import { assert, DatagramBatch, type UnderlayAddress } from '../../kernel/index.ts';
import { type Native, NativeMemory } from './native.ts';
import { SOCKET_ADDRESS_BYTES } from './socket-address.ts';
import { MSG_TRUNC, SOL_UDP, UDP_GRO } from './system-calls.ts';

export const MESSAGE_BYTES = 64;
export const IOVEC_BYTES = 16;
export const CONTROL_BYTES = 32;
const PAYLOAD_BYTES = 65_536;
/** Slots at multiples of a power of two would all fall on the same lines of the cache. */
const STRIDE = PAYLOAD_BYTES + 1_088;
/** Segments of one run: `UDP_GRO_CNT_MAX` of Linux. */
const SEGMENTS_MAX = 64;

export interface ReceiveSink {
  /** A datagram larger than any that is taken. */
  oversize(): void;
  /** The kernel named no address of a family that is known. */
  nameless(): void;
  /** Who sent it: `length` bytes of socket address at `at`. */
  remote(names: NativeMemory, at: number, length: number): UnderlayAddress | undefined;
  /** The batch is full before all was read from the slots; it must be empty after this. */
  full(batch: DatagramBatch): void;
}

export class ReceiveSlots {
  readonly count: number;
  readonly batch: DatagramBatch;
  private readonly messages: NativeMemory;
  private readonly names: NativeMemory;
  private readonly controls: NativeMemory;
  private readonly vectors: NativeMemory;

  constructor(from: Native, count: number) {
    this.count = count;
    const slab = new Uint8Array(new ArrayBuffer(count * STRIDE));
    this.batch = new DatagramBatch({ capacity: count * SEGMENTS_MAX, slab });
    this.messages = new NativeMemory(from, count * MESSAGE_BYTES);
    this.names = new NativeMemory(from, count * SOCKET_ADDRESS_BYTES);
    this.controls = new NativeMemory(from, count * CONTROL_BYTES);
    this.vectors = new NativeMemory(from, count * IOVEC_BYTES);
    const slabAddress = from.addressOf(slab.buffer);
    for (let i = 0; i < count; i++) {
      const message = i * MESSAGE_BYTES;
      this.vectors.writeWord64(i * IOVEC_BYTES, slabAddress + i * STRIDE);
      this.vectors.writeWord64(i * IOVEC_BYTES + 8, PAYLOAD_BYTES);
      this.messages.writeWord64(message, this.names.address + i * SOCKET_ADDRESS_BYTES);
      this.messages.writeWord64(message + 16, this.vectors.address + i * IOVEC_BYTES);
      this.messages.writeWord64(message + 24, 1);
      this.messages.writeWord64(message + 32, this.controls.address + i * CONTROL_BYTES);
    }
  }

  get address(): number {
    return this.messages.address;
  }

  /** Writes again what the kernel changes in the records; before each `recvmmsg`. */
  prepare(): void {
    const { words } = this.messages;
    for (let i = 0; i < this.count; i++) {
      const word = (i * MESSAGE_BYTES) >>> 2;
      words[word + 2] = SOCKET_ADDRESS_BYTES;
      words[word + 10] = CONTROL_BYTES;
      words[word + 12] = 0;
    }
  }

  /** Enters what `recvmmsg` put into the first `filled` slots into the batch; returns the bytes. */
  gather(filled: number, local: number, datagramBytesMax: number, sink: ReceiveSink): number {
    assert(filled <= this.count, 'the kernel filled more slots than there are');
    const { words } = this.messages;
    let total = 0;
    for (let i = 0; i < filled; i++) {
      const word = (i * MESSAGE_BYTES) >>> 2;
      const bytes = words[word + 14]!;
      assert(bytes <= PAYLOAD_BYTES, 'the kernel wrote past a slot');
      total += bytes;
      const remote = sink.remote(this.names, i * SOCKET_ADDRESS_BYTES, words[word + 2]!);
      if (remote === undefined) sink.nameless();
      else if ((words[word + 12]! & MSG_TRUNC) !== 0) sink.oversize();
      else this.enter(i, bytes, remote, local, datagramBytesMax, sink);
    }
    return total;
  }

  private enter(
    slot: number,
    bytes: number,
    remote: UnderlayAddress,
    local: number,
    datagramBytesMax: number,
    sink: ReceiveSink,
  ): void {
    const { batch } = this;
    const start = slot * STRIDE;
    const end = start + bytes;
    const segment = this.segmentBytes(slot) || bytes;
    let at = start;
    do {
      const length = Math.min(segment, end - at);
      if (length > datagramBytesMax) sink.oversize();
      else {
        if (batch.count === batch.capacity) sink.full(batch);
        batch.record(at, length, remote, local);
      }
      at += segment;
    } while (at < end);
  }

  /** The size of the segments where this is a run of them; 0 where it is one datagram. */
  private segmentBytes(slot: number): number {
    const length = this.messages.words[((slot * MESSAGE_BYTES) >>> 2) + 10]!;
    if (length < 20) return 0;
    const word = (slot * CONTROL_BYTES) >>> 2;
    const { words } = this.controls;
    return words[word + 2] === SOL_UDP && words[word + 3] === UDP_GRO ? words[word + 4]! : 0;
  }
}
