/**
 * The way out of the fast underlay: a batch through one socket, in as few system calls as can be.
 *
 * Where the kernel's buffer is full, what is left of the batch is copied into a queue and leaves
 * when the socket is writable again, in front of anything later; past the queue's bound datagrams
 * are dropped and counted, newest first.
 *
 * What a device refuses as a run is sent again one by one, and after it no more runs are tried
 * through that socket.
 */
import { type Counters, DatagramBatch } from '../../kernel/index.ts';
import { SendPlan } from './send-plan.ts';
import { type AddressTable, socketAddressLength } from './socket-address.ts';
import {
  EAGAIN,
  ECONNREFUSED,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  errorName,
  type SystemCalls,
} from './system-calls.ts';

/** One socket's state on the way out. */
export interface SendingSocket {
  readonly fd: number;
  /** How many datagrams a message may join; 1 once the kernel or a device refused. */
  segmentsMax: number;
  /** The kernel's buffer is full: what is to be sent waits, in front of anything later. */
  isBlocked: boolean;
  /** Made when first needed; the spare takes its place while it is being sent. */
  waiting: DatagramBatch | undefined;
  spare: DatagramBatch | undefined;
}

export interface FastSenderOptions {
  readonly system: Pick<SystemCalls, 'native' | 'errno' | 'sendMany'>;
  readonly addresses: AddressTable;
  readonly tally: Counters;
  /** Bytes that may wait, each socket. */
  readonly sendQueueBytesMax: number;
  /** `isBlocked` of socket number `s` has changed: watch it accordingly. */
  readonly changed: (s: number) => void;
}

const QUEUED_DATAGRAMS_MAX = 4_096;

export class FastSender {
  datagrams = 0;
  bytes = 0;
  messages = 0;
  private readonly system: FastSenderOptions['system'];
  private readonly addresses: AddressTable;
  private readonly tally: Counters;
  private readonly sendQueueBytesMax: number;
  private readonly changed: (s: number) => void;
  private readonly plan: SendPlan;

  constructor(options: FastSenderOptions) {
    this.system = options.system;
    this.addresses = options.addresses;
    this.tally = options.tally;
    this.sendQueueBytesMax = options.sendQueueBytesMax;
    this.changed = options.changed;
    this.plan = new SendPlan(options.system.native);
  }

  /** Sends through `socket`, which is number `s`, the datagrams of which `chosen` says so. */
  transmit(
    socket: SendingSocket,
    s: number,
    batch: DatagramBatch,
    chosen: Uint8Array | undefined,
  ): void {
    const { plan } = this;
    const queues = plan.sort(batch, chosen, s);
    const slab = this.system.native.addressOf(batch.slab.buffer) + batch.slab.byteOffset;
    plan.clear();
    for (let queue = 0; queue < queues; queue++) {
      let i = plan.head(queue);
      const remote = batch.remotes[i]!;
      const name = { at: this.addresses.pointerTo(remote), length: socketAddressLength(remote) };
      while (i >= 0) {
        if (name.at === 0 || socket.isBlocked) {
          if (name.at === 0) this.tally.add('send-bad-address');
          else this.wait(socket, batch, i);
          i = plan.after(i);
          continue;
        }
        const next = plan.add(batch, i, slab, name, socket.segmentsMax);
        if (next === i) this.dispatch(socket, s, batch);
        i = next;
      }
    }
    this.dispatch(socket, s, batch);
  }

  /** Hands the plan to the kernel, message by message where it balks. */
  private dispatch(socket: SendingSocket, s: number, batch: DatagramBatch): void {
    const { plan, system } = this;
    let m = 0;
    while (m < plan.count) {
      const sent = system.sendMany(socket.fd, plan.messageAt(m), plan.count - m);
      if (sent > 0) {
        for (let k = m; k < m + sent; k++) this.count(plan.segments[k]!, plan.bytes[k]!);
        this.messages += sent;
        m += sent;
        continue;
      }
      const errno = system.errno();
      if (errno === EINTR) continue;
      if (errno === EAGAIN) {
        for (; m < plan.count; m++) this.eachOf(m, (i) => this.wait(socket, batch, i));
        this.block(socket, s);
        break;
      }
      this.refused(socket, s, batch, m, errno);
      m++;
    }
    plan.clear();
  }

