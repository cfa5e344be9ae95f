import { connect, type Socket } from 'node:net';
import type { OverlayNodeHandle, OverlayStream } from '../host/index.ts';
import {
  CONNECTIONS_MAX_DEFAULT,
  type ExposeOptions,
  isAllowed,
  type OpenPort,
  PortCounters,
} from './forward-port.ts';
import { joinStreams } from './join-streams.ts';

/** Takes streams on an overlay port to a TCP address near this node. Fails as `listen` does. */
export async function openTcpExpose(
  node: OverlayNodeHandle,
  options: ExposeOptions,
): Promise<OpenPort> {
  const counters = new PortCounters();
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT;
  const sockets = new Set<Socket>();
  const refuse = (stream: OverlayStream, reason: string): void => {
    counters.refuse(reason);
    stream.on('error', ignore).destroy();
  };
  const server = await node.listen({ port: options.port }, (stream) => {
    if (!isAllowed(options.from, stream.remote.node)) return refuse(stream, 'not-allowed');
    if (sockets.size >= connectionsMax) return refuse(stream, 'too-many-connections');
    const tcp = connect({ ...options.to, allowHalfOpen: true });
    tcp.on('error', ignore);
    stream.on('error', ignore);
    sockets.add(tcp);
    tcp.once('close', () => sockets.delete(tcp));
    const failed = (): void => refuse(stream, 'target-unreachable');
    const abandoned = (): void => {
      tcp.destroy();
    };
    tcp.once('error', failed);
    stream.once('error', abandoned).once('close', abandoned);
    tcp.once('connect', () => {
      tcp.off('error', failed);
      stream.off('error', abandoned).off('close', abandoned);
      joinStreams(tcp, stream, counters);
    });
  });
  return {
    local: { host: node.name, port: server.address().port },
    counters,
    drain: () => void server.close(),
    async close(): Promise<void> {
      await server.close();
      for (const tcp of sockets) tcp.resetAndDestroy();
    },
  };
}

const ignore = (): void => {};
