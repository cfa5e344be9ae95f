/** A listener whose overlay end is in a daemon: streams are announced and then fetched. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { CHANNEL_INCOMING, ChannelDecoder, jsonBody } from '../daemon/index.ts';
import type {
  EndpointParts,
  OverlayStream,
  StreamServer,
  StreamServerEvents,
} from '../host/index.ts';
import type { ControlClient } from './control-client.ts';
import { RemoteStream } from './remote-stream.ts';

export class RemoteStreamServer extends EventEmitter<StreamServerEvents> implements StreamServer {
  private readonly client: ControlClient;
  private readonly socket: Socket;
  private readonly bound: EndpointParts;
  private readonly decoder: ChannelDecoder = new ChannelDecoder();
  private isClosed = false;

  constructor(options: {
    client: ControlClient;
    socket: Socket;
    head: Uint8Array;
    local: EndpointParts;
    signal: AbortSignal | undefined;
  }) {
    super();
    this.client = options.client;
    this.socket = options.socket;
    this.bound = options.local;
    this.socket.on('data', (chunk: Uint8Array) => this.arrived(chunk));
    this.socket.on('error', () => {});
    this.socket.once('end', () => void this.close());
    this.socket.once('close', () => void this.close());
    options.signal?.addEventListener('abort', () => void this.close(), { once: true });
    // Not before the caller has put its listeners on.
    if (options.head.length > 0) setImmediate(() => this.arrived(options.head));
  }

  address(): EndpointParts {
    return this.bound;
  }

  close(): Promise<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      this.socket.end();
      this.emit('close');
    }
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private arrived(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) {
      if (frame.type !== CHANNEL_INCOMING) continue;
      const told = jsonBody(frame) as { id?: unknown } | undefined;
      if (typeof told?.id === 'string') void this.fetch(told.id);
    }
  }

  private async fetch(id: string): Promise<void> {
    let stream: OverlayStream;
    try {
      stream = await fetchStream(this.client, `/v1/accept?id=${encodeURIComponent(id)}`);
    } catch {
      // The far end gave it up before we had it, or the daemon is gone: there is nothing to tell.
      return;
    }
    if (this.isClosed || !this.emit('connection', stream)) stream.destroy();
  }
}

export async function fetchStream(
  client: ControlClient,
  path: string,
  signal?: AbortSignal,
): Promise<RemoteStream> {
  const { socket, about, head } = await client.upgrade<{
    local: EndpointParts;
    remote: EndpointParts;
  }>(path, 'overlane-stream', signal);
  return new RemoteStream({ socket, head, ...about });
}
