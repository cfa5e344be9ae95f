/**
 * SDK sockets over the control socket. A program upgrades a request to one of
 *
 *   overlane-datagram  GET /v1/datagram?port=..           a datagram socket
 *   overlane-stream    GET /v1/stream?to=NAME:port        a stream to a listener elsewhere
 *   overlane-listen    GET /v1/listen?port=..             a listener; streams are announced on it
 *   overlane-stream    GET /v1/accept?id=..               one of the streams announced
 *
 * and speaks frames (`control-channel.ts`) from then on. The overlay socket lives as long as the
 * connection: when the program dies its streams are reset and its ports are free.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type {
  ConnectOptions,
  DatagramOptions,
  DatagramSocket,
  Lender,
  OverlayNodeHandle,
  OverlayStream,
} from '../host/index.ts';
import { OverlayError, utf8Encode } from '../kernel/index.ts';
import { type ChannelDatagrams, DatagramsReader } from './channel-datagrams.ts';
import { ChannelWriter } from './channel-writer.ts';
import { errorBody } from './control-api.ts';
import {
  CHANNEL_DATA,
  CHANNEL_DATAGRAMS,
  CHANNEL_DROPPED,
  CHANNEL_END,
  CHANNEL_ERROR,
  CHANNEL_INCOMING,
  CHANNEL_OUTCOME,
  CHANNEL_RELIABLE,
  CHANNEL_UNDELIVERABLE,
  ChannelDecoder,
  channelFrame,
  channelHeader,
  DATA_BYTES_MAX,
  jsonFrame,
  parseReliableBody,
} from './control-channel.ts';
import { Fields } from './fields.ts';
import { FLOW_FIELDS, flowFields } from './flow-fields.ts';
import type { Logger } from './log.ts';

/** Streams announced and not yet fetched; further ones are reset. */
export const INCOMING_MAX = 256;
/** A stream nobody fetches is reset after this. */
export const INCOMING_MS = 10_000;

interface Incoming {
  readonly stream: OverlayStream;
  readonly timer: NodeJS.Timeout;
}

export class ControlSockets {
  private readonly node: OverlayNodeHandle;
  private readonly log: Logger;
  private readonly incoming = new Map<string, Incoming>();

  constructor(node: OverlayNodeHandle, log: Logger) {
    this.node = node;
    this.log = log;
  }

