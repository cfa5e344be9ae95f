import { createSocket, type Socket } from 'node:dgram';
import type { DatagramSocket, EndpointParts, OverlayNodeHandle } from '../host/index.ts';
import { BoundedQueue } from '../kernel/index.ts';
import { ClientTable } from './client-table.ts';
import {
  CLIENTS_MAX_DEFAULT,
  type ExposeOptions,
  type HostPort,
  IDLE_MS_DEFAULT,
  isAllowed,
  type OpenPort,
  PortCounters,
} from './forward-port.ts';

/** Datagrams held while a client's UDP socket is being bound. */
const OPENING_QUEUE_MAX = 64;

/**
 * Takes datagrams on an overlay port to a UDP address near this node. Each overlay client speaks
 * from a UDP port of its own, so the target can tell clients apart and its answers find their way
 * back. Fails as `datagram` does.
 */
export async function openUdpExpose(
  node: OverlayNodeHandle,
  options: ExposeOptions,
): Promise<OpenPort> {
  const counters = new PortCounters();
  const clients = new ClientTable<ExposeClient>({
    max: options.clientsMax ?? CLIENTS_MAX_DEFAULT,
    idleMs: options.idleMs ?? IDLE_MS_DEFAULT,
  });
  const overlay = await node.datagram({ ...options.flow, port: options.port });
  overlay.on('message', ({ payload, from }) => {
    if (!isAllowed(options.from, from.node)) {
      counters.refuse('not-allowed');
      return;
    }
    const key = `${from.node} ${from.port}`;
    const client = clients.heard(key, () => {
      counters.connectionsTotal++;
      return new ExposeClient({
        overlay,
        from,
        target: options.to,
        counters,
        heard: () => clients.touch(key),
      });
    });
    counters.connections = clients.size;
    counters.bytesIn += payload.length;
    client.send(payload);
  });
  return {
    local: { host: node.name, port: overlay.local.port },
    counters,
    // UDP has no end to wait for.
    drain: () => {},
    async close(): Promise<void> {
      clients.close();
      await overlay.close();
    },
  };
}

interface ExposeClientOptions {
  readonly overlay: DatagramSocket;
  readonly from: EndpointParts;
  readonly target: HostPort;
  readonly counters: PortCounters;
  readonly heard: () => void;
}

class ExposeClient {
  private readonly udp: Socket;
  private readonly counters: PortCounters;
  private isConnected = false;
  private isClosed = false;
  private readonly waiting = new BoundedQueue<Uint8Array>({
    capacity: OPENING_QUEUE_MAX,
    overflow: 'drop-oldest',
  });

  constructor({ overlay, from, target, counters, heard }: ExposeClientOptions) {
    this.counters = counters;
    this.udp = createSocket(target.host.includes(':') ? 'udp6' : 'udp4');
    // A target that does not listen shows as ECONNREFUSED on later sends; it may come up again.
    this.udp.on('error', () => counters.refuse('target-unreachable'));
    this.udp.on('message', (payload) => {
      heard();
      counters.bytesOut += payload.length;
      if (!overlay.send(payload, { to: from })) counters.refuse('back-pressure');
    });
    // Connected, so that only the target can answer.
    this.udp.connect(target.port, target.host, (cause?: Error) => {
      if (cause === undefined) this.connected();
      else counters.refuse('target-unreachable');
    });
  }

  send(payload: Uint8Array): void {
    if (this.isConnected) this.udp.send(payload);
    else {
      if (this.waiting.isFull) this.counters.refuse('opening-queue-full');
      this.waiting.push(payload);
    }
  }

  close(): void {
    this.isClosed = true;
    this.udp.close();
  }

  private connected(): void {
    if (this.isClosed) return;
    this.isConnected = true;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift())
      this.udp.send(next);
  }
}
