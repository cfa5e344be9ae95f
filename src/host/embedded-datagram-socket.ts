/** A datagram socket on a node in this process. Made by `OverlayHost.datagram`. */
import { EventEmitter } from 'node:events';
import { BoundedQueue } from '../kernel/index.ts';
import type { ReceiptOutcome, SendOutcome } from '../node/index.ts';
import {
  DATAGRAM_BYTES_MAX,
  type Datagram,
  type DatagramSocket,
  type DatagramSocketEvents,
  type DeliverOptions,
  type Endpoint,
  type EndpointParts,
  RELIABLE_TIMEOUT_MS,
  SEND_WAITING_MAX,
  type SendOptions,
  type SocketStatus,
  type UndeliverableCode,
} from './api.ts';
import { parseEndpoint } from './endpoint.ts';
import { failure } from './failure.ts';
import { ReliableDesk } from './reliable-desk.ts';

/** What the socket needs of its host. */
export interface DatagramPort {
  /** `unknown` where no member has that name. */
  send(to: EndpointParts, payload: Uint8Array): SendOutcome | 'unknown';
  sendReliable(to: EndpointParts, message: ReliableBytes): SendOutcome | 'unknown';
  /** The node has let go of the port. */
  released(): void;
}

export interface ReliableBytes {
  readonly id: number;
  readonly payload: Uint8Array;
  readonly timeoutMs: number;
}

interface Waiting {
  readonly to: EndpointParts;
  readonly payload: Uint8Array;
  /** Of a reliable one. */
  readonly reliable: ReliableBytes | undefined;
}

const CODES: Readonly<Partial<Record<SendOutcome | 'unknown', UndeliverableCode>>> = {
  unreachable: 'UNREACHABLE',
  unknown: 'UNKNOWN_DESTINATION',
  'too-big': 'MESSAGE_TOO_BIG',
};

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
  private waiting: Waiting[] = [];
  private readonly desk = new ReliableDesk();
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

  get delivered(): number {
    return this.desk.delivered;
  }

  get status(): SocketStatus {
    const { dropped } = this;
    return { kind: 'datagram', port: this.local.port, remote: undefined, dropped };
  }

  send(payload: Uint8Array | string, options: SendOptions): boolean {
    const { to, bytes } = this.checked(payload, options.to);
    if (options.reliable !== true) return this.offer({ to, payload: bytes, reliable: undefined });
    const id = this.desk.open({
      settled: (code) => {
        if (code !== undefined && code !== 'CLOSED') this.emit('undeliverable', to, code);
      },
    });
    return this.offerReliable(id, to, bytes, RELIABLE_TIMEOUT_MS);
  }

  deliver(payload: Uint8Array | string, options: DeliverOptions): Promise<void> {
    return this.desk.promise(options, (id) => {
      const { to, bytes } = this.checked(payload, options.to);
      this.offerReliable(id, to, bytes, options.timeoutMs ?? RELIABLE_TIMEOUT_MS);
    });
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.waiting = [];
    this.port.released();
    this.desk.close();
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
  arrived(datagram: Datagram): void {
    if (this.isClosed) return;
    if (this.emit('message', datagram)) return;
    const reader = this.readers.shift();
    if (reader === undefined) this.received.push(datagram);
    else reader({ done: false, value: datagram });
  }

  /** How a reliable datagram ended. */
  receipt(id: number, outcome: ReceiptOutcome): void {
    this.desk.ended(id, outcome);
  }

  /** The node has room again. */
  drained(): void {
    while (this.waiting.length > 0) {
      if (!this.attempt(this.waiting[0]!)) return;
      this.waiting.shift();
    }
    if (!this.isClosed) this.emit('drain');
  }

  private checked(
    payload: Uint8Array | string,
    to: Endpoint,
  ): { to: EndpointParts; bytes: Uint8Array } {
    if (this.isClosed) throw failure('CLOSED');
    const bytes = typeof payload === 'string' ? UTF8.encode(payload) : payload;
    if (bytes.length > DATAGRAM_BYTES_MAX)
      throw failure('MESSAGE_TOO_BIG', undefined, {
        details: { bytes: bytes.length, bytesMax: DATAGRAM_BYTES_MAX },
      });
    return { to: this.endpoint(to), bytes };
  }

  private offerReliable(
    id: number,
    to: EndpointParts,
    payload: Uint8Array,
    timeoutMs: number,
  ): boolean {
    return this.offer({ to, payload, reliable: { id, payload, timeoutMs } });
  }

  private offer(datagram: Waiting): boolean {
    if (this.waiting.length === 0 && this.attempt(datagram)) return true;
    return this.wait(datagram);
  }

  /** False when the node is full. */
  private attempt({ to, payload, reliable }: Waiting): boolean {
    const outcome =
      reliable === undefined ? this.port.send(to, payload) : this.port.sendReliable(to, reliable);
    if (outcome === 'full') return false;
    const code = CODES[outcome];
    if (code === undefined) return true;
    if (reliable !== undefined) this.desk.failed(reliable.id, code);
    else if (code === 'MESSAGE_TOO_BIG') this.unsent++;
    else this.missed(to, code);
    return true;
  }

  private wait(datagram: Waiting): false {
    const { to, reliable } = datagram;
    const payload = datagram.payload.slice();
    const kept = reliable === undefined ? undefined : { ...reliable, payload };
    if (this.waiting.length < SEND_WAITING_MAX) this.waiting.push({ to, payload, reliable: kept });
    else if (reliable === undefined) this.unsent++;
    else this.desk.failed(reliable.id, 'LIMIT_REACHED');
    return false;
  }

  private missed(to: EndpointParts, code: UndeliverableCode): void {
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
