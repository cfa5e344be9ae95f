/**
 * The fast underlay, for Linux: the kernel through an FFI binding, a batch for a system call.
 *
 * Receiving. The event loop says that a socket is readable; `recvmmsg` fills up to 16 slots, each
 * with one datagram or, where the kernel joined them, a run of up to 64, and the node gets them all
 * as one batch in the memory that the kernel wrote. What costs is the path of one message through
 * the kernel, 3 to 5 us, not the system call and not JavaScript; so runs are what makes this fast
 * (receive-slots.ts, fast-receiver.ts).
 *
 * Sending. The same the other way round (send-plan.ts, fast-sender.ts). A run that is dropped
 * drops whole: networks that test loss switch runs off (`segmentation: false`).
 */

import { isIP } from 'node:net';
import {
  assert,
  Counters,
  type DatagramBatch,
  OverlayError,
  type UnderlayAddress,
} from '../../kernel/index.ts';
import type { LocalSocketOptions, ReceiveBatch, Underlay } from '../underlay.ts';
import {
  FastReceiver,
  guarded,
  type ReceivingSocket,
  type ReceivingSystem,
} from './fast-receiver.ts';
import { FastSender, type SendingSocket } from './fast-sender.ts';
import type { PollHandle } from './native.ts';
import { ReceiveSlots } from './receive-slots.ts';
import { AddressTable } from './socket-address.ts';
import { errorName, SOL_UDP, type SystemCalls, UDP_GRO, UDP_SEGMENT } from './system-calls.ts';

export interface FastUnderlayOptions {
  readonly locals: readonly LocalSocketOptions[];
  /** Longest datagram taken in either direction. Default 1500; longer ones are dropped, counted. */
  readonly datagramBytesMax?: number;
  /** Asked of the system for each direction; it may give less. Default 4 MiB. */
  readonly systemBufferBytes?: number;
  /** Bytes that may wait for the system's buffer, each socket. Default 512 KiB; drop newest. */
  readonly sendQueueBytesMax?: number;
  /** Remote addresses remembered. Default 4096; the oldest is evicted. */
  readonly remotesMax?: number;
  /** Messages of one `recvmmsg`, each a run of up to 64 datagrams. Default 16. */
  readonly receiveSlots?: number;
  /** Whether runs are joined and cut by the kernel (GRO, GSO), where it can. Default true. */
  readonly segmentation?: boolean;
}

/** What is asked of the system; a test stands in front of the real one. */
export type FastSystem = ReceivingSystem &
  Pick<SystemCalls, 'sendMany' | 'udpSocket' | 'nameOf' | 'indexOf'>;

const SYSTEM_BUFFER_BYTES = 4 * 1024 * 1024;
const SEGMENTS_MAX = 64;
/** Sockets are told apart by the bits of a number. */
const SOCKETS_MAX = 30;
const NO_SOCKET = 0xff;

interface FastSocket extends SendingSocket, ReceivingSocket {
  poll: PollHandle | undefined;
}

export class FastUnderlay implements Underlay {
  readonly kind = 'fast';
  readonly locals: readonly UnderlayAddress[];
  /** What of the kernel's offloads is in use, for reports. */
  readonly offloads: { readonly receive: boolean; readonly send: boolean };
  private readonly system: FastSystem;
  private readonly sockets: readonly FastSocket[];
  private readonly receiver: FastReceiver;
  private readonly sender: FastSender;
  private readonly addresses: AddressTable;
  private readonly datagramBytesMax: number;
  private readonly tally = new Counters();
  private chosen: Uint8Array = new Uint8Array(64);
  private receive: ReceiveBatch | undefined;
  private closing: Promise<void> | undefined;

  /** Opens every socket. Fails with UNDERLAY_BIND_FAILED, BAD_ARGUMENT; then none is left open. */
  static async open(options: FastUnderlayOptions, system: FastSystem): Promise<FastUnderlay> {
    assert(options.locals.length <= SOCKETS_MAX, `more than ${SOCKETS_MAX} sockets`);
    const opened: { fd: number; at: UnderlayAddress }[] = [];
    try {
      for (const local of options.locals) {
        if (isIP(local.host) === 0)
          throw new OverlayError('BAD_ARGUMENT', `not an IP address: ${local.host}`, {
            details: { host: local.host },
          });
        opened.push(system.udpSocket(local, options.systemBufferBytes ?? SYSTEM_BUFFER_BYTES));
      }
    } catch (error) {
      for (const { fd } of opened) system.close(fd);
      throw error;
    }
    return new FastUnderlay(options, system, opened);
  }