  /** A rejection is answered by the caller; nothing was written to the socket then. */
  async upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://control');
    const asked = `${String(request.headers.upgrade)} ${url.pathname}`;
    // Programs wait for the answer before they send: what came earlier belongs to nothing.
    if (head.length > 0) this.log.debug({ asked }, 'bytes before the upgrade were dropped');
    // Read, so that a program that hangs up is noticed while its socket is still being opened.
    socket.resume();
    const query = queryOf(url);
    switch (asked) {
      case 'overlane-datagram /v1/datagram':
        return this.datagram(query, socket);
      case 'overlane-stream /v1/stream':
        return this.connect(query, socket);
      case 'overlane-listen /v1/listen':
        return this.listen(query, socket);
      case 'overlane-stream /v1/accept':
        return this.accept(query, socket);
      default:
        throw new OverlayError('NO_SUCH_ROUTE', `there is no upgrade to ${asked}`);
    }
  }

  close(): void {
    for (const id of [...this.incoming.keys()]) this.take(id)?.destroy();
  }

  private async connect(query: Record<string, unknown>, socket: Socket): Promise<void> {
    const fields = new Fields(query, ['to', 'timeoutMs', ...FLOW_FIELDS]);
    const gone = new AbortController();
    const hungUp = (): void => gone.abort();
    socket.once('end', hungUp).once('close', hungUp);
    const timeoutMs = fields.optionalNumber('timeoutMs', { min: 1, max: 600_000 });
    const options: ConnectOptions = {
      ...flowFields(fields),
      signal: gone.signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
    const stream = await this.node.connect(fields.text('to'), options);
    socket.off('end', hungUp).off('close', hungUp);
    accepted(socket, 'overlane-stream', { local: stream.local, remote: stream.remote });
    joinChannel(socket, stream);
  }

  private async accept(query: Record<string, unknown>, socket: Socket): Promise<void> {
    const stream = this.take(new Fields(query, ['id']).text('id'));
    if (stream === undefined)
      throw new OverlayError('NO_SUCH_STREAM', 'this stream was not fetched in time');
    accepted(socket, 'overlane-stream', { local: stream.local, remote: stream.remote });
    joinChannel(socket, stream);
  }

  private async listen(query: Record<string, unknown>, socket: Socket): Promise<void> {
    const fields = new Fields(query, ['port']);
    const port = fields.optionalNumber('port', { min: 0, max: 65_535, isWhole: true });
    const own = new Set<string>();
    const server = await this.node.listen(port === undefined ? {} : { port }, (stream) => {
      if (this.incoming.size >= INCOMING_MAX || socket.destroyed) {
        this.log.warn({ port: server.address().port }, 'a stream was reset: too many wait');
        stream.on('error', ignore).destroy();
        return;
      }
      const id = randomBytes(12).toString('hex');
      const timer = setTimeout(() => this.take(id)?.destroy(), INCOMING_MS);
      own.add(id);
      // Without this an error before it is fetched would have no listener.
      stream.on('error', ignore);
      this.incoming.set(id, { stream, timer });
      socket.write(jsonFrame(CHANNEL_INCOMING, { id, remote: stream.remote }));
    });
    accepted(socket, 'overlane-listen', { local: server.address() });
    socket.resume();
    const end = (): void => {
      void server.close();
      for (const id of own) this.take(id)?.destroy();
    };
    if (socket.destroyed) end();
    socket.once('end', () => socket.end()).once('close', end);
  }

  private async datagram(query: Record<string, unknown>, socket: Socket): Promise<void> {
    const known = ['port', 'to', 'receiveQueueMax', 'pendingMax', ...FLOW_FIELDS];
    const fields = new Fields(query, known);
    const stated = {
      ...flowFields(fields),
      to: fields.optionalText('to'),
      port: fields.optionalNumber('port', { min: 1, max: 65_535, isWhole: true }),
      receiveQueueMax: fields.optionalNumber('receiveQueueMax', { min: 1, max: 65_536 }),
      pendingMax: fields.optionalNumber('pendingMax', { min: 1, max: 65_536 }),
    };
    const options = Object.fromEntries(
      Object.entries(stated).filter(([, value]) => value !== undefined),
    ) as DatagramOptions;
    const overlay = await this.node.datagram(options);
    socket.once('close', () => void overlay.close());
    if (socket.destroyed) {
      await overlay.close();
      return;
    }
    accepted(socket, 'overlane-datagram', { local: overlay.local });
    sendFrom(socket, overlay);
    void receiveInto(socket, overlay);
  }

  private take(id: string): OverlayStream | undefined {
    const found = this.incoming.get(id);
    this.incoming.delete(id);
    clearTimeout(found?.timer);
    return found?.stream;
  }
}

function accepted(socket: Socket, protocol: string, about: unknown): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n` +
      `Overlane-Socket: ${JSON.stringify(about)}\r\n\r\n`,
  );
}

/** Carries an overlay stream over the connection; either end's failure is the other's. */
function joinChannel(socket: Socket, stream: OverlayStream): void {
  const decoder = new ChannelDecoder();
  let isEndedByProgram = false;
  let lastError: Error | undefined;
  socket.setTimeout(0);
  socket.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) {
      if (frame.type === CHANNEL_END) {
        isEndedByProgram = true;
        stream.end();
      } else if (frame.type === CHANNEL_DATA && !isEndedByProgram) {
        // A copy: the stream may hold it longer than the decoder does.
        if (!stream.write(Buffer.from(frame.body))) socket.pause();
      }
    }
    if (decoder.isBroken) socket.destroy();
  });
  stream.on('drain', () => socket.resume());
  stream.on('data', (chunk: Buffer) => {
    let hasRoom = true;
    for (let at = 0; at < chunk.length; at += DATA_BYTES_MAX) {
      const part = chunk.subarray(at, at + DATA_BYTES_MAX);
      socket.write(channelHeader(CHANNEL_DATA, part.length));
      hasRoom = socket.write(part);
    }
    if (!hasRoom) stream.pause();
  });
  socket.on('drain', () => stream.resume());
  stream.once('end', () => socket.write(channelFrame(CHANNEL_END, new Uint8Array(0))));
  stream.once('error', (error: Error) => {
    lastError = error;
  });
  stream.once('close', () => {
    if (lastError instanceof OverlayError)
      socket.write(jsonFrame(CHANNEL_ERROR, errorBody(lastError)));
    socket.end();
  });
  const hungUp = (): void => {
    if (!stream.readableEnded || !stream.writableEnded) stream.destroy();
    socket.end();
  };
  socket.once('end', hungUp).once('close', hungUp);
  if (socket.destroyed || socket.readableEnded) hungUp();
}

/**
 * Program to overlay. While the node is full nothing is read from the program; what was read already, one
 * chunk at most, waits.
 */
function sendFrom(socket: Socket, overlay: DatagramSocket): void {
  const decoder = new ChannelDecoder();
  const reader = new DatagramsReader();
  let waiting: ChannelDatagrams[] = [];
  const sendWaiting = (): void => {
    const due = waiting;
    waiting = [];
    for (const datagrams of due) sendOrWait(datagrams);
    if (waiting.length === 0) socket.resume();
  };
  const sendOrWait = ({ end, lane, payloads }: ChannelDatagrams): void => {
    const taken = waiting.length === 0 ? overlay.sendMany(payloads, { to: end }) : 0;
    if (taken === payloads.length) return;
    waiting.push({ end, lane, payloads: payloads.slice(taken) });
    socket.pause();
  };
  overlay.on('drain', sendWaiting);
  overlay.on('undeliverable', (to, code) => {
    // A program that does not read is not told; `unsent` is counted on its own side.
    if (!socket.writableNeedDrain) socket.write(jsonFrame(CHANNEL_UNDELIVERABLE, { to, code }));
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const frame of decoder.push(chunk)) {
        if (frame.type === CHANNEL_RELIABLE) deliverFrom(socket, overlay, frame.body);
        const datagrams = frame.type === CHANNEL_DATAGRAMS ? reader.read(frame.body) : undefined;
        if (datagrams !== undefined) sendOrWait(datagrams);
      }
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      socket.end(jsonFrame(CHANNEL_ERROR, errorBody(error)));
    }
    if (decoder.isBroken) socket.destroy();
  });
  socket.once('end', () => socket.end());
  socket.resume();
}

/** One reliable datagram; the program hears how it ended. */
function deliverFrom(socket: Socket, overlay: DatagramSocket, body: Uint8Array): void {
  const asked = parseReliableBody(body);
  if (asked === undefined) return;
  const { id, node, port, timeoutMs } = asked;
  const tell = (code?: string): void => {
    if (socket.writable) socket.write(jsonFrame(CHANNEL_OUTCOME, { id, code }));
  };
  // A copy: the frame is the decoder's.
  const payload = Uint8Array.from(asked.payload);
  overlay.deliver(payload, { to: { node, port }, timeoutMs }).then(
    () => tell(),
    (error: unknown) => tell(error instanceof OverlayError ? error.code : 'INTERNAL'),
  );
}

/**
 * Overlay to program: from the node's memory into a frame, while the connection has room. A program that
 * does not read fills the socket's own bounded queue.
 */
async function receiveInto(
  socket: Socket,
  overlay: DatagramSocket & Partial<Lender>,
): Promise<void> {
  const writer = new ChannelWriter(socket);
  let told = 0;
  overlay.lendTo?.((payload, from, lane) => {
    if (writer.isFull || overlay.dropped !== told) return false;
    writer.datagram(from.node, from.port, payload, lane);
    return true;
  });
  for await (const { payloads, from, lane } of overlay.batches()) {
    if (socket.destroyed) return;
    if (overlay.dropped !== told) {
      told = overlay.dropped;
      writer.frame(channelFrame(CHANNEL_DROPPED, utf8Encode(String(told))));
    }
    for (const payload of payloads) writer.datagram(from.node, from.port, payload, lane);
    if (!writer.isFull) continue;
    await new Promise<void>((resolve) => {
      socket.once('drain', resolve);
      socket.once('close', resolve);
    });
  }
  writer.flush();
  socket.end();
}

/** `routing=pinned`, `via=A,B`, `disjoint=3`, or `metric=loss` with `hops` and `spread`. */
function queryOf(url: URL): Record<string, unknown> {
  const query: Record<string, unknown> = Object.fromEntries(url.searchParams);
  if (typeof query['via'] === 'string') {
    query['routing'] = { via: query['via'].split(',') };
    delete query['via'];
  }
  if (typeof query['disjoint'] === 'string') {
    query['routing'] = { disjoint: query['disjoint'] };
    delete query['disjoint'];
  }
  const { metric, hops, spread, ...rest } = query;
  if (metric === undefined) return query;
  const isSpread = spread === undefined ? undefined : spread === 'true';
  return { ...rest, routing: { metric, hops, spread: isSpread } };
}

const ignore = (): void => {};
