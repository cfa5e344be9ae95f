/**
 * The memory that a connection to a daemon is read into. What Node makes by itself, a buffer for each read, is
 * memory outside of the heap that only the collector gives back: at a gigabit a second it marks the whole heap five
 * times a second for it, a third of all that a program spends. Here reads are laid behind each other in
 * large buffers, and where the program has said that it lends its payloads only (`batches({ lent: true })`), a buffer is
 * used again as soon as everything that was read before has been looked at.
 */
import { connect, type Socket } from 'node:net';

/** Of a buffer that is used again. */
const REUSED_BYTES = 512 * 1024;
/** Of one that payloads keep, all of it for the sake of one perhaps. */
const BUFFER_BYTES = 64 * 1024;
/** A read has room for so much at least. */
const READ_BYTES_MIN = 32 * 1024;
/** Buffers kept for use again, and of those that wait for it. Beyond them the collector has them. */
const KEPT_MAX = 16;

export class ReadBuffers {
  /** Given what comes from now on, a view that may be written over after `release`. */
  taker: ((chunk: Uint8Array) => void) | undefined;
  private current: Uint8Array = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  private used = 0;
  /** Full ones that may still be looked at. */
  private full: Uint8Array[] = [];
  private readonly spare: Uint8Array[] = [];
  private isReused = false;

  /** Whether `release` will be called: without it full buffers are left to the collector. */
  set reuse(isReused: boolean) {
    this.isReused = isReused;
    if (isReused) return;
    this.full = [];
    this.spare.length = 0;
  }

  /** Nobody looks any more at what was read before this. */
  release(): void {
    while (this.full.length > 0 && this.spare.length < KEPT_MAX) this.spare.push(this.full.pop()!);
    this.full.length = 0;
  }

  /** A connection that is read into these. Until there is a taker it is an ordinary one. */
  connect(path: string): Socket {
    const socket = connect({
      path,
      onread: {
        buffer: () => this.room(),
        callback: (bytes, room) => {
          this.used += bytes;
          const chunk = room.subarray(0, bytes);
          if (this.taker === undefined) socket.push(Buffer.from(chunk));
          else this.taker(chunk);
          return true;
        },
      },
    });
    return socket;
  }

  /** Where the next read goes: behind the one before, or into a buffer that nobody looks at. */
  private room(): Uint8Array {
    if (this.current.length - this.used < READ_BYTES_MIN) {
      if (this.isReused && this.full.length < KEPT_MAX) this.full.push(this.current);
      const bytes = this.isReused ? REUSED_BYTES : BUFFER_BYTES;
      this.current = this.spare.pop() ?? Buffer.allocUnsafeSlow(bytes);
      this.used = 0;
    }
    return this.current.subarray(this.used);
  }
}
