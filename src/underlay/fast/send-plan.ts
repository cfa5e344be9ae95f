/**
 * Turns a batch into as few messages for `sendmmsg` as possible, without copying a payload.
 *
 * Datagrams of one destination are put behind each other, in their order, however they are mixed in
 * the batch; nothing is promised about order between destinations. Equal sizes in a row, the last of
 * them shorter perhaps, leave as one message that the kernel or the network card cuts up
 * (generic segmentation offload, UDP_SEGMENT): at most 64 of them and 65,000 bytes. What is urgent
 * leaves in messages of its own, by which its receiver tells it from the rest (`urgent-socket.ts`). Neighbours
 * in the slab share an input vector.
 *
 * The work is two passes over typed arrays; a destination is a (local socket, remote) pair, found by
 * comparing with the last and then in a small map.
 */
import { assert, type DatagramBatch, type UnderlayAddress } from '../../kernel/index.ts';
import { isUrgentPacket } from '../../wire/index.ts';
import { type Native, NativeMemory } from './native.ts';
import { CONTROL_BYTES, IOVEC_BYTES, MESSAGE_BYTES } from './receive-slots.ts';
import { SOL_UDP, UDP_SEGMENT } from './system-calls.ts';

const SEGMENTS_MAX = 64;
const RUN_BYTES_MAX = 65_000;
/** `UIO_MAXIOV` of Linux bounds the messages of one call. */
export const MESSAGES_MAX = 1_024;
const NONE = 0xffff_ffff;

export class SendPlan {
  /** Messages in `struct mmsghdr` form, `count` of them. */
  count = 0;
  /** First datagram of message m; the others follow along `next`. */
  readonly firsts: Uint32Array = new Uint32Array(MESSAGES_MAX);
  readonly segments: Uint16Array = new Uint16Array(MESSAGES_MAX);
  readonly bytes: Uint32Array = new Uint32Array(MESSAGES_MAX);
  /** The datagram of the same destination behind each; NONE where it is the last. */
  private next: Uint32Array = new Uint32Array(MESSAGES_MAX);
  private readonly messages: NativeMemory;
  private readonly controls: NativeMemory;
  private readonly vectors: NativeMemory;
  private vectorsUsed = 0;
  private readonly heads: number[] = [];
  private readonly tails: number[] = [];
  private readonly queues = new Map<UnderlayAddress, number>();

  constructor(from: Native) {
    this.messages = new NativeMemory(from, MESSAGES_MAX * MESSAGE_BYTES);
    this.controls = new NativeMemory(from, MESSAGES_MAX * CONTROL_BYTES);
    this.vectors = new NativeMemory(from, MESSAGES_MAX * IOVEC_BYTES);
    const { words } = this.controls;
    for (let m = 0; m < MESSAGES_MAX; m++) {
      // struct cmsghdr: length, level, type; the size of the segments is written for each run.
      const word = (m * CONTROL_BYTES) >>> 2;
      words[word] = 18;
      words[word + 2] = SOL_UDP;
      words[word + 3] = UDP_SEGMENT;
    }
  }

  get address(): number {
    return this.messages.address;
  }

  /** Address of message m. */
  messageAt(m: number): number {
    return this.messages.address + m * MESSAGE_BYTES;
  }

  /** The datagram behind datagram i in the order of its destination; negative where there is none. */
  after(i: number): number {
    const next = this.next[i]!;
    return next === NONE ? -1 : next;
  }

  /**
   * Puts the datagrams whose `chosen` is `socket`, or all of them, into queues by destination.
   * Returns the number of queues.
   */
  sort(batch: DatagramBatch, chosen: Uint8Array | undefined, socket: number): number {
    const { heads, tails, queues } = this;
    if (this.next.length < batch.count) this.next = new Uint32Array(batch.count);
    const { next } = this;
    heads.length = 0;
    tails.length = 0;
    queues.clear();
    let last: UnderlayAddress | undefined;
    let queue = -1;
    for (let i = 0; i < batch.count; i++) {
      if (chosen !== undefined && chosen[i] !== socket) continue;
      const remote = batch.remotes[i]!;
      if (remote !== last) {
        last = remote;
        queue = queues.get(remote) ?? -1;
      }
      next[i] = NONE;
      if (queue < 0) {
        queue = heads.push(i) - 1;
        tails.push(i);
        queues.set(remote, queue);
      } else {
        next[tails[queue]!] = i;
        tails[queue] = i;
      }
    }
    return heads.length;
  }

  head(queue: number): number {
    return this.heads[queue]!;
  }

  clear(): void {
    this.count = 0;
    this.vectorsUsed = 0;
  }

  /**
   * Adds the message that starts at datagram `first`: a run where `segmentsMax` allows. `slab` is
   * where the batch's slab is in memory, `name` where the remote's socket address is. Returns the
   * datagram after it, negative where there is none, or `first` itself where the plan is full.
   */
  add(
    batch: DatagramBatch,
    first: number,
    slab: number,
    name: { readonly at: number; readonly length: number },
    segmentsMax: number,
  ): number {
    const { offsets, lengths } = batch;
    const room = MESSAGES_MAX - this.vectorsUsed;
    if (this.count === MESSAGES_MAX || room === 0) return first;
    const most = Math.min(segmentsMax, SEGMENTS_MAX);
    const size = lengths[first]!;
    const isUrgent = isUrgentPacket(batch.slab, offsets[first]!);
    const firstVector = this.vectorsUsed;
    let total = 0;
    let segments = 0;
    let end = NONE;
    let i = first;
    while (segments < most) {
      const at = offsets[i]!;
      const length = lengths[i]!;
      if (segments > 0) {
        if (length > size || length === 0 || total + length > RUN_BYTES_MAX) break;
        if (isUrgentPacket(batch.slab, at) !== isUrgent) break;
      }
      assert(at + length <= batch.slab.length, 'a datagram outside its slab');
      if (at === end) this.lengthen(length);
      else if (this.vectorsUsed === MESSAGES_MAX) break;
      else this.vector(slab + at, length);
      end = at + length;
      total += length;
      segments++;
      i = this.after(i);
      if (i < 0 || length < size || size === 0) break;
    }
    this.message(firstVector, name, segments > 1 ? size : 0);
    const m = this.count++;
    this.firsts[m] = first;
    this.segments[m] = segments;
    this.bytes[m] = total;
    return i;
  }

  private vector(address: number, length: number): void {
    const at = this.vectorsUsed++ * IOVEC_BYTES;
    this.vectors.writeWord64(at, address);
    this.vectors.writeWord64(at + 8, length);
  }

  private lengthen(length: number): void {
    const word = ((this.vectorsUsed - 1) * IOVEC_BYTES + 8) >>> 2;
    this.vectors.words[word] = this.vectors.words[word]! + length;
  }

  private message(
    firstVector: number,
    name: { readonly at: number; readonly length: number },
    segmentBytes: number,
  ): void {
    const at = this.count * MESSAGE_BYTES;
    const { messages } = this;
    const control = this.count * CONTROL_BYTES;
    messages.writeWord64(at, name.at);
    messages.words[(at + 8) >>> 2] = name.length;
    messages.writeWord64(at + 16, this.vectors.address + firstVector * IOVEC_BYTES);
    messages.writeWord64(at + 24, this.vectorsUsed - firstVector);
    messages.writeWord64(at + 32, segmentBytes === 0 ? 0 : this.controls.address + control);
    messages.writeWord64(at + 40, segmentBytes === 0 ? 0 : 24);
    messages.words[(at + 48) >>> 2] = 0;
    this.controls.words[(control + 16) >>> 2] = segmentBytes;
  }
}
