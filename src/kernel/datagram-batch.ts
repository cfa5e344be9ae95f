import { assert } from './assert.ts';

/** A UDP endpoint below the overlay. Underlays intern these, so `===` is a fast first comparison. */
export interface UnderlayAddress {
  readonly family: 'udp4' | 'udp6';
  /** Literal IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port` or `[host]:port`; equal for equal addresses. */
  readonly key: string;
}

/** Writes `1.2.3.4:5`, `[::1]:5`: the canonical key of an address. */
export function underlayAddress(host: string, port: number): UnderlayAddress {
  const family = host.includes(':') ? 'udp6' : 'udp4';
  const key = family === 'udp6' ? `[${host}]:${port}` : `${host}:${port}`;
  return Object.freeze({ family, host, port, key });
}

/**
 * Many datagrams in one slab: what the underlay hands the node and what the node hands back.
 * Datagram i is `slab[offsets[i] .. offsets[i]+lengths[i])`, to or from `remotes[i]` through the
 * local socket number `locals[i]`. The receiver of a batch must be done with it when its call
 * returns: slabs are reused.
 */
export class DatagramBatch {
  readonly slab: Uint8Array;
  readonly capacity: number;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly locals: Uint8Array;
  readonly remotes: UnderlayAddress[];
  count = 0;
  /** End of the used part of the slab, in bytes. */
  used = 0;
  /** How full the receiving system's buffer was behind this batch, 0 .. 1; 0 where nobody knows. */
  backlog = 0;
  /**
   * These came past others that had arrived before them and are still to come: what is missing in front of them
   * is not lost.
   */
  isUrgent = false;

  /** `slab`: memory of the caller's that datagrams are entered of (`record`). */
  constructor(options: { capacity: number } & ({ slabBytes: number } | { slab: Uint8Array })) {
    this.capacity = options.capacity;
    this.slab = 'slab' in options ? options.slab : new Uint8Array(options.slabBytes);
    this.offsets = new Uint32Array(options.capacity);
    this.lengths = new Uint32Array(options.capacity);
    this.locals = new Uint8Array(options.capacity);
    this.remotes = [];
  }

  clear(): void {
    this.count = 0;
    this.used = 0;
  }

  /** Whether one more datagram of `bytes` fits. */
  hasRoom(bytes: number): boolean {
    return this.count < this.capacity && this.used + bytes <= this.slab.length;
  }

  /** Claims the next `bytes` of the slab as a datagram and returns its offset. */
  reserve(bytes: number, remote: UnderlayAddress, local: number): number {
    assert(this.hasRoom(bytes), 'datagram batch is full');
    const at = this.used;
    const i = this.count;
    this.offsets[i] = at;
    this.lengths[i] = bytes;
    this.locals[i] = local;
    this.remotes[i] = remote;
    this.count = i + 1;
    this.used = at + bytes;
    return at;
  }

  /** Copies a datagram in. */
  push(bytes: Uint8Array, remote: UnderlayAddress, local: number): void {
    const at = this.reserve(bytes.length, remote, local);
    this.slab.set(bytes, at);
  }

  /** Enters a datagram that lies in the slab already, wherever that is; `used` stays as it is. */
  record(at: number, bytes: number, remote: UnderlayAddress, local: number): void {
    const i = this.count;
    assert(i < this.capacity && at + bytes <= this.slab.length, 'a datagram outside its batch');
    this.offsets[i] = at;
    this.lengths[i] = bytes;
    this.locals[i] = local;
    this.remotes[i] = remote;
    this.count = i + 1;
  }

  /** A view of datagram i, valid until the batch is cleared. */
  view(i: number): Uint8Array {
    const at = this.offsets[i]!;
    return this.slab.subarray(at, at + this.lengths[i]!);
  }
}
