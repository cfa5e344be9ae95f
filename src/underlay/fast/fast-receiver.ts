/**
 * The way in of the fast underlay: what waits at a socket, in as few system calls as can be.
 *
 * While more comes than is served, what is urgent has a buffer of its own (`urgent-socket.ts`). It is looked
 * into before each call for the rest, and a call for the rest takes less then: its packets are what an
 * urgent one may have to wait for.
 */
import type { Counters, DatagramBatch, UnderlayAddress } from '../../kernel/index.ts';
import type { NativeMemory, PollReady } from './native.ts';
import type { ReceiveSlots } from './receive-slots.ts';
import type { AddressTable } from './socket-address.ts';
import { EAGAIN, EINTR, errorName, SOL_UDP, type SystemCalls, UDP_GRO } from './system-calls.ts';
import { UrgentSocket, type UrgentSystem } from './urgent-socket.ts';

/** What datagrams are read from. */
interface Source {
  readonly fd: number;
  readonly receiveBytesMax: number;
  readonly isUrgent: boolean;
  /** Share of it that was full when more waited than one call could take. */
  backlog: number;
}

/** One socket's state on the way in. */
export interface ReceivingSocket extends Source {
  readonly at: UnderlayAddress;
  /** Its second buffer, while there is one. */
  urgent: UrgentSocket | undefined;
}

export type ReceivingSystem = UrgentSystem &
  Pick<
    SystemCalls,
    'native' | 'errno' | 'receiveMany' | 'receiveQueued' | 'receiveDrops' | 'setOption'
  >;

export interface FastReceiverOptions {
  readonly system: ReceivingSystem;
  readonly addresses: AddressTable;
  readonly slots: ReceiveSlots;
  readonly tally: Counters;
  readonly datagramBytesMax: number;
  readonly systemBufferBytes: number;
  /** Whether the kernel joins runs. */
  readonly isJoining: boolean;
  readonly sockets: readonly ReceivingSocket[];
  readonly receive: (batch: DatagramBatch) => void;
}

/** Calls of `recvmmsg` in one go, before timers and other sockets get their turn. */
const ROUNDS_MAX = 4;
/** Share of the buffer that one call has emptied, above which the system is asked what is in it now. */
const ASK_ABOVE = 0.25;
/** Share of it that waits, above which what is urgent gets a buffer of its own. */
const URGENT_ABOVE = 0.25;
/** Kept for so long after the other has last been as full. */
const URGENT_MS = 1_000;
/** Packets that one call is to bring while there is an urgent buffer: under a millisecond of work. */
const PACKETS_BESIDE_URGENT = 160;

export class FastReceiver {
  datagrams = 0;
  bytes = 0;
  messages = 0;
  private readonly options: FastReceiverOptions;
  /** Packets of a message, in the last call for what is not urgent. */
  private runLength = 1;
  /** There while a socket has an urgent buffer. */
  private review: NodeJS.Timeout | undefined;
  private isRefused = false;
  private urgentDrops = 0;
  private isClosed = false;

  constructor(options: FastReceiverOptions) {
    this.options = options;
  }

  /** Messages that the system had no room for. */
  get drops(): { readonly ordinary: number; readonly urgent: number } {
    const dropsOf = (sources: readonly Source[]): number =>
      sources.reduce((sum, { fd }) => sum + this.options.system.receiveDrops(fd), 0);
    const { sockets } = this.options;
    if (this.isClosed) return { ordinary: 0, urgent: 0 };
    const urgent = sockets.flatMap((socket) => socket.urgent ?? []);
    return { ordinary: dropsOf(sockets), urgent: this.urgentDrops + dropsOf(urgent) };
  }

