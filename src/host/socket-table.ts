/**
 * Every socket, listener and stream an application has open on one embedded node: from the core's
 * numbers to the objects the application holds, and back. Bounded by the node's own limits.
 */
import type { Duration, NodeAddress, Result } from '../kernel/index.ts';
import { microseconds, nearestSpelling, OverlayError } from '../kernel/index.ts';
import type {
  BoundSocket,
  DatagramMeta,
  FlowOptions,
  FlowRouting,
  NodeRefusal,
  ReceiptOutcome,
  SentMany,
  SocketId,
  StreamFault,
  StreamId,
} from '../node/index.ts';
import { parseMetric, SIMPLE_METRICS } from '../routing/index.ts';
import type {
  ConnectOptions,
  DatagramOptions,
  DatagramSocket,
  Endpoint,
  EndpointParts,
  FlowChoice,
  LaneReport,
  ListenOptions,
  OverlayStream,
  RoutingChoice,
  SocketStatus,
  StreamServer,
} from './api.ts';
import { EmbeddedDatagramSocket } from './embedded-datagram-socket.ts';
import { EmbeddedStream } from './embedded-stream.ts';
import { EmbeddedStreamServer } from './embedded-stream-server.ts';
import { checkPort, formatEndpoint, parseEndpoint } from './endpoint.ts';
import { abortFailure, failure, faultFailure, refusalFailure } from './failure.ts';
import { FlowChoices, flowOptionsOf } from './flow-choice.ts';
import { type NodeDriver, throwLater } from './node-driver.ts';
import { PayloadArena } from './payload-arena.ts';
import { nameIn, resolveNode } from './present.ts';
import { RateDesk, type Reservation } from './rate-desk.ts';
import type { MetricRouting } from './route-api.ts';

interface OpenStream {
  readonly stream: EmbeddedStream;
  /** While the far end has not answered yet. */
  opening: { accepted(): void; failed(error: Error): void } | undefined;
}

interface Reserving {
  /** Bits a second. */
  readonly rate: number;
  readonly destination: NodeAddress;
}

const CLOSED: Result<never, NodeRefusal> = { ok: false, reason: 'closed' };
const NONE_SENT: SentMany = { taken: 0, outcome: 'closed' };
const CONNECT_TIMEOUT_MS = 10_000;

export class SocketTable {
  readonly choices: FlowChoices = new FlowChoices();
  readonly rates: RateDesk;
  private readonly driver: NodeDriver;
  private readonly datagrams = new Map<SocketId, EmbeddedDatagramSocket>();
  private readonly servers = new Map<SocketId, EmbeddedStreamServer>();
  private readonly streams = new Map<StreamId, OpenStream>();
  private onFinished: (() => void) | undefined;
  private readonly arena = new PayloadArena();
  /** Of the datagram that came last; the next is mostly from the same. */
  private from: EndpointParts = { node: '', port: 0 };
  private fromAddress: NodeAddress | 0 = 0;
  private lane = '';
  private laneNumber = -1;

  constructor(driver: NodeDriver) {
    this.driver = driver;
    this.rates = new RateDesk(driver);
  }

  // What the application asks for.

  async openDatagram(options: DatagramOptions): Promise<DatagramSocket> {
    const { signal } = options;
    if (signal?.aborted === true) throw abortFailure(signal);
    if (options.port !== undefined) checkPort(options.port);
    const bind = {
      ...this.flowOptions(options, options.to),
      ...(options.port === undefined ? {} : { port: options.port }),
      ...(options.pendingMax === undefined ? {} : { pendingMax: options.pendingMax }),
    };
    const reserving = this.reserving(options, options.to);
    const { socket: id, port } = this.bound(
      this.driver.call((node, now) => node.datagramBind(bind, now), CLOSED),
      options.port,
    );
    const close = (): void => {
      this.driver.call((node, now) => node.socketClose(id, now), undefined);
    };
    const reservation = await this.reserve(reserving, id, close);
    if (options.signal?.aborted === true) {
      reservation?.release();
      close();
      throw abortFailure(options.signal);
    }
    const socket = new EmbeddedDatagramSocket({
      local: { node: this.driver.node.name, port },
      receiveQueueMax: options.receiveQueueMax,
      signal,
      port: {
        send: (to, payload) => {
          const address = this.driver.read((node) => resolveNode(node, to.node));
          if (address === undefined) return 'unknown';
          return this.driver.call(
            (node, now) => node.datagramSend(id, address, to.port, payload, now),
            'closed',
          );
        },
        sendMany: (to, payloads, first) => {
          const address = this.driver.read((node) => resolveNode(node, to.node));
          if (address === undefined) return { taken: 0, outcome: 'unknown' };
          return this.driver.call((node, now): SentMany => {
            const many = node.datagramSendMany?.(id, address, to.port, payloads, first, now);
            if (many !== undefined) return many;
            const outcome = node.datagramSend(id, address, to.port, payloads[first]!, now);
            return { taken: outcome === 'sent' || outcome === 'queued' ? 1 : 0, outcome };
          }, NONE_SENT);
        },
        sendReliable: (to, { id: message, payload, timeoutMs }) => {
          const address = this.driver.read((node) => resolveNode(node, to.node));
          if (address === undefined) return 'unknown';
          const patience = microseconds(timeoutMs * 1_000);
          const sent = { id: message, payload, patience };
          return this.driver.call(
            (node, now) =>
              node.datagramSendReliable?.(id, address, to.port, sent, now) ?? 'unreachable',
            'closed',
          );
        },
        released: () => {
          reservation?.release();
          this.datagrams.delete(id);
          close();
        },
      },
    });
    this.datagrams.set(id, socket);
    return socket;
  }

