/** A datagram socket whose overlay end is in a daemon. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import {
  CHANNEL_DATAGRAMS,
  CHANNEL_DROPPED,
  CHANNEL_OUTCOME,
  CHANNEL_UNDELIVERABLE,
  type ChannelDatagrams,
  ChannelDecoder,
  type ChannelFrame,
  ChannelWriter,
  DatagramsReader,
  jsonBody,
  reliableFrame,
} from '../daemon/index.ts';
import {
  type BatchOptions,
  checkDatagramSize,
  type Datagram,
  DatagramInbox,
  type DatagramSocket,
  type DatagramSocketEvents,
  type DeliverOptions,
  type Endpoint,
  EndpointMemo,
  type EndpointParts,
  failure,
  RELIABLE_TIMEOUT_MS,
  type ReceivedBatch,
  ReliableDesk,
  SEND_WAITING_MAX,
  type SendOptions,
  type UndeliverableCode,
} from '../host/index.ts';
import { utf8Decode, utf8Encode } from '../kernel/index.ts';
import type { ReadBuffers } from './read-buffers.ts';

const NAME_BYTES_MAX = 255;

export class RemoteDatagramSocket
  extends EventEmitter<DatagramSocketEvents>
  implements DatagramSocket
{
  readonly local: EndpointParts;
  unsent = 0;
  private readonly socket: Socket;
  private readonly buffers: ReadBuffers;
  /** A reader says that it keeps no payload. */
  private isLending = false;
  /** Another may keep some. */
  private isKept = false;
  private readonly writer: ChannelWriter;
  private readonly decoder: ChannelDecoder = new ChannelDecoder();
  private readonly reader = new DatagramsReader();
  private readonly endpoints = new EndpointMemo();
  private readonly inbox: DatagramInbox;
  private droppedByDaemon = 0;
  private readonly desk = new ReliableDesk();
  private waiting = 0;
  private isClosed = false;

  constructor(options: {
    socket: Socket;
    buffers: ReadBuffers;
    head: Uint8Array;
    local: EndpointParts;
    receiveQueueMax: number | undefined;
    signal: AbortSignal | undefined;
  }) {
    super();
    this.socket = options.socket;
    this.buffers = options.buffers;
    this.buffers.taker = (chunk) => this.arrived(chunk);
    this.writer = new ChannelWriter(options.socket);
    this.local = options.local;
    this.inbox = new DatagramInbox(options.receiveQueueMax);
    this.socket.on('data', (chunk: Uint8Array) => this.arrived(chunk));
    this.socket.on('drain', () => {
      this.waiting = 0;
      if (!this.isClosed) this.emit('drain');
    });
    this.socket.on('error', () => {});
    this.socket.once('end', () => this.shut());
    this.socket.once('close', () => this.shut());
    options.signal?.addEventListener('abort', () => void this.close(), { once: true });
    if (options.head.length > 0) this.arrived(options.head);
  }

  get dropped(): number {
    return this.inbox.dropped + this.droppedByDaemon;
  }

  get delivered(): number {
    return this.desk.delivered;
  }

  send(payload: Uint8Array | string, options: SendOptions): boolean {
    const { to, bytes } = this.checked(payload, options.to);
    if (options.reliable === true) {
      const id = this.desk.open({
        settled: (code) => {
          if (code !== undefined && code !== 'CLOSED') this.emit('undeliverable', to, code);
        },
      });
      return this.write(reliableFrame({ id, timeoutMs: RELIABLE_TIMEOUT_MS }, to, bytes), () =>
        this.desk.failed(id, 'LIMIT_REACHED'),
      );
    }
    if (this.waiting >= SEND_WAITING_MAX) {
      this.unsent++;
      return false;
    }
    return this.counted(this.writer.datagram(to.node, to.port, bytes));
  }

  sendMany(payloads: readonly Uint8Array[], options: { readonly to: Endpoint }): number {
    const { node, port } = this.endpoint(options.to);
    for (const payload of payloads) checkDatagramSize(payload.length);
    if (this.isClosed) throw failure('CLOSED');
    const { writer } = this;
    let taken = 0;
    while (taken < payloads.length && writer.isRoomy)
      writer.datagram(node, port, payloads[taken++]!);
    return taken;
  }

  deliver(payload: Uint8Array | string, options: DeliverOptions): Promise<void> {
    return this.desk.promise(options, (id) => {
      const { to, bytes } = this.checked(payload, options.to);
      const { timeoutMs = RELIABLE_TIMEOUT_MS } = options;
      const frame = reliableFrame({ id, timeoutMs }, to, bytes);
      this.write(frame, () => this.desk.failed(id, 'LIMIT_REACHED'));
    });
  }

  /** `refused` is called when too many wait already. */
  private write(frame: Uint8Array, refused: () => void): boolean {
    if (this.waiting >= SEND_WAITING_MAX) {
      refused();
      return false;
    }
    return this.counted(this.writer.frame(frame));
  }

  private counted(hasRoom: boolean): boolean {
    if (!hasRoom) this.waiting++;
    return hasRoom;
  }

  private checked(
    payload: Uint8Array | string,
    endpoint: Endpoint,
  ): { to: EndpointParts; bytes: Uint8Array } {
    if (this.isClosed) throw failure('CLOSED');
    const bytes = typeof payload === 'string' ? utf8Encode(payload) : payload;
    checkDatagramSize(bytes.length);
    return { to: this.endpoint(endpoint), bytes };
  }

  private endpoint(endpoint: Endpoint): EndpointParts {
    const to = this.endpoints.parse(endpoint);
    const { node } = to;
    // Not longer in UTF-8 than three bytes for each of JavaScript's units.
    if (node.length > 85 && utf8Encode(node).length > NAME_BYTES_MAX)
      throw failure('BAD_ARGUMENT', node.slice(0, 40));
    return to;
  }

  close(): Promise<void> {
    if (!this.isClosed) this.shut();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Datagram> {
    this.keep();
    return this.inbox.datagrams();
  }

  batches({ lent = false }: BatchOptions = {}): AsyncIterableIterator<ReceivedBatch> {
    if (!lent || this.isLending) this.keep();
    else if (!this.isKept) this.buffers.reuse = true;
    this.isLending ||= lent;
    return this.inbox.batches(() => this.buffers.release());
  }

  /** State: no payload is written over any more. */
  private keep(): void {
    if (this.isKept) return;
    this.isKept = true;
    this.buffers.reuse = false;
  }

  private arrived(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) this.handle(frame);
    if (this.decoder.isBroken) this.socket.destroy();
  }

  private handle(frame: ChannelFrame): void {
    if (frame.type === CHANNEL_DATAGRAMS) {
      const datagrams = this.reader.read(frame.body);
      if (datagrams !== undefined) this.takeIn(datagrams);
    } else if (frame.type === CHANNEL_OUTCOME) {
      const told = jsonBody(frame) as { id: number; code?: UndeliverableCode } | undefined;
      if (told !== undefined) this.desk.told(told.id, told.code);
    } else if (frame.type === CHANNEL_DROPPED) {
      this.droppedByDaemon = Number(utf8Decode(frame.body)) || 0;
    } else if (frame.type === CHANNEL_UNDELIVERABLE) {
      const told = jsonBody(frame) as { to: EndpointParts; code: UndeliverableCode };
      this.unsent++;
      this.emit('undeliverable', told.to, told.code);
    }
  }

  private takeIn({ payloads, end: from, lane }: ChannelDatagrams): void {
    if (this.isClosed) return;
    if (this.listenerCount('message') === 0) return this.inbox.pushMany(payloads, from, lane);
    this.keep();
    for (const payload of payloads) {
      if (this.isClosed) return;
      const datagram = { payload, from, lane };
      if (!this.emit('message', datagram)) this.inbox.push(datagram);
    }
  }

  /** What was received before is still there to be read; iteration ends behind it. */
  private shut(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.desk.close();
    this.inbox.close();
    this.writer.flush();
    this.socket.end();
    this.emit('close');
  }
}
