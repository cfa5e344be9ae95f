import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PortCounters } from './forward-port.ts';

/**
 * Joins a TCP connection and an overlay stream. Each direction ends by itself, as TCP's do; when
 * one side fails the other is reset, so that neither end takes a broken transfer for a whole one.
 */
export function joinStreams(tcp: Socket, stream: Duplex, counters: PortCounters): void {
  counters.connections++;
  counters.connectionsTotal++;
  let isOpen = true;
  const closed = (): void => {
    if (!isOpen) return;
    isOpen = false;
    counters.connections--;
  };
  tcp.setNoDelay(true);
  tcp.on('data', (chunk: Buffer) => {
    counters.bytesOut += chunk.length;
  });
  stream.on('data', (chunk: Buffer) => {
    counters.bytesIn += chunk.length;
  });
  tcp.on('error', () => stream.destroy());
  stream.on('error', () => tcp.resetAndDestroy());
  tcp.once('close', () => {
    closed();
    if (!isFinished(stream)) stream.destroy();
  });
  stream.once('close', () => {
    closed();
    if (!isFinished(tcp)) tcp.resetAndDestroy();
  });
  tcp.pipe(stream);
  stream.pipe(tcp);
}

/** Both directions came to their end in good order, or it is gone already. */
const isFinished = (stream: Duplex): boolean =>
  stream.destroyed || (stream.readableEnded && stream.writableEnded);
