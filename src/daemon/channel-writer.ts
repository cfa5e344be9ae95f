/**
 * The writing end of a channel of datagrams: frames of one turn of the event loop leave in one write.
 *
 * A write of its own for each datagram costs a system call and a request object, several times what the
 * frame costs. Frames are laid behind each other in a buffer that leaves when it is full, and
 * otherwise in the check phase of the turn, before the process sleeps again: no datagram waits for
 * another. A buffer is used again only when the connection has let go of it.
 */
import type { Socket } from 'node:net';
import { utf8Encode } from '../kernel/index.ts';
import { CHANNEL_DATAGRAM, DATAGRAM_FRAME_BYTES, writeDatagramFrame } from './control-channel.ts';

/** Longer frames leave by themselves. */
const GATHERED_BYTES_MAX = 64 * 1024;
/** So little is copied out, so that a program that sends one at a time keeps one buffer warm. */
const COPIED_BYTES_MAX = 4 * 1024;
/** Buffers kept for use again; beyond them a new one is made each time. */
const SPARE_MAX = 4;

export class ChannelWriter {
  private readonly socket: Socket;
  private readonly spare: Uint8Array[] = [];
  private buffer: Uint8Array | undefined;
  private used = 0;
  private isScheduled = false;
  /** The name written last, and its bytes: programs send to few places. */
  private name = '';
  private nameBytes: Uint8Array = new Uint8Array(0);

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** A datagram to or from `node:port`. False where `drain` of the connection is to be awaited. */
  datagram(node: string, port: number, payload: Uint8Array): boolean {
    if (node !== this.name) {
      this.nameBytes = utf8Encode(node);
      this.name = node;
    }
    const { nameBytes } = this;
    const length = DATAGRAM_FRAME_BYTES + nameBytes.length + payload.length;
    const at = this.room(length);
    writeDatagramFrame(this.buffer!, at, CHANNEL_DATAGRAM, nameBytes, port, payload);
    return this.isRoomy();
  }

  /** A whole frame of any kind, behind those written before it. */
  frame(bytes: Uint8Array): boolean {
    const at = this.room(bytes.length);
    this.buffer!.set(bytes, at);
    return this.isRoomy();
  }

  /** Writes what was gathered. */
  flush(): void {
    const { buffer, used } = this;
    this.buffer = undefined;
    this.used = 0;
    if (buffer === undefined || used === 0 || !this.socket.writable) return;
    if (used <= COPIED_BYTES_MAX) {
      this.socket.write(buffer.slice(0, used));
      this.keep(buffer);
    } else this.socket.write(buffer.subarray(0, used), () => this.keep(buffer));
  }

  private keep(buffer: Uint8Array): void {
    if (this.spare.length < SPARE_MAX && buffer.length === GATHERED_BYTES_MAX)
      this.spare.push(buffer);
  }

  private isRoomy(): boolean {
    return !this.socket.writableNeedDrain;
  }

  /** Claims `length` bytes behind what is gathered and returns where they start. */
  private room(length: number): number {
    if (this.buffer !== undefined && this.used + length > this.buffer.length) this.flush();
    this.buffer ??=
      (length <= GATHERED_BYTES_MAX ? this.spare.pop() : undefined) ??
      new Uint8Array(Math.max(length, GATHERED_BYTES_MAX));
    const at = this.used;
    this.used = at + length;
    if (!this.isScheduled) {
      this.isScheduled = true;
      setImmediate(this.flushLater);
    }
    return at;
  }

  private readonly flushLater = (): void => {
    this.isScheduled = false;
    this.flush();
  };
}
