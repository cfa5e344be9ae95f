/** A datagram socket on a node in this process. Made by `OverlayHost.datagram`. */
import { EventEmitter } from 'node:events';
import type { ReceiptOutcome, SendOutcome, SentMany } from '../node/index.ts';
import {
  type Datagram,
  type DatagramSocket,
  type DatagramSocketEvents,
  type DeliverOptions,
  type Endpoint,
  type EndpointParts,
  RELIABLE_TIMEOUT_MS,
  type ReceivedBatch,
  SEND_WAITING_MAX,
  type SendOptions,
  type SocketStatus,
  type UndeliverableCode,
} from './api.ts';
import { DatagramInbox } from './datagram-inbox.ts';
import { checkDatagramSize, EndpointMemo } from './endpoint.ts';
import { failure } from './failure.ts';
import { ReliableDesk } from './reliable-desk.ts';

/** What the socket needs of its host. */
export interface DatagramPort {
  /** `unknown` where no member has that name. */
  send(to: EndpointParts, payload: Uint8Array): SendOutcome | 'unknown';
  /** Those from place `first` on. */
  sendMany(
    to: EndpointParts,
    payloads: readonly Uint8Array[],
    first: number,
  ): SentMany | { readonly taken: 0; readonly outcome: 'unknown' };
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

/**
 * Offered each datagram while it is in the node's own memory, and nothing waits to be read. True: taken, copied as
 * far as it is needed; false: it is queued. It runs inside the node, so it may call nothing of the node's.
 */
export type Borrower = (payload: Uint8Array, from: EndpointParts, lane: string) => boolean;

/** What a socket of this process can do besides. */
export interface Lender {
  /** From now on datagrams are offered to `borrower` first. */
  lendTo(borrower: Borrower): void;
}

const CODES: Readonly<Partial<Record<SendOutcome | 'unknown', UndeliverableCode>>> = {
  unreachable: 'UNREACHABLE',
  unknown: 'UNKNOWN_DESTINATION',
  'too-big': 'MESSAGE_TOO_BIG',
};

const UTF8 = new TextEncoder();

export class EmbeddedDatagramSocket
  extends EventEmitter<DatagramSocketEvents>
  implements DatagramSocket, Lender
{
  readonly local: EndpointParts;
  unsent = 0;
  private readonly port: DatagramPort;
  private readonly inbox: DatagramInbox;
  private readonly endpoints = new EndpointMemo();
  private waiting: Waiting[] = [];
  private staged: Datagram[] = [];
  private readonly desk = new ReliableDesk();
  private borrower: Borrower | undefined;
  private isClosed = false;

  constructor(options: {
    local: EndpointParts;
    port: DatagramPort;
    receiveQueueMax: number | undefined;
    signal: AbortSignal | undefined;
  }) {
    super();
    this.local = options.local;
    this.port = options.port;
    this.inbox = new DatagramInbox(options.receiveQueueMax);
    options.signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

  get dropped(): number {
    return this.inbox.dropped;
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

  sendMany(payloads: readonly Uint8Array[], options: { readonly to: Endpoint }): number {
    const to = this.endpoints.parse(options.to);
    for (const payload of payloads) checkDatagramSize(payload.length);
    if (this.isClosed) throw failure('CLOSED');
    // Those that wait go first; a drain follows when they have.
    if (this.waiting.length > 0) return 0;
    let at = 0;
    while (at < payloads.length) {
      const { taken, outcome } = this.port.sendMany(to, payloads, at);
      at += taken;
      if (outcome === 'full') return at;
      if (at === payloads.length) break;
      // The node has stopped, or this one does not go; the next may.
      const code = CODES[outcome];
      if (code === undefined) this.unsent++;
      else this.missed(to, code);
      at++;
    }
    return at;
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
    this.inbox.close();
    this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Datagram> {
    return this.inbox.datagrams();
  }

  batches(): AsyncIterableIterator<ReceivedBatch> {
    return this.inbox.batches();
  }

  /** 'message' is not emitted for what is borrowed. */
  lendTo(borrower: Borrower): void {
    this.borrower = borrower;
  }

  /** Whether a datagram that lies in the node's memory needs no copy of its own. */
  lend(payload: Uint8Array, from: EndpointParts, lane: string): boolean {
    const { borrower, staged, inbox } = this;
    if (borrower === undefined || staged.length > 0 || !inbox.isEmpty) return false;
    return borrower(payload, from, lane);
  }

  /** A datagram to be handed out by `handOut`, which the first one asks for: true. */
  stage(datagram: Datagram): boolean {
    return this.staged.push(datagram) === 1;
  }

  /** Hands out what was staged. `failed`: a handler of the program's threw. */
  handOut(failed: (error: unknown) => void): void {
    const due = this.staged;
    this.staged = [];
    for (const datagram of due) {
      try {
        this.arrived(datagram);
      } catch (error) {
        failed(error);
      }
    }
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

  private arrived(datagram: Datagram): void {
    if (this.isClosed) return;
    if (!this.emit('message', datagram)) this.inbox.push(datagram);
  }

  private checked(
    payload: Uint8Array | string,
    to: Endpoint,
  ): { to: EndpointParts; bytes: Uint8Array } {
    if (this.isClosed) throw failure('CLOSED');
    const bytes = typeof payload === 'string' ? UTF8.encode(payload) : payload;
    checkDatagramSize(bytes.length);
    return { to: this.endpoints.parse(to), bytes };
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
    if (code === 'MESSAGE_TOO_BIG') return;
    // After the caller's own statement, as an answer from elsewhere would come.
    queueMicrotask(() => this.emit('undeliverable', to, code));
  }
}
