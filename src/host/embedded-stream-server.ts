/** A listener on a node in this process. Made by `OverlayHost.listen`. */
import { EventEmitter } from 'node:events';
import type {
  EndpointParts,
  OverlayStream,
  SocketStatus,
  StreamServer,
  StreamServerEvents,
} from './api.ts';

export class EmbeddedStreamServer extends EventEmitter<StreamServerEvents> implements StreamServer {
  private readonly bound: EndpointParts;
  private readonly release: () => void;
  private isClosed = false;

  constructor(options: {
    local: EndpointParts;
    release: () => void;
    signal: AbortSignal | undefined;
  }) {
    super();
    this.bound = options.local;
    this.release = options.release;
    options.signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

  address(): EndpointParts {
    return this.bound;
  }

  get status(): SocketStatus {
    return { kind: 'listener', port: this.bound.port, remote: undefined, dropped: 0 };
  }

  /** Hands a stream over; one that nobody takes is reset. */
  accept(stream: OverlayStream): void {
    if (this.isClosed || !this.emit('connection', stream)) stream.destroy();
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.release();
    this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
