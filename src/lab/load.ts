/**
 * Load on one flow of datagrams, from one socket to another of the same program. Closed: as many packets as
 * there is room for in a window, each arrival makes room for another; what gets through is then the
 * rate that nothing is lost at. Paced: a fixed rate, and how long each packet takes.
 *
 * A packet begins with its number, 4 bytes; the rest is filling.
 */

/** The part of a socket that is used here. */
export interface LoadSocket {
  send(payload: Uint8Array): boolean;
}

/** Silence after which what is on its way is given up, so that a loss does not end a closed load. */
export const STALLED_MS = 100;
/** Packets whose sending time is remembered; more than any window. */
const HISTORY_PACKETS = 1 << 16;
export const PACKET_BYTES_MIN = 4;

export class Load {
  sent = 0;
  received = 0;
  /** Milliseconds each packet of a paced load took, in order of arrival. */
  readonly latencies: number[] = [];
  private readonly socket: LoadSocket;
  private readonly payload: Uint8Array;
  private readonly view: DataView;
  private readonly now: () => number;
  private readonly sentAt = new Float64Array(HISTORY_PACKETS);
  private window = 0;
  private inFlight = 0;
  private isHeld = false;
  private lastArrival: number;

  constructor(options: { socket: LoadSocket; bytes: number; now: () => number }) {
    this.socket = options.socket;
    this.payload = new Uint8Array(options.bytes);
    this.view = new DataView(this.payload.buffer);
    this.now = options.now;
    this.lastArrival = options.now();
  }

  /** Keeps `window` packets on their way; 0 ends it. */
  keep(window: number): void {
    this.window = window;
    this.inFlight = 0;
    this.lastArrival = this.now();
    this.fill();
  }

  /** Sends the packets that are due of a rate begun at `beganMs`, `count` sent since. */
  pace(options: { beganMs: number; perSecond: number; before: number }): void {
    const due = Math.floor(((this.now() - options.beganMs) * options.perSecond) / 1_000);
    while (this.sent - options.before < due && !this.isHeld) this.send();
  }

  /** The socket has room again. */
  drained(): void {
    this.isHeld = false;
    this.fill();
  }

  arrived(payload: Uint8Array): void {
    if (payload.length < PACKET_BYTES_MIN) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const number = view.getUint32(0);
    const now = this.now();
    this.received++;
    this.lastArrival = now;
    if (this.window === 0) {
      if (this.sent - number <= HISTORY_PACKETS)
        this.latencies.push(now - this.sentAt[number % HISTORY_PACKETS]!);
      return;
    }
    this.inFlight = Math.max(0, this.inFlight - 1);
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

  private fill(): void {
    while (this.inFlight < this.window && !this.isHeld) {
      this.inFlight++;
      this.send();
    }
  }

  private send(): void {
    this.view.setUint32(0, this.sent);
    this.sentAt[this.sent % HISTORY_PACKETS] = this.now();
    this.sent++;
    if (!this.socket.send(this.payload)) this.isHeld = true;
  }
}

/** The value that a share of `q` of a sorted list does not exceed (nearest rank). */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
