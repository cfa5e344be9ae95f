/**
 * The portable underlay: UDP through `node:dgram`, IPv4 and IPv6, any number of local sockets.
 *
 * Receiving. libuv reads up to 32 datagrams in one poll and raises an event for each; they are
 * copied into one slab and handed on in the check phase right after the poll, so that the node
 * opens and forwards them as a batch. Waiting for the check phase costs no latency: nothing else
 * of this process runs before it.
 *
 * Sending. The system is asked at once; when its buffer is full libuv keeps a reference to the
 * bytes and tries again later. So bytes are copied out of the caller's batch into a ring that is
 * twice as long as what may be waiting; past that bound datagrams are dropped and counted, as a
 * network card's queue would do.
 *
 * Addresses are literal, so no send ever asks a resolver.
 */
import type { RemoteInfo, Socket, SocketType } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { isIPv4, isIPv6 } from 'node:net';
import {
  assert,
  Counters,
  DatagramBatch,
  OverlayError,
  type UnderlayAddress,
  underlayAddress,
} from '../kernel/index.ts';
import { AddressCache } from './address-cache.ts';
import type { LocalSocketOptions, ReceiveBatch, Underlay } from './underlay.ts';

export interface UdpUnderlayOptions {
  readonly locals: readonly LocalSocketOptions[];
  /** Longest datagram taken in either direction. Default 1500; longer ones are dropped, counted. */
  readonly datagramBytesMax?: number;
  /** Datagrams handed on in one batch. Default 64. */
  readonly batchPackets?: number;
  /** Asked of the system for each direction; it may give less. Default 4 MiB. */
  readonly systemBufferBytes?: number;
  /** Bytes that may wait for the system's buffer, each socket. Default 512 KiB; drop newest. */
  readonly sendQueueBytesMax?: number;
  /** Remote addresses remembered. Default 4096; the oldest is evicted. */
  readonly remotesMax?: number;
}

export class UdpUnderlay implements Underlay {
  readonly kind = 'portable';
  readonly locals: readonly UnderlayAddress[];
  private readonly sockets: readonly Socket[];
  private readonly datagramBytesMax: number;
  private readonly incoming: DatagramBatch;
  private readonly addresses: AddressCache;
  private readonly ring: Uint8Array;
  private ringAt = 0;
  private readonly sendQueueBytesMax: number;
  private readonly tally = new Counters();
  private receive: ReceiveBatch | undefined;
  private isFlushScheduled = false;
  private closing: Promise<void> | undefined;
  private datagramsIn = 0;
  private datagramsOut = 0;
  private bytesIn = 0;
  private bytesOut = 0;

  /** Opens every socket. Fails with UNDERLAY_BIND_FAILED; then none is left open. */
  static async open(options: UdpUnderlayOptions): Promise<UdpUnderlay> {
    const bufferBytes = options.systemBufferBytes ?? 4 * 1024 * 1024;
    const opened: Socket[] = [];
    try {
      for (const local of options.locals) opened.push(await bindSocket(local, bufferBytes));
    } catch (error) {
      for (const socket of opened) socket.close();
      throw error;
    }
    return new UdpUnderlay(options, opened);
  }

  private constructor(options: UdpUnderlayOptions, sockets: readonly Socket[]) {
    this.sockets = sockets;
    this.locals = sockets.map((socket) => {
      const { address, port } = socket.address();
      return underlayAddress(address, port);
    });
    this.datagramBytesMax = options.datagramBytesMax ?? 1500;
    const batchPackets = options.batchPackets ?? 64;
    this.incoming = new DatagramBatch({
      capacity: batchPackets,
      slabBytes: batchPackets * this.datagramBytesMax,
    });
    this.addresses = new AddressCache(options.remotesMax ?? 4096);
    this.sendQueueBytesMax = options.sendQueueBytesMax ?? 512 * 1024;
    // Each socket may have a full queue waiting; the ring must not come round to it.
    this.ring = new Uint8Array((sockets.length + 1) * this.sendQueueBytesMax);
    for (const [local, socket] of sockets.entries()) {
      socket.on('message', (bytes, from) => this.gather(bytes, from, local));
      socket.on('error', (error) => this.tally.add(`receive-error.${codeOf(error)}`));
    }
  }

  get buffers(): { receiveBytes: number; sendBytes: number } {
    if (this.closing !== undefined) return { receiveBytes: 0, sendBytes: 0 };
    return {
      receiveBytes: Math.min(...this.sockets.map((s) => s.getRecvBufferSize())),
      sendBytes: Math.min(...this.sockets.map((s) => s.getSendBufferSize())),
    };
  }

  start(receive: ReceiveBatch): void {
    assert(this.receive === undefined, 'an underlay is started once');
    this.receive = receive;
  }

  send(batch: DatagramBatch): void {
    if (this.closing !== undefined) {
      this.tally.add('send-closed', batch.count);
      return;
    }
    // With nothing waiting the ring starts over, so that an unhurried node touches few pages of it.
    if (this.sockets.every((s) => s.getSendQueueSize() === 0)) this.ringAt = 0;
    for (let i = 0; i < batch.count; i++) {
      const remote = batch.remotes[i]!;
      const socket = this.socketFor(batch.locals[i]!, remote);
      if (socket === undefined) this.tally.add('send-no-socket');
      else this.sendOne(socket, batch, i, remote);
    }
  }

  counters(): Record<string, number> {
    return {
      ...this.tally.snapshot(),
      'datagrams-in': this.datagramsIn,
      'datagrams-out': this.datagramsOut,
      'bytes-in': this.bytesIn,
      'bytes-out': this.bytesOut,
      'remotes-evicted': this.addresses.evictions,
    };
  }

  close(): Promise<void> {
    this.closing ??= Promise.all(
      this.sockets.map((socket) => new Promise<void>((done) => socket.close(done))),
    ).then(() => undefined);
    return this.closing;
  }

  private sendOne(socket: Socket, batch: DatagramBatch, i: number, to: UnderlayAddress): void {
    const length = batch.lengths[i]!;
    if (length > this.datagramBytesMax) {
      this.tally.add('send-oversize');
      return;
    }
    if (socket.getSendQueueSize() + length > this.sendQueueBytesMax) {
      this.tally.add('send-queue-full');
      return;
    }
    if (this.ringAt + length > this.ring.length) this.ringAt = 0;
    const start = this.ringAt;
    const from = batch.offsets[i]!;
    this.ring.set(batch.slab.subarray(from, from + length), start);
    this.ringAt = start + length;
    this.datagramsOut++;
    this.bytesOut += length;
    socket.send(this.ring, start, length, to.port, to.host, this.sendDone);
  }

  private readonly sendDone = (error: Error | null): void => {
    if (error !== null) this.tally.add(`send-error.${codeOf(error)}`);
  };

  /** The socket asked for, or the first of the remote's family. */
  private socketFor(local: number, remote: UnderlayAddress): Socket | undefined {
    if (this.locals[local]?.family === remote.family) return this.sockets[local];
    return this.sockets[this.locals.findIndex((l) => l.family === remote.family)];
  }

  private gather(bytes: Uint8Array, from: RemoteInfo, local: number): void {
    this.datagramsIn++;
    this.bytesIn += bytes.length;
    if (bytes.length > this.datagramBytesMax) {
      this.tally.add('receive-oversize');
      return;
    }
    if (!this.incoming.hasRoom(bytes.length)) this.flush();
    this.incoming.push(bytes, this.addresses.intern(from.address, from.port), local);
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    setImmediate(this.flushLater);
  }

  private readonly flushLater = (): void => {
    this.isFlushScheduled = false;
    this.flush();
  };

  private flush(): void {
    const batch = this.incoming;
    if (batch.count === 0) return;
    try {
      if (this.closing === undefined) this.receive?.(batch);
    } finally {
      batch.clear();
    }
  }
}

async function bindSocket(local: LocalSocketOptions, bufferBytes: number): Promise<Socket> {
  const type = socketType(local);
  // Never dual-stack: an IPv4 remote would then have two different addresses.
  const socket = createSocket({ type, ipv6Only: type === 'udp6', lookup: literalLookup });
  try {
    await new Promise<void>((bound, failed) => {
      socket.once('error', failed);
      socket.bind({ address: local.host, port: local.port, exclusive: true }, () => {
        socket.off('error', failed);
        bound();
      });
    });
  } catch (cause) {
    socket.close();
    const { host, port } = local;
    throw new OverlayError(
      'UNDERLAY_BIND_FAILED',
      `cannot open UDP ${underlayAddress(host, port).key}: ${codeOf(cause)}`,
      { details: { host, port, system: codeOf(cause) }, cause },
    );
  }
  growBuffers(socket, bufferBytes);
  return socket;
}

function socketType(local: LocalSocketOptions): SocketType {
  if (isIPv4(local.host)) return 'udp4';
  if (isIPv6(local.host)) return 'udp6';
  throw new OverlayError('BAD_ARGUMENT', `not an IP address: ${local.host}`, {
    details: { host: local.host },
  });
}

/** Bigger buffers are a wish: Linux gives up to net.core.rmem_max, others refuse altogether. */
function growBuffers(socket: Socket, bytes: number): void {
  for (const grow of [
    () => socket.setRecvBufferSize(bytes),
    () => socket.setSendBufferSize(bytes),
  ]) {
    try {
      grow();
    } catch {
      // The size in force is reported by `buffers`; doctor compares it.
    }
  }
}

/** dgram asks this for every send; the default would go through the resolver's thread pool. */
function literalLookup(
  host: string,
  _options: unknown,
  answer: (error: null, address: string, family: number) => void,
): void {
  answer(null, host, host.includes(':') ? 6 : 4);
}

const codeOf = (error: unknown): string => (error as { code?: string } | null)?.code ?? 'unknown';