  private constructor(
    options: FastUnderlayOptions,
    system: FastSystem,
    opened: readonly { fd: number; at: UnderlayAddress }[],
  ) {
    this.system = system;
    this.datagramBytesMax = options.datagramBytesMax ?? 1500;
    this.addresses = new AddressTable(system.native, system, options.remotesMax ?? 4096);
    this.sender = new FastSender({
      system,
      addresses: this.addresses,
      tally: this.tally,
      sendQueueBytesMax: options.sendQueueBytesMax ?? 512 * 1024,
      changed: (s) => this.watch(this.sockets[s]!, s),
    });
    const wanted = options.segmentation ?? true;
    const joins = opened.map(({ fd }) => wanted && system.setOption(fd, SOL_UDP, UDP_GRO, 1));
    // Setting the size of segments to none changes nothing where the kernel knows the option.
    const cuts = opened.map(({ fd }) => wanted && system.setOption(fd, SOL_UDP, UDP_SEGMENT, 0));
    this.offloads = { receive: joins.every(Boolean), send: cuts.every(Boolean) };
    this.sockets = opened.map(({ fd, at }, i) => ({
      fd,
      at,
      poll: undefined,
      receiveBytesMax: system.buffers(fd).receiveBytes,
      isUrgent: false,
      backlog: 0,
      urgent: undefined,
      segmentsMax: cuts[i] === true ? SEGMENTS_MAX : 1,
      isBlocked: false,
      waiting: undefined,
      spare: undefined,
    }));
    this.locals = opened.map(({ at }) => at);
    this.receiver = new FastReceiver({
      system,
      addresses: this.addresses,
      slots: new ReceiveSlots(system.native, options.receiveSlots ?? 16),
      tally: this.tally,
      datagramBytesMax: this.datagramBytesMax,
      systemBufferBytes: options.systemBufferBytes ?? SYSTEM_BUFFER_BYTES,
      isJoining: this.offloads.receive,
      sockets: this.sockets,
      receive: (batch) => this.receive?.(batch),
    });
  }

  get buffers(): { receiveBytes: number; sendBytes: number } {
    if (this.closing !== undefined) return { receiveBytes: 0, sendBytes: 0 };
    const each = this.sockets.map(({ fd }) => this.system.buffers(fd));
    return {
      receiveBytes: Math.min(...each.map((b) => b.receiveBytes)),
      sendBytes: Math.min(...each.map((b) => b.sendBytes)),
    };
  }

  start(receive: ReceiveBatch): void {
    assert(this.receive === undefined, 'an underlay is started once');
    this.receive = receive;
    for (const [local, socket] of this.sockets.entries()) this.watch(socket, local);
  }

  send(batch: DatagramBatch): void {
    if (this.closing !== undefined) {
      this.tally.add('send-closed', batch.count);
      return;
    }
    if (this.chosen.length < batch.count) this.chosen = new Uint8Array(batch.count);
    let used = 0;
    for (let i = 0; i < batch.count; i++) {
      const s = this.choose(batch, i);
      this.chosen[i] = s;
      if (s !== NO_SOCKET) used |= 1 << s;
    }
    for (let s = 0; used !== 0; s++, used >>>= 1)
      if ((used & 1) !== 0) this.sender.transmit(this.sockets[s]!, s, batch, this.chosen);
  }

  counters(): Record<string, number> {
    const { receiver } = this;
    const { ordinary, urgent } = receiver.drops;
    return {
      ...this.tally.snapshot(),
      'datagrams-in': receiver.datagrams,
      'datagrams-out': this.sender.datagrams,
      'bytes-in': receiver.bytes,
      'bytes-out': this.sender.bytes,
      'messages-in': receiver.messages,
      'receive-overflow': ordinary,
      'receive-overflow-urgent': urgent,
      'messages-out': this.sender.messages,
      'remotes-evicted': this.addresses.evictions,
    };
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    this.receiver.close();
    for (const socket of this.sockets) {
      if (socket.waiting !== undefined && socket.waiting.count > 0)
        this.tally.add('send-closed', socket.waiting.count);
      socket.poll?.close();
      this.system.close(socket.fd);
    }
  }

  /** The socket asked for, or the first of the remote's family. Counts what cannot be sent. */
  private choose(batch: DatagramBatch, i: number): number {
    const local = batch.locals[i]!;
    const { family } = batch.remotes[i]!;
    let s = local;
    if (this.locals[local]?.family !== family) {
      s = this.locals.findIndex((l) => l.family === family);
      if (s < 0) {
        this.tally.add('send-no-socket');
        return NO_SOCKET;
      }
    }
    if (batch.lengths[i]! <= this.datagramBytesMax) return s;
    this.tally.add('send-oversize');
    return NO_SOCKET;
  }

  private watch(socket: FastSocket, local: number): void {
    const events = { readable: this.receive !== undefined, writable: socket.isBlocked };
    const ready = guarded((status, happened) => this.ready(socket, local, status, happened));
    if (socket.poll !== undefined) socket.poll.start(events, ready);
    else socket.poll = this.system.native.poll(socket.fd, events, ready);
    assert(socket.poll !== undefined, 'a descriptor of ours cannot be watched');
  }

  private ready(
    socket: FastSocket,
    local: number,
    status: number,
    happened: { readonly readable: boolean; readonly writable: boolean },
  ): void {
    if (this.closing !== undefined) return;
    if (status < 0) this.tally.add(`receive-error.${errorName(-status)}`);
    if (happened.writable) this.sender.unblock(socket, local);
    if (happened.readable || status < 0) this.receiver.drain(socket, local);
  }
}
