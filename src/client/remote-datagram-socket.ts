/** A datagram socket whose overlay end is in a daemon. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import {
  CHANNEL_DATAGRAM,
  CHANNEL_DROPPED,
  CHANNEL_IN_LANE,
  CHANNEL_OUTCOME,
  CHANNEL_UNDELIVERABLE,
  ChannelDecoder,
  type ChannelFrame,
  ChannelWriter,
  type DatagramBody,
  jsonBody,
  parseDatagramBody,
  parseInLaneBody,
  reliableFrame,
} from '../daemon/index.ts';
import {
  DATAGRAM_BYTES_MAX,
  type Datagram,
  type DatagramSocket,
  type DatagramSocketEvents,
  type DeliverOptions,
  type Endpoint,
  type EndpointParts,
  failure,
  parseEndpoint,
  RELIABLE_TIMEOUT_MS,
  ReliableDesk,
  SEND_WAITING_MAX,
  type SendOptions,
  type UndeliverableCode,
} from '../host/index.ts';
import { BoundedQueue, utf8Decode, utf8Encode } from '../kernel/index.ts';

export class RemoteDatagramSocket
  extends EventEmitter<DatagramSocketEvents>
  implements DatagramSocket
{
  readonly local: EndpointParts;
  unsent = 0;
  private readonly socket: Socket;
  private readonly writer: ChannelWriter;
  private readonly decoder: ChannelDecoder = new ChannelDecoder();
  private readonly received: BoundedQueue<Datagram>;
  private droppedByDaemon = 0;
  private readonly desk = new ReliableDesk();
  private waiting = 0;
  private readers: ((result: IteratorResult<Datagram>) => void)[] = [];
  private isClosed = false;

  constructor(options: {
    socket: Socket;
    head: Uint8Array;
    local: EndpointParts;
    receiveQueueMax: number;
    signal: AbortSignal | undefined;
  }) {
    super();
    this.socket = options.socket;
    this.writer = new ChannelWriter(options.socket);
    this.local = options.local;
    this.received = new BoundedQueue({
      capacity: options.receiveQueueMax,
      overflow: 'drop-oldest',
    });
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
    return this.received.overflows + this.droppedByDaemon;
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
    if (bytes.length > DATAGRAM_BYTES_MAX)
      throw failure('MESSAGE_TOO_BIG', undefined, {
        details: { bytes: bytes.length, bytesMax: DATAGRAM_BYTES_MAX },
      });
    const to = parseEndpoint(endpoint);
    if (utf8Encode(to.node).length > 255) throw failure('BAD_ARGUMENT', to.node.slice(0, 40));
    return { to, bytes };
  }

  close(): Promise<void> {
    if (!this.isClosed) this.shut();
    return Promise.resolve();
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

  private arrived(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) this.handle(frame);
    if (this.decoder.isBroken) this.socket.destroy();
  }

  private handle(frame: ChannelFrame): void {
    if (frame.type === CHANNEL_DATAGRAM) {
      this.takeIn(parseDatagramBody(frame.body), 'default');
    } else if (frame.type === CHANNEL_IN_LANE) {
      const body = parseInLaneBody(frame.body);
      this.takeIn(body, body?.lane ?? 'default');
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

  private takeIn(body: DatagramBody | undefined, lane: string): void {
    if (body === undefined) return;
    const from = { node: body.node, port: body.port };
    this.handOut({ payload: body.payload.slice(), from, lane });
  }

  private handOut(datagram: Datagram): void {
    if (this.isClosed || this.emit('message', datagram)) return;
    const reader = this.readers.shift();
    if (reader === undefined) this.received.push(datagram);
    else reader({ done: false, value: datagram });
  }

  /** What was received before is still there to be read; iteration ends behind it. */
  private shut(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.desk.close();
    for (const reader of this.readers) reader({ done: true, value: undefined });
    this.readers = [];
    this.writer.flush();
    this.socket.end();
    this.emit('close');
  }
}
