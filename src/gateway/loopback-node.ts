/**
 * A network without packets, for tests of what sits on top of a node: the handles of one
 * `LoopbackNetwork` reach each other inside the process. It keeps the promises of `host/api.ts` that
 * those tests lean on (ports, refusals, half-closed streams, resets) and measures nothing.
 */
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import type {
  Datagram,
  DatagramOptions,
  DatagramSocket,
  DatagramSocketEvents,
  Endpoint,
  EndpointParts,
  FlowChoice,
  FlowRouteReport,
  FlowSummary,
  LaneReport,
  LinkUpdate,
  ListenOptions,
  NodeStatus,
  OverlayNodeHandle,
  OverlayStream,
  PerformanceRow,
  PingResult,
  PolicyReport,
  ReceivedBatch,
  RouteAt,
  RouteExplanation,
  RouteHistoryEntry,
  SignalOption,
  StreamServer,
  StreamServerEvents,
  TraceResult,
} from '../host/index.ts';
import { DatagramInbox, FlowChoices } from '../host/index.ts';
import { OverlayError } from '../kernel/index.ts';

export class LoopbackNetwork {
  readonly nodes: Map<string, LoopbackNode> = new Map();

  node(name: string): LoopbackNode {
    const node = new LoopbackNode(this, name);
    this.nodes.set(name, node);
    return node;
  }
}

export class LoopbackNode implements OverlayNodeHandle {
  readonly name: string;
  readonly address: string;
  readonly datagrams: Map<number, LoopbackDatagramSocket> = new Map();
  readonly listeners: Map<number, LoopbackServer> = new Map();
  /** What `watch` tells after its snapshot. */
  readonly updates: EventEmitter = new EventEmitter();
  readonly network: LoopbackNetwork;
  private nextPort = 40_000;
  isClosed = false;

  constructor(network: LoopbackNetwork, name: string) {
    this.network = network;
    this.name = name;
    this.address = (network.nodes.size + 1).toString(16).padStart(8, '0');
  }

  async datagram(options: DatagramOptions = {}): Promise<DatagramSocket> {
    const port = this.claim(this.datagrams, options.port);
    const socket = new LoopbackDatagramSocket(this, port);
    this.datagrams.set(port, socket);
    options.signal?.addEventListener('abort', () => void socket.close());
    return socket;
  }

  async connect(to: Endpoint, options: SignalOption = {}): Promise<OverlayStream> {
    const remote = parts(to);
    options.signal?.throwIfAborted();
    const node = this.peer(remote.node);
    const listener = node.listeners.get(remote.port);
    if (listener === undefined) throw new OverlayError('REFUSED', 'nobody listens there');
    const local = { node: this.name, port: this.nextPort++ };
    const [near, far] = streamPair(local, remote);
    options.signal?.addEventListener('abort', () => near.destroy());
    if (!listener.emit('connection', far)) far.destroy();
    return near;
  }

  async listen(
    options: ListenOptions,
    handler?: (stream: OverlayStream) => void,
  ): Promise<StreamServer> {
    const port = this.claim(this.listeners, options.port === 0 ? undefined : options.port);
    const server = new LoopbackServer(this, port);
    if (handler !== undefined) server.on('connection', handler);
    this.listeners.set(port, server);
    options.signal?.addEventListener('abort', () => void server.close());
    return server;
  }

  async ping(node: string): Promise<PingResult> {
    return { outcome: 'reply', from: this.peer(node).name, rttMs: 0.1 };
  }

  async trace(node: string): Promise<TraceResult> {
    const explanation = await this.explain(node);
    const hops = [{ hop: 1, node, rttsMs: [0.1, undefined, 0.1] }];
    return { destination: node, hops, isReached: true, explanation };
  }

  async explain(node: string): Promise<RouteExplanation> {
    return { destination: this.peer(node).name, route: undefined, candidates: [] };
  }

  async reportPerformance(): Promise<void> {}

  async performance(): Promise<readonly PerformanceRow[]> {
    return [];
  }

  async bestPerformance(): Promise<PerformanceRow | undefined> {
    return undefined;
  }

  async lanes(): Promise<readonly LaneReport[]> {
    return new FlowChoices().reports(undefined);
  }

  async checkLane(choice: FlowChoice): Promise<LaneReport> {
    const choices = new FlowChoices();
    return choices.report(choices.lane(choice), undefined);
  }

  async why(): Promise<readonly FlowRouteReport[]> {
    return [];
  }

  async flows(): Promise<readonly FlowSummary[]> {
    return [];
  }

  async routeHistory(): Promise<readonly RouteHistoryEntry[]> {
    return [];
  }

  async routesAt(): Promise<readonly RouteAt[]> {
    return [];
  }

  checkPolicy(): Promise<PolicyReport> {
    return Promise.reject(new OverlayError('BAD_ARGUMENT', 'a loopback has no policy'));
  }

  async status(): Promise<NodeStatus> {
    return {
      name: this.name,
      address: this.address,
      network: { name: 'loopback', id: '00', isLab: true },
      manifestVersion: 1,
      epoch: 1,
      uptimeMs: 1,
      certificateEnds: '2030-01-01T00:00:00.000Z',
      links: [],
      routes: [],
      members: [],
      sockets: [],
      counters: {},
      underlay: {
        kind: 'loopback',
        reason: 'in one process',
        isFallback: false,
        crypto: { kind: 'none', reason: 'in one process', isFallback: false },
        locals: [],
        receiveBufferBytes: 0,
        sendBufferBytes: 0,
      },
    };
  }

  watch(topic: 'links' | 'routes' | 'events', options: SignalOption = {}): AsyncIterable<never> {
    return this.watched(topic, options.signal) as AsyncIterable<never>;
  }

  close(): Promise<void> {
    this.isClosed = true;
    this.updates.emit('close');
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  peer(name: string): LoopbackNode {
    const node = this.network.nodes.get(name);
    if (node !== undefined) return node;
    throw new OverlayError('UNKNOWN_DESTINATION', `no member ${name}`, { isRetryable: true });
  }

  private async *watched(topic: string, signal?: AbortSignal): AsyncGenerator<LinkUpdate> {
    const queue: LinkUpdate[] = [{ kind: 'snapshot', links: [], missed: 0 }];
    let wake: () => void = () => {};
    let isEnded = signal?.aborted === true;
    const end = (): void => {
      isEnded = true;
      wake();
    };
    const tell = (update: LinkUpdate): void => {
      queue.push(update);
      wake();
    };
    this.updates.on(topic, tell).once('close', end);
    signal?.addEventListener('abort', end);
    try {
      while (!isEnded || queue.length > 0) {
        const next = queue.shift();
        if (next !== undefined) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.updates.off(topic, tell).off('close', end);
    }
  }

  private claim(taken: ReadonlyMap<number, unknown>, wanted: number | undefined): number {
    const port = wanted ?? this.nextPort++;
    if (taken.has(port)) throw new OverlayError('PORT_IN_USE', `port ${port} is in use`);
    return port;
  }
}

class LoopbackDatagramSocket extends EventEmitter<DatagramSocketEvents> implements DatagramSocket {
  readonly local: EndpointParts;
  unsent = 0;
  delivered = 0;
  private readonly node: LoopbackNode;
  private readonly inbox = new DatagramInbox();
  private isClosed = false;

  constructor(node: LoopbackNode, port: number) {
    super();
    this.node = node;
    this.local = { node: node.name, port };
  }

  get dropped(): number {
    return this.inbox.dropped;
  }

  send(payload: Uint8Array | string, options: { readonly to: Endpoint }): boolean {
    if (this.isClosed) throw new OverlayError('CLOSED', 'this socket is closed');
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
    if (bytes.length > 65_000) throw new OverlayError('MESSAGE_TOO_BIG', 'too long');
    const to = parts(options.to);
    const target = this.node.network.nodes.get(to.node);
    if (target === undefined) {
      this.unsent++;
      this.emit('undeliverable', to, 'UNKNOWN_DESTINATION');
      return true;
    }
    const copy = bytes.slice();
    setImmediate(() => target.datagrams.get(to.port)?.arrive(copy, this.local));
    return true;
  }

  sendMany(payloads: readonly Uint8Array[], options: { readonly to: Endpoint }): number {
    for (const payload of payloads) this.send(payload, options);
    return payloads.length;
  }

  async deliver(payload: Uint8Array | string, options: { readonly to: Endpoint }): Promise<void> {
    const to = parts(options.to);
    if (this.node.network.nodes.get(to.node)?.datagrams.has(to.port) !== true)
      throw new OverlayError('REFUSED', 'nobody has the port');
    this.send(payload, { to });
    this.delivered++;
  }

  arrive(payload: Uint8Array, from: EndpointParts): void {
    const datagram: Datagram = { payload, from, lane: 'default' };
    if (!this.emit('message', datagram)) this.inbox.push(datagram);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Datagram> {
    return this.inbox.datagrams();
  }

  batches(): AsyncIterableIterator<ReceivedBatch> {
    return this.inbox.batches();
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.node.datagrams.delete(this.local.port);
    this.inbox.close();
    this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class LoopbackServer extends EventEmitter<StreamServerEvents> implements StreamServer {
  private readonly node: LoopbackNode;
  private readonly port: number;

  constructor(node: LoopbackNode, port: number) {
    super();
    this.node = node;
    this.port = port;
  }

  address(): EndpointParts {
    return { node: this.node.name, port: this.port };
  }

  async close(): Promise<void> {
    if (this.node.listeners.delete(this.port)) this.emit('close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class LoopbackStream extends Duplex implements OverlayStream {
  readonly local: EndpointParts;
  readonly remote: EndpointParts;
  other: LoopbackStream | undefined;
  private resume_: (() => void) | undefined;

  constructor(local: EndpointParts, remote: EndpointParts) {
    super({ allowHalfOpen: true });
    this.local = local;
    this.remote = remote;
  }

  override _read(): void {
    const resume = this.resume_;
    this.resume_ = undefined;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.other?.push(Buffer.from(chunk)) === false) this.other.resume_ = done;
    else setImmediate(done);
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const other = this.other;
    const isOrderly = this.readableEnded && this.writableFinished;
    if (!isOrderly && other !== undefined && !other.destroyed)
      setImmediate(() => other.destroy(new OverlayError('RESET', 'the other end gave up')));
    this.resume_?.();
    done(error);
  }
}

function streamPair(near: EndpointParts, far: EndpointParts): [LoopbackStream, LoopbackStream] {
  const a = new LoopbackStream(near, far);
  const b = new LoopbackStream(far, near);
  a.other = b;
  b.other = a;
  return [a, b];
}

function parts(to: Endpoint): EndpointParts {
  if (typeof to !== 'string') return to;
  const at = to.lastIndexOf(':');
  const port = Number(to.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new OverlayError('BAD_ARGUMENT', `"${to}" is not NAME:port`);
  return { node: to.slice(0, at), port };
}
