import { createServer, type Server, type Socket } from 'node:net';
import type { OverlayNodeHandle } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';
import {
  CONNECTIONS_MAX_DEFAULT,
  type ForwardOptions,
  type HostPort,
  type OpenPort,
  PortCounters,
} from './forward-port.ts';
import { joinStreams } from './join-streams.ts';

/** Takes TCP connections at this site to an overlay port. Fails with FORWARD_LISTEN_FAILED. */
export async function openTcpForward(
  node: OverlayNodeHandle,
  options: ForwardOptions,
): Promise<OpenPort> {
  const counters = new PortCounters();
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT;
  const sockets = new Set<Socket>();
  const closing = new AbortController();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (tcp) => {
    // A connection may fail at any moment; who needs to know listens besides.
    tcp.on('error', () => {});
    if (sockets.size >= connectionsMax) {
      counters.refuse('too-many-connections');
      tcp.resetAndDestroy();
      return;
    }
    sockets.add(tcp);
    tcp.once('close', () => sockets.delete(tcp));
    void lead(node, options, tcp, counters, closing.signal);
  });
  const local = await listening(server, options.listen);
  return {
    local,
    counters,
    drain: () => void server.close(),
    async close(): Promise<void> {
      closing.abort();
      for (const tcp of sockets) tcp.resetAndDestroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function lead(
  node: OverlayNodeHandle,
  options: ForwardOptions,
  tcp: Socket,
  counters: PortCounters,
  closing: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const abandon = (): void => gone.abort();
  tcp.on('error', abandon).once('close', abandon);
  try {
    const stream = await node.connect(
      { node: options.to, port: options.port },
      {
        ...options.flow,
        signal: AbortSignal.any([gone.signal, closing]),
      },
    );
    joinStreams(tcp, stream, counters);
  } catch (error) {
    counters.refuse(error instanceof OverlayError ? error.code : 'INTERNAL');
    tcp.resetAndDestroy();
    if (!(error instanceof OverlayError)) throw error;
  } finally {
    tcp.off('close', abandon);
  }
}

async function listening(server: Server, listen: HostPort): Promise<HostPort> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenFailed(listen, cause)));
    server.listen({ host: listen.host, port: listen.port }, resolve);
  });
  server.removeAllListeners('error');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  return { host: listen.host, port };
}

export function listenFailed(listen: HostPort, cause: NodeJS.ErrnoException): OverlayError {
  return new OverlayError(
    'FORWARD_LISTEN_FAILED',
    `cannot listen on ${listen.host}:${listen.port} (${cause.code ?? cause.message})`,
    { details: { ...listen, reason: cause.code }, isRetryable: true, cause },
  );
}
