/**
 * Load on one flow of datagrams, from one socket to another of the same program. Closed: as many packets as
 * there is room for in a window, each arrival makes room for another; what gets through is then the
 * rate that nothing is lost at. Paced: a fixed rate, and how long each packet takes.
 *
 * A packet begins with its number, 4 bytes; the rest is filling.
 */

import { readU32, writeU32 } from '../kernel/index.ts';

/** The part of a socket that is used here. */
export interface LoadSocket {
  /** How many of them were taken; fewer than given: `drained` follows. */
  sendMany(payloads: readonly Uint8Array[]): number;
}

/** Silence after which what is on its way is given up, so that a loss does not end a closed load. */
export const STALLED_MS = 100;
/** Packets whose sending time is remembered; more than any window. */
const HISTORY_PACKETS = 1 << 16;
/** Packets given to the socket at once. */
const BATCH_PACKETS = 64;
export const PACKET_BYTES_MIN = 4;

export class Load {
  sent = 0;
  received = 0;
  /** Milliseconds each packet of a paced load took, in order of arrival. */
  readonly latencies: number[] = [];
  private readonly socket: LoadSocket;
  private readonly batch: readonly Uint8Array[];
  private readonly now: () => number;
  private readonly sentAt = new Float64Array(HISTORY_PACKETS);
  private window = 0;
  /** How much of it is used by now. */
  private opened = 0;
  private inFlight = 0;
  private isHeld = false;
  private lastArrival: number;

  constructor(options: { socket: LoadSocket; bytes: number; now: () => number }) {
    this.socket = options.socket;
    this.batch = Array.from({ length: BATCH_PACKETS }, () => new Uint8Array(options.bytes));
    this.now = options.now;
    this.lastArrival = options.now();
  }

  /**
   * Keeps `window` packets on their way; 0 ends it. The window opens by what arrives, so that the first packets
   * are not a burst that no load of a program is.
   */
  keep(window: number): void {
    this.window = window;
    this.opened = Math.min(window, BATCH_PACKETS);
    this.inFlight = 0;
    this.lastArrival = this.now();
    this.fill();
  }

  /** Sends the packets that are due of a rate begun at `beganMs`, `count` sent since. */
  pace(options: { beganMs: number; perSecond: number; before: number }): void {
    const due = Math.floor(((this.now() - options.beganMs) * options.perSecond) / 1_000);
    this.send(due - (this.sent - options.before));
  }

  /** The socket has room again. */
  drained(): void {
    this.isHeld = false;
    this.fill();
  }

  /** Packets that came together. */
  arrived(payloads: readonly Uint8Array[]): void {
    const now = this.now();
    this.received += payloads.length;
    this.lastArrival = now;
    if (this.window === 0) {
      for (const payload of payloads) this.took(payload, now);
      return;
    }
    this.inFlight = Math.max(0, this.inFlight - payloads.length);
    this.opened = Math.min(this.window, this.opened + payloads.length);
    this.fill();
  }

  /** Called now and then: gives up what has not come for long. */
  watch(): void {
    if (this.window === 0 || this.now() - this.lastArrival < STALLED_MS) return;
    this.inFlight = 0;
    this.isHeld = false;
    this.lastArrival = this.now();
    this.fill();
  }

  private took(payload: Uint8Array, now: number): void {
    if (payload.length < PACKET_BYTES_MIN) return;
    const number = readU32(payload, 0);
    if (this.sent - number <= HISTORY_PACKETS)
      this.latencies.push(now - this.sentAt[number % HISTORY_PACKETS]!);
  }

  private fill(): void {
    this.inFlight += this.send(this.opened - this.inFlight);
  }

  /** Sends so many, or as many as the socket takes; returns how many. */
  private send(count: number): number {
    const now = this.now();
    let left = count;
    while (left > 0 && !this.isHeld) {
      const size = Math.min(left, BATCH_PACKETS);
      for (let i = 0; i < size; i++) {
        writeU32(this.batch[i]!, 0, this.sent + i);
        this.sentAt[(this.sent + i) % HISTORY_PACKETS] = now;
      }
      const given = size === BATCH_PACKETS ? this.batch : this.batch.slice(0, size);
      const taken = this.socket.sendMany(given);
      this.sent += taken;
      left -= taken;
      this.isHeld = taken < size;
    }
    return Math.max(0, count - left);
  }
}

/** The value that a share of `q` of a sorted list does not exceed (nearest rank). */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