  /** Socket number `local` has something. */
  drain(socket: ReceivingSocket, local: number): void {
    const { slots } = this.options;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let most = slots.count;
      if (socket.urgent !== undefined) {
        this.take(socket.urgent, local, most);
        most = Math.min(most, Math.ceil(PACKETS_BESIDE_URGENT / this.runLength));
      }
      const isMore = this.take(socket, local, most);
      if (socket.backlog > URGENT_ABOVE) this.separate(socket, local);
      if (!isMore) return;
    }
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.review);
    for (const { urgent } of this.options.sockets) urgent?.close();
  }

  /** Hands on what one call brings, of `most` messages at most; whether more may wait. */
  private take(from: Source, local: number, most: number): boolean {
    if (this.isClosed) return false;
    const { slots, system, tally } = this.options;
    slots.prepare();
    const filled = system.receiveMany(from.fd, slots.address, most);
    if (filled < 0) {
      const errno = system.errno();
      if (errno === EAGAIN) from.backlog = 0;
      if (errno === EAGAIN || errno === EINTR) return false;
      // The kernel reports here what became of something sent; the next call goes on.
      tally.add(`receive-error.${errorName(errno)}`);
      return true;
    }
    const bytes = this.handOn(from, filled, local);
    if (this.isClosed) return false;
    const isFull = filled === most;
    const isMuch = isFull || bytes > ASK_ABOVE * from.receiveBytesMax;
    from.backlog = isMuch ? this.backlogOf(from) : 0;
    return isFull;
  }

  /** Returns the bytes of it. */
  private handOn(from: Source, filled: number, local: number): number {
    const { slots, datagramBytesMax } = this.options;
    const { batch } = slots;
    batch.backlog = from.backlog;
    batch.isUrgent = from.isUrgent;
    const bytes = slots.gather(filled, local, datagramBytesMax, this.sink);
    this.messages += filled;
    this.bytes += bytes;
    if (!from.isUrgent) this.runLength = Math.max(1, batch.count / filled);
    this.deliver(batch);
    return bytes;
  }

  private backlogOf({ fd, receiveBytesMax }: Source): number {
    return Math.min(1, this.options.system.receiveQueued(fd) / Math.max(1, receiveBytesMax));
  }

  private readonly sink = {
    oversize: (): void => {
      this.datagrams++;
      this.options.tally.add('receive-oversize');
    },
    nameless: (): void => {
      this.datagrams++;
      this.options.tally.add('receive-nameless');
    },
    remote: (names: NativeMemory, at: number, length: number): UnderlayAddress | undefined =>
      this.options.addresses.heard(names, at, length),
    full: (batch: DatagramBatch): void => this.deliver(batch),
  };

  private deliver(batch: DatagramBatch): void {
    if (batch.count === 0) return;
    this.datagrams += batch.count;
    try {
      if (!this.isClosed) this.options.receive(batch);
    } finally {
      batch.clear();
    }
  }

  /** State: what is urgent has a buffer of its own from now on, and for a while after this was last called. */
  private separate(socket: ReceivingSocket, local: number): void {
    if (socket.urgent !== undefined) {
      socket.urgent.isWanted = true;
      return;
    }
    if (this.isRefused || this.isClosed) return;
    const { system, slots, tally, isJoining, systemBufferBytes } = this.options;
    const urgent = UrgentSocket.open(system, socket, systemBufferBytes);
    this.isRefused = urgent === undefined;
    if (urgent === undefined) return tally.add('urgent-buffer-refused');
    tally.add('urgent-buffers');
    if (isJoining) system.setOption(urgent.fd, SOL_UDP, UDP_GRO, 1);
    const ready = guarded(() => this.take(urgent, local, slots.count));
    urgent.poll = system.native.poll(urgent.fd, { readable: true, writable: false }, ready);
    socket.urgent = urgent;
    this.review ??= setInterval(() => this.reviewUrgent(), URGENT_MS).unref();
  }

  private reviewUrgent(): void {
    const { sockets } = this.options;
    for (const [local, socket] of sockets.entries()) {
      if (socket.urgent === undefined) continue;
      if (socket.urgent.isWanted) socket.urgent.isWanted = false;
      else this.rejoin(socket, socket.urgent, local);
    }
    if (sockets.some(({ urgent }) => urgent !== undefined)) return;
    clearInterval(this.review);
    this.review = undefined;
  }

  private rejoin(socket: ReceivingSocket, urgent: UrgentSocket, local: number): void {
    const { system, slots } = this.options;
    urgent.end();
    for (let round = 0; round < ROUNDS_MAX; round++)
      if (!this.take(urgent, local, slots.count)) break;
    this.urgentDrops += system.receiveDrops(urgent.fd);
    socket.urgent = undefined;
    urgent.close();
  }
}

/** Nothing may be thrown into the native caller, which would lose it. */
export const guarded =
  (ready: PollReady): PollReady =>
  (status, events) => {
    try {
      ready(status, events);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };
