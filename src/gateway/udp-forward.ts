import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { DATAGRAM_BYTES_MAX, type DatagramSocket, type OverlayNodeHandle } from '../host/index.ts';
import { BoundedQueue, OverlayError } from '../kernel/index.ts';
import { ClientTable } from './client-table.ts';
import {
  CLIENTS_MAX_DEFAULT,
  type ForwardOptions,
  type HostPort,
  IDLE_MS_DEFAULT,
  type OpenPort,
  PortCounters,
} from './forward-port.ts';
import { listenFailed } from './tcp-forward.ts';

/** Datagrams of one client held while its overlay socket is being opened. */
const OPENING_QUEUE_MAX = 64;
/** A burst of video fills the system's default buffer. */
const SYSTEM_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Takes UDP datagrams at this site to an overlay port, boundaries kept. Each client address has an
 * overlay datagram socket of its own, hence a flow of its own, and gets the answers to it.
 * Fails with FORWARD_LISTEN_FAILED.
 */
export async function openUdpForward(
  node: OverlayNodeHandle,
  options: ForwardOptions,
): Promise<OpenPort> {
  const counters = new PortCounters();
  const clients = new ClientTable<ForwardClient>({
    max: options.clientsMax ?? CLIENTS_MAX_DEFAULT,
    idleMs: options.idleMs ?? IDLE_MS_DEFAULT,
  });
  const udp = createSocket(options.listen.host.includes(':') ? 'udp6' : 'udp4');
  const local = await bound(udp, options.listen);
  udp.on('error', () => counters.refuse('socket-error'));
  udp.on('message', (payload, from) => {
    const key = `${from.address} ${from.port}`;
    const client = clients.heard(key, () => {
      counters.connectionsTotal++;
      return new ForwardClient({
        node,
        options,
        counters,
        answer: (bytes) => {
          clients.touch(key);
          udp.send(bytes, from.port, from.address);
        },
        failed: () => clients.forget(key),
      });
    });
    counters.connections = clients.size;
    client.send(payload);
  });
  return {
    local,
    counters,
    // UDP has no end to wait for.
    drain: () => {},
    async close(): Promise<void> {
      clients.close();
      udp.close();
      await once(udp, 'close');
    },
  };
}

interface ForwardClientOptions {
  readonly node: OverlayNodeHandle;
  readonly options: ForwardOptions;
  readonly counters: PortCounters;
  readonly answer: (bytes: Uint8Array) => void;
  readonly failed: () => void;
}

class ForwardClient {
  private readonly to: { node: string; port: number };
  private readonly counters: PortCounters;
  private socket: DatagramSocket | undefined;
  private isClosed = false;
  private readonly waiting = new BoundedQueue<Uint8Array>({
    capacity: OPENING_QUEUE_MAX,
    overflow: 'drop-oldest',
  });

  constructor({ node, options, counters, answer, failed }: ForwardClientOptions) {
    this.to = { node: options.to, port: options.port };
    this.counters = counters;
    node
      .datagram({ ...options.flow, to: options.to })
      .then((socket) => this.opened(socket, answer))
      .catch((error: unknown) => {
        counters.refuse(error instanceof OverlayError ? error.code : 'INTERNAL');
        failed();
      });
  }

  send(payload: Uint8Array): void {
    if (payload.length > DATAGRAM_BYTES_MAX) {
      this.counters.refuse('too-big');
      return;
    }
    if (this.socket === undefined) {
      if (this.waiting.isFull) this.counters.refuse('opening-queue-full');
      this.waiting.push(payload);
      return;
    }
    this.counters.bytesOut += payload.length;
    if (!this.socket.send(payload, { to: this.to })) this.counters.refuse('back-pressure');
  }

  close(): void {
    this.isClosed = true;
    void this.socket?.close();
  }

  private opened(socket: DatagramSocket, answer: (bytes: Uint8Array) => void): void {
    if (this.isClosed) {
      void socket.close();
      return;
    }
    this.socket = socket;
    socket.on('message', ({ payload, from }) => {
      // Only the node this client is talking to may answer it.
      if (from.node !== this.to.node || from.port !== this.to.port) {
        this.counters.refuse('stranger');
        return;
      }
      this.counters.bytesIn += payload.length;
      answer(payload);
    });
    socket.on('undeliverable', (_to, code) => this.counters.refuse(code));
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift())
      this.send(next);
  }
}

async function bound(udp: Socket, listen: HostPort): Promise<HostPort> {
  await new Promise<void>((resolve, reject) => {
    udp.once('error', (cause) => {
      udp.close();
      reject(listenFailed(listen, cause));
    });
    udp.bind({ address: listen.host, port: listen.port, exclusive: true }, resolve);
  });
  udp.removeAllListeners('error');
  try {
    udp.setRecvBufferSize(SYSTEM_BUFFER_BYTES);
  } catch {
    // The system's own size serves; `doctor` tells of small buffers.
  }
  return { host: listen.host, port: udp.address().port };
}
