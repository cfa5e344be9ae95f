/** A datagram socket on a node in this process. Made by `OverlayHost.datagram`. */
import { EventEmitter } from 'node:events';
import { BoundedQueue } from '../kernel/index.ts';
import type { SendOutcome } from '../node/index.ts';
import {
  DATAGRAM_BYTES_MAX,
  type Datagram,
  type DatagramSocket,
  type DatagramSocketEvents,
  type Endpoint,
  type EndpointParts,
  SEND_WAITING_MAX,
  type SocketStatus,
} from './api.ts';
import { parseEndpoint } from './endpoint.ts';
import { failure } from './failure.ts';

/** What the socket needs of its host. */
export interface DatagramPort {
  /** `unknown` where no member has that name. */
  send(to: EndpointParts, payload: Uint8Array): SendOutcome | 'unknown';
  /** The node has let go of the port. */
  released(): void;
}

const UTF8 = new TextEncoder();
/** Parsed destinations kept, so that sending to a few places does not parse each time. */
const ENDPOINTS_MAX = 256;

export class EmbeddedDatagramSocket
  extends EventEmitter<DatagramSocketEvents>
  implements DatagramSocket
{
  readonly local: EndpointParts;
  unsent = 0;
  private readonly port: DatagramPort;
  private readonly received: BoundedQueue<Datagram>;
  private readonly endpoints = new Map<string, EndpointParts>();
  private waiting: { readonly to: EndpointParts; readonly payload: Uint8Array }[] = [];
  private readers: ((result: IteratorResult<Datagram>) => void)[] = [];
  private isClosed = false;

  constructor(options: {
    local: EndpointParts;
    port: DatagramPort;
    receiveQueueMax: number;
    signal: AbortSignal | undefined;
  }) {
    super();
    this.local = options.local;
    this.port = options.port;
    this.received = new BoundedQueue({
      capacity: options.receiveQueueMax,
      overflow: 'drop-oldest',
    });
    options.signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

  get dropped(): number {
    return this.received.overflows;
  }

  get status(): SocketStatus {
    const { dropped } = this;
    return { kind: 'datagram', port: this.local.port, remote: undefined, dropped };
  }

  send(payload: Uint8Array | string, options: { readonly to: Endpoint }): boolean {
    if (this.isClosed) throw failure('CLOSED');
    const bytes = typeof payload === 'string' ? UTF8.encode(payload) : payload;
    if (bytes.length > DATAGRAM_BYTES_MAX)
      throw failure('MESSAGE_TOO_BIG', undefined, {
        details: { bytes: bytes.length, bytesMax: DATAGRAM_BYTES_MAX },
      });
    const to = this.endpoint(options.to);
    if (this.waiting.length > 0) return this.wait(to, bytes);
    return this.attempt(to, bytes) || this.wait(to, bytes);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.waiting = [];
    this.port.released();
    // What was received before is still there to be read; iteration ends behind it.
    for (const reader of this.readers) reader({ done: true, value: undefined });
    this.readers = [];
    this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Datagram, void, undefined> {
    for (;;) {
      const queued = this.received.shift();
      if (queued !== undefined) yield queued;
      else if (this.isClosed) return;
      else {
        const result = await new Promise<IteratorResult<Datagram>>((resolve) =>
          this.readers.push(resolve),
        );
        if (result.done === true) return;
        yield result.value;
      }
    }
  }

  /** A datagram arrived. The payload is the socket's own. */
  deliver(datagram: Datagram): void {
    if (this.isClosed) return;
    if (this.emit('message', datagram)) return;
    const reader = this.readers.shift();
    if (reader === undefined) this.received.push(datagram);
    else reader({ done: false, value: datagram });
  }

  /** The node has room again. */
  drained(): void {
    while (this.waiting.length > 0) {
      const { to, payload } = this.waiting[0]!;
      if (!this.attempt(to, payload)) return;
      this.waiting.shift();
    }
    if (!this.isClosed) this.emit('drain');
  }

  /** False when the node is full. */
  private attempt(to: EndpointParts, payload: Uint8Array): boolean {
    const outcome = this.port.send(to, payload);
    if (outcome === 'full') return false;
    if (outcome === 'unreachable') this.missed(to, 'UNREACHABLE');
    else if (outcome === 'unknown') this.missed(to, 'UNKNOWN_DESTINATION');
    else if (outcome === 'too-big') this.unsent++;
    return true;
  }

  private wait(to: EndpointParts, payload: Uint8Array): false {
    if (this.waiting.length >= SEND_WAITING_MAX) this.unsent++;
    else this.waiting.push({ to, payload: payload.slice() });
    return false;
  }

  private missed(to: EndpointParts, code: 'UNREACHABLE' | 'UNKNOWN_DESTINATION'): void {
    this.unsent++;
    // After the caller's own statement, as an answer from elsewhere would come.
    queueMicrotask(() => this.emit('undeliverable', to, code));
  }

  private endpoint(to: Endpoint): EndpointParts {
    if (typeof to !== 'string') return parseEndpoint(to);
    let parts = this.endpoints.get(to);
    if (parts === undefined) {
      parts = parseEndpoint(to);
      if (this.endpoints.size >= ENDPOINTS_MAX) this.endpoints.clear();
      this.endpoints.set(to, parts);
    }
    return parts;
  }
}