  private count(datagrams: number, bytes: number): void {
    this.datagrams += datagrams;
    this.bytes += bytes;
  }

  /** The kernel did not take message m. A run is sent again one by one, which says what ails it. */
  private refused(
    socket: SendingSocket,
    s: number,
    batch: DatagramBatch,
    m: number,
    errno: number,
  ): void {
    const { plan } = this;
    if (plan.segments[m]! === 1 || !RUN_REFUSALS.includes(errno)) {
      this.tally.add(`send-error.${errorName(errno)}`, plan.segments[m]!);
      return;
    }
    // EIO: the device cannot check-sum what it would have to cut. It will not learn to.
    if (errno === EIO) socket.segmentsMax = 1;
    this.tally.add(`run-refused.${errorName(errno)}`);
    const single = new DatagramBatch({ capacity: plan.segments[m]!, slab: batch.slab });
    this.eachOf(m, (i) =>
      single.record(batch.offsets[i]!, batch.lengths[i]!, batch.remotes[i]!, batch.locals[i]!),
    );
    this.oneByOne(socket, s, single);
  }

  /** A plan of its own, because one is being worked through: rare, so it may allocate. */
  private oneByOne(socket: SendingSocket, s: number, batch: DatagramBatch): void {
    const { system } = this;
    const plan = new SendPlan(system.native);
    plan.sort(batch, undefined, s);
    const slab = system.native.addressOf(batch.slab.buffer) + batch.slab.byteOffset;
    for (let i = 0; i < batch.count; i++) {
      const remote = batch.remotes[i]!;
      const name = { at: this.addresses.pointerTo(remote), length: socketAddressLength(remote) };
      plan.clear();
      plan.add(batch, i, slab, name, 1);
      const sent = system.sendMany(socket.fd, plan.address, 1);
      if (sent === 1) {
        this.count(1, batch.lengths[i]!);
        this.messages++;
        continue;
      }
      const errno = system.errno();
      if (errno !== EAGAIN) this.tally.add(`send-error.${errorName(errno)}`);
      else {
        this.wait(socket, batch, i);
        this.block(socket, s);
      }
    }
  }

  private eachOf(m: number, each: (i: number) => void): void {
    const { plan } = this;
    let i = plan.firsts[m]!;
    for (let k = plan.segments[m]!; k > 0; k--) {
      each(i);
      i = plan.after(i);
    }
  }

  /** Keeps datagram i until the socket is writable. */
  private wait(socket: SendingSocket, batch: DatagramBatch, i: number): void {
    socket.waiting ??= new DatagramBatch({
      capacity: QUEUED_DATAGRAMS_MAX,
      slabBytes: this.sendQueueBytesMax,
    });
    if (!socket.waiting.hasRoom(batch.lengths[i]!)) {
      this.tally.add('send-queue-full');
      return;
    }
    this.tally.add('send-waited');
    socket.waiting.push(batch.view(i), batch.remotes[i]!, batch.locals[i]!);
  }

  private block(socket: SendingSocket, s: number): void {
    if (socket.isBlocked) return;
    socket.isBlocked = true;
    this.changed(s);
  }

  /** The socket is writable again: sends what waits. What does not fit now waits in the spare. */
  unblock(socket: SendingSocket, s: number): void {
    const { waiting, spare } = socket;
    socket.waiting = spare;
    socket.spare = waiting;
    socket.isBlocked = false;
    if (waiting !== undefined) {
      this.transmit(socket, s, waiting, undefined);
      waiting.clear();
    }
    if (!socket.isBlocked) this.changed(s);
  }
}

/** What the kernel says of a run that it might take piece by piece. */
const RUN_REFUSALS: readonly number[] = [EIO, EINVAL, EMSGSIZE, ECONNREFUSED];