  listen(options: ListenOptions, handler?: (stream: OverlayStream) => void): StreamServer {
    const { signal } = options;
    if (signal?.aborted === true) throw abortFailure(signal);
    const port = options.port === 0 ? undefined : options.port;
    if (port !== undefined) checkPort(port);
    const bind = port === undefined ? {} : { port };
    const bound = this.bound(
      this.driver.call((node, now) => node.streamListen(bind, now), CLOSED),
      port,
    );
    const server = new EmbeddedStreamServer({
      local: { node: this.driver.node.name, port: bound.port },
      signal,
      release: () => {
        this.servers.delete(bound.socket);
        this.driver.call((node, now) => node.socketClose(bound.socket, now), undefined);
      },
    });
    if (handler !== undefined) server.on('connection', handler);
    this.servers.set(bound.socket, server);
    return server;
  }

  async connect(to: Endpoint, options: ConnectOptions): Promise<OverlayStream> {
    const { signal } = options;
    if (signal?.aborted === true) throw abortFailure(signal);
    const remote = parseEndpoint(to);
    const about = formatEndpoint(remote);
    const address = this.resolve(remote.node);
    const flow = this.flowOptions(options, remote.node);
    const reserving = this.reserving(options, remote.node);
    const opened = this.driver.call(
      (node, now) => node.streamConnect(address, remote.port, flow, now),
      CLOSED,
    );
    if (!opened.ok) throw refusalFailure(opened.reason, about);
    const id = opened.value;
    const local = { node: this.driver.node.name, port: 0 };
    const entry: OpenStream = { stream: this.stream(id, local, remote), opening: undefined };
    this.streams.set(id, entry);
    const accepted = this.accepted(entry, about, options);
    if (reserving === undefined) return accepted;
    const giveUp = (): void => {
      entry.opening?.failed(failure('STREAM_ABORTED', about));
      entry.stream.destroy();
    };
    const [stream, reservation] = await Promise.all([
      accepted,
      this.reserve(reserving, id, giveUp),
    ]);
    stream.once('close', () => reservation?.release());
    return stream;
  }

