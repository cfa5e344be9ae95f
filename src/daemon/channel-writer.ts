/**
 * The writing end of a channel of datagrams: frames of one turn of the event loop leave in one write.
 *
 * A write of its own for each datagram costs a system call and a request object, several times what the
 * frame costs. Frames are laid behind each other in a buffer that leaves when it is full, and
 * otherwise in the check phase of the turn, before the process sleeps again: no datagram waits for
 * another. A buffer is used again only when the connection has let go of it.
 */
import type { Socket } from 'node:net';
import { DATAGRAM_LENGTH_BYTES, datagramsHead, setFrameLength } from './channel-datagrams.ts';

/** A frame of datagrams is closed above this: its reader can begin with it before all of it is there. */
const FRAME_BYTES_MAX = 16 * 1024;
/** Longer frames leave by themselves. */
const GATHERED_BYTES_MAX = 64 * 1024;
/** So little is copied out, so that a program that sends one at a time keeps one buffer warm. */
const COPIED_BYTES_MAX = 4 * 1024;
/** Bytes that the connection holds for a program that is slower than the node, above which `isFull`. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Buffers kept for use again by all connections of the process; beyond them a new one is made each time. As many as
 * one connection may hold: what is made anew at that pace keeps the collector busy.
 */
const SPARE_MAX = WAITING_BYTES_MAX / GATHERED_BYTES_MAX;
const SPARE: Uint8Array[] = [];

export class ChannelWriter {
  private readonly socket: Socket;
  private buffer: Uint8Array | undefined;
  private used = 0;
  private isScheduled = false;
  /** Where the frame of datagrams begins that may still grow; -1: none. */
  private openAt = -1;
  /** Whose datagrams were written last, and the head of their frames. */
  private node = '';
  private port = 0;
  private lane = '';
  private head: Uint8Array = datagramsHead({ node: '', port: 0 }, '');

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Whether nothing waits for `drain` of the connection. What the system has taken at once does not. */
  get isRoomy(): boolean {
    return !this.socket.writableNeedDrain || this.socket.writableLength === 0;
  }

  /** Whether as much waits as may wait here. A Unix socket itself takes less than one input of a node brings. */
  get isFull(): boolean {
    return this.socket.writableLength >= WAITING_BYTES_MAX;
  }

  /** A datagram to or from `node:port`. False where `drain` of the connection is to be awaited. */
  datagram(node: string, port: number, payload: Uint8Array, lane = ''): boolean {
    if (node !== this.node || port !== this.port || lane !== this.lane) {
      this.head = datagramsHead({ node, port }, lane);
      this.node = node;
      this.port = port;
      this.lane = lane;
      this.openAt = -1;
    }
    const bytes = DATAGRAM_LENGTH_BYTES + payload.length;
    const isJoining = this.openAt >= 0 && this.used + bytes <= this.openAt + FRAME_BYTES_MAX;
    if (!isJoining || this.used + bytes > this.buffer!.length) this.openFrame(bytes);
    const at = this.used;
    const buffer = this.buffer!;
    buffer[at] = payload.length >>> 8;
    buffer[at + 1] = payload.length;
    buffer.set(payload, at + DATAGRAM_LENGTH_BYTES);
    this.used = at + bytes;
    setFrameLength(buffer, this.openAt, this.used);
    return this.isRoomy;
  }

  /** A whole frame of any kind, behind those written before it. */
  frame(bytes: Uint8Array): boolean {
    const at = this.room(bytes.length);
    this.used = at + bytes.length;
    this.buffer!.set(bytes, at);
    this.openAt = -1;
    return this.isRoomy;
  }

  /** Writes what was gathered. */
  flush(): void {
    const { buffer, used } = this;
    this.buffer = undefined;
    this.used = 0;
    this.openAt = -1;
    if (buffer === undefined || used === 0 || !this.socket.writable) return;
    if (used <= COPIED_BYTES_MAX) {
      this.socket.write(buffer.slice(0, used));
      this.keep(buffer);
    } else this.socket.write(buffer.subarray(0, used), () => this.keep(buffer));
  }

  private keep(buffer: Uint8Array): void {
    if (SPARE.length < SPARE_MAX && buffer.length === GATHERED_BYTES_MAX) SPARE.push(buffer);
  }

  /** Begins a frame that has room for `bytes` at least. */
  private openFrame(bytes: number): void {
    const { head } = this;
    const at = this.room(head.length + bytes);
    this.buffer!.set(head, at);
    this.openAt = at;
    this.used = at + head.length;
  }

  /** Where `length` bytes behind what is gathered have room. */
  private room(length: number): number {
    if (this.buffer !== undefined && this.used + length > this.buffer.length) this.flush();
    this.buffer ??=
      (length <= GATHERED_BYTES_MAX ? SPARE.pop() : undefined) ??
      new Uint8Array(Math.max(length, GATHERED_BYTES_MAX));
    if (!this.isScheduled) {
      this.isScheduled = true;
      setImmediate(this.flushLater);
    }
    return this.used;
  }

  private readonly flushLater = (): void => {
    this.isScheduled = false;
    this.flush();
  };
}