  private accepted(
    entry: OpenStream,
    about: string,
    { signal, timeoutMs }: ConnectOptions,
  ): Promise<OverlayStream> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        entry.opening = undefined;
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
      };
      const giveUp = (error: Error): void => {
        settle();
        entry.stream.destroy();
        reject(error);
      };
      const aborted = (): void => giveUp(abortFailure(signal!));
      const timer = setTimeout(
        () => giveUp(failure('TIMED_OUT', about)),
        timeoutMs ?? CONNECT_TIMEOUT_MS,
      );
      signal?.addEventListener('abort', aborted, { once: true });
      entry.opening = {
        accepted: (): void => {
          settle();
          resolve(entry.stream);
        },
        failed: (error): void => {
          settle();
          reject(error);
        },
      };
    });
  }

  status(): readonly SocketStatus[] {
    const streams = [...this.streams.values()].map(
      ({ stream }): SocketStatus => ({
        kind: 'stream',
        port: stream.local.port,
        remote: stream.remote,
        dropped: 0,
      }),
    );
    return [
      ...[...this.datagrams.values()].map((socket) => socket.status),
      ...[...this.servers.values()].map((server) => server.status),
      ...streams,
    ];
  }

  /** Throws UNKNOWN_DESTINATION. */
  resolve(name: string): NodeAddress {
    const address = this.driver.read((node) => resolveNode(node, name));
    if (address !== undefined) return address;
    const known = this.driver.read((node, now) => node.status(now).members.map((m) => m.name));
    const nearest = nearestSpelling(name, known);
    const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
    throw new OverlayError(
      'UNKNOWN_DESTINATION',
      `${name}: no member of this name is known${hint}`,
      {
        details: { nearest },
        isRetryable: true,
      },
    );
  }

  /** What a choice means, checked against the way to `to`. */
  flowOptions(choice: FlowChoice, to?: string): FlowOptions {
    const lane = this.choices.lane(choice);
    const explicit = this.explicitRouting(choice.routing);
    // A route given by name is the caller's to judge.
    if (to !== undefined && explicit === undefined)
      this.choices.check(lane, this.latencyTo(this.resolve(to), lane.number), to);
    return flowOptionsOf(lane, explicit);
  }

  lanes(to: string | undefined): LaneReport[] {
    if (to === undefined) return this.choices.reports(undefined);
    const address = this.resolve(to);
    const reports = this.choices.reports(this.latencyTo(address));
    return reports.map((report) => ({ ...report, shortfall: this.shortfall(report, address) }));
  }

  checkLane(choice: FlowChoice, to: string | undefined): LaneReport {
    const lane = this.choices.lane(choice);
    const latency = to === undefined ? undefined : this.latencyTo(this.resolve(to), lane.number);
    this.choices.check(lane, latency, to ?? '');
    const report = this.choices.report(lane, latency);
    return to === undefined
      ? report
      : { ...report, shortfall: this.shortfall(report, this.resolve(to)) };
  }

  private shortfall(
    { routing, number: lane, paths, deadlineMs }: LaneReport,
    destination: NodeAddress,
  ): string | undefined {
    if (routing !== 'disjoint') return undefined;
    const deadline = microseconds(deadlineMs * 1_000);
    const found = this.driver.read((node, now) =>
      node.routes?.disjointPaths({ destination, lane, paths, deadline }, now),
    );
    if (found === undefined || found >= paths) return undefined;
    const there = `${found} of ${paths} node-disjoint paths exist`;
    return `${there}: packets take ${found === 1 ? 'that one' : 'those'}, and more as soon as there are`;
  }

  /** What is to be reserved, checked before anything is opened; undefined: nothing. */
  private reserving(choice: FlowChoice, to: string | undefined): Reserving | undefined {
    const rate = this.choices.rate(choice, this.choices.lane(choice));
    if (rate === undefined) return undefined;
    if (to === undefined)
      throw failure('BAD_ARGUMENT', 'a rate is reserved on the way to a node: say `to`');
    return { rate, destination: this.resolve(to) };
  }

  private async reserve(
    reserving: Reserving | undefined,
    socket: SocketId | StreamId,
    giveUp: () => void,
  ): Promise<Reservation | undefined> {
    if (reserving === undefined) return undefined;
    try {
      return await this.rates.reserve(reserving.rate, socket, reserving.destination);
    } catch (error) {
      giveUp();
      throw error;
    }
  }

  private explicitRouting(choice: RoutingChoice | undefined): FlowRouting | undefined {
    if (typeof choice !== 'object') return undefined;
    if ('metric' in choice) return metricRouting(choice);
    if (!('via' in choice)) return undefined;
    return { scheme: 'explicit', route: choice.via.map((name) => this.resolve(name)) };
  }

  /** One way, by the fastest route that is known; undefined where none is. */
  private latencyTo(address: NodeAddress, lane = 0): Duration | undefined {
    const least = this.driver.read((node) => node.leastLatency?.(address, lane));
    if (least !== undefined) return least;
    const explained = this.driver.read((node, now) => node.explainRoute(address, now));
    const known = [explained?.route, ...(explained?.candidates ?? [])].flatMap((way) =>
      way !== undefined && way.path.length > 0 && Number.isFinite(way.latency) ? [way.latency] : [],
    );
    return known.length === 0 ? undefined : (Math.min(...known) as Duration);
  }

  // What the node says. These run inside the node: they copy and defer.

  datagram(id: SocketId, payload: Uint8Array, meta: DatagramMeta): void {
    const socket = this.datagrams.get(id);
    if (socket === undefined) return;
    const from = this.source(meta);
    const lane = this.laneName(meta.lane);
    if (socket.lend(payload, from, lane)) return;
    if (socket.stage({ payload: this.arena.keep(payload), from, lane }))
      this.driver.effect(() => socket.handOut(throwLater));
  }

  datagramReceipt(id: SocketId, message: number, outcome: ReceiptOutcome): void {
    this.driver.effect(() => this.datagrams.get(id)?.receipt(message, outcome));
  }

  datagramDrain(id: SocketId): void {
    this.driver.effect(() => this.datagrams.get(id)?.drained());
  }

  streamIncoming(listener: SocketId, id: StreamId, from: NodeAddress, fromPort: number): void {
    const server = this.servers.get(listener);
    const local = server?.address() ?? { node: this.driver.node.name, port: 0 };
    const stream = this.stream(id, local, { node: this.nameOf(from), port: fromPort });
    this.streams.set(id, { stream, opening: undefined });
    this.driver.effect(() => (server === undefined ? stream.destroy() : server.accept(stream)));
  }

  streamConnected(id: StreamId): void {
    this.driver.effect(() => this.streams.get(id)?.opening?.accepted());
  }

  streamData(id: StreamId, bytes: Uint8Array): void {
    const stream = this.streams.get(id)?.stream;
    if (stream?.stage(bytes) === true) this.driver.effect(() => stream.pushStaged());
  }

  streamWritable(id: StreamId): void {
    this.driver.effect(() => this.streams.get(id)?.stream.becameWritable());
  }

  streamEnded(id: StreamId): void {
    this.driver.effect(() => this.streams.get(id)?.stream.peerEnded());
  }

  streamClosed(id: StreamId, reason: StreamFault | undefined): void {
    this.driver.effect(() => {
      const entry = this.streams.get(id);
      if (entry === undefined) return;
      this.streams.delete(id);
      this.dismiss(entry, reason);
      this.onFinished?.();
    });
  }

  // The end.

  /** Resolves when no stream has bytes on their way any more, or after `limitMs`. */
  async finished(limitMs: number): Promise<void> {
    const isFinishing = (): boolean =>
      [...this.streams.values()].some(({ stream }) => stream.isFinishing);
    if (!isFinishing()) return;
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, limitMs);
      this.onFinished = (): void => {
        if (isFinishing()) return;
        clearTimeout(limit);
        resolve();
      };
    });
  }

  /** Closes everything that is still open. */
  async close(): Promise<void> {
    this.rates.close();
    for (const socket of [...this.datagrams.values()]) await socket.close();
    for (const server of [...this.servers.values()]) await server.close();
    const left = [...this.streams.values()];
    this.streams.clear();
    for (const entry of left) this.dismiss(entry, 'node-stopped');
  }

  private dismiss({ stream, opening }: OpenStream, reason: StreamFault | undefined): void {
    const error =
      reason === undefined ? undefined : faultFailure(reason, formatEndpoint(stream.remote));
    if (opening !== undefined) {
      opening.failed(error ?? failure('RESET', formatEndpoint(stream.remote)));
      stream.on('error', () => undefined);
    } else if (reason === 'node-stopped' && stream.listenerCount('error') === 0) {
      // The application itself stops the node; a stream it left lying about must not kill it.
      stream.on('error', () => undefined);
    }
    stream.closedBelow(error);
  }

  private stream(id: StreamId, local: EndpointParts, remote: EndpointParts): EmbeddedStream {
    const { driver } = this;
    return new EmbeddedStream({
      local,
      remote,
      port: {
        write: (bytes) => driver.call((node, now) => node.streamWrite(id, bytes, now), 0),
        consumed: (bytes) =>
          driver.call((node, now) => node.streamConsumed(id, bytes, now), undefined),
        finish: () => driver.call((node, now) => node.streamFinish(id, now), undefined),
        reset: () => {
          this.streams.delete(id);
          driver.call((node, now) => node.streamReset(id, now), undefined);
        },
      },
    });
  }

  private bound(result: Result<BoundSocket, NodeRefusal>, port: number | undefined): BoundSocket {
    if (result.ok) return result.value;
    throw refusalFailure(result.reason, port === undefined ? undefined : `port ${port}`);
  }

  /** One object for a run of datagrams from one socket. A name stays with its address. */
  private source({ from, fromPort }: DatagramMeta): EndpointParts {
    if (from !== this.fromAddress || fromPort !== this.from.port) {
      this.from = { node: this.nameOf(from), port: fromPort };
      this.fromAddress = from;
    }
    return this.from;
  }

  private laneName(lane: number): string {
    if (lane !== this.laneNumber) {
      this.lane = this.choices.nameOf(lane);
      this.laneNumber = lane;
    }
    return this.lane;
  }

  private nameOf(address: NodeAddress): string {
    return nameIn(this.driver.node)(address);
  }
}

function metricRouting({ metric: text, hops, spread }: MetricRouting): FlowRouting {
  const metric = parseMetric(text);
  if (metric === undefined) throw failure('BAD_ARGUMENT', `metric ${text}: ${METRICS_KNOWN}`);
  return {
    scheme: 'metric',
    metric,
    ...(hops === undefined ? {} : { hops }),
    ...(spread === undefined ? {} : { isSpread: spread }),
  };
}

const METRICS_KNOWN = `expected one of ${SIMPLE_METRICS.join(', ')}, app:NAME, or a sum of them with weights such as latency*1+loss*20`;
