/**
 * A node for the tests of this folder: an `OverlayNodeApi` that is its own network. What is sent to
 * any member comes back to this node's own sockets at the next flush, as a network would bring it:
 * through the sink, in views that are overwritten when the sink's method returns.
 */
import {
  Counters,
  type Duration,
  fail,
  type Instant,
  type NodeAddress,
  ok,
  type Result,
  type WallTime,
} from '../kernel/index.ts';
import type {
  BoundSocket,
  FlowOptions,
  NodeInput,
  NodeRefusal,
  NodeSink,
  NodeStatus,
  OverlayNodeApi,
  ReliableMessage,
  RouteExplanation,
  SendOutcome,
  SocketId,
  StreamId,
} from '../node/index.ts';
import { PerformanceDatabase } from '../routing/index.ts';

const SELF = 1 as NodeAddress;
const ZERO = 0 as Duration;

interface FakeStream {
  readonly peer: StreamId;
  inFlight: number;
  isBlocked: boolean;
  hasFinished: boolean;
}

export class FakeNode implements OverlayNodeApi {
  readonly address: NodeAddress = SELF;
  readonly name = 'ATL';
  readonly performance = new PerformanceDatabase({ counters: new Counters() });
  readonly inputs: NodeInput[] = [];
  /** Copies of the datagrams that came in. */
  readonly received: Uint8Array[] = [];
  readonly flows: FlowOptions[] = [];
  readonly members = new Map<string, NodeAddress>([
    ['ATL', SELF],
    ['DFW', 2 as NodeAddress],
    ['LAX', 3 as NodeAddress],
    ['MIA', 4 as NodeAddress],
  ]);
  flushes = 0;
  isFull = false;
  isLab = true;
  windowBytes = 10_000;
  timeout: Instant | undefined;
  /** What a timeout does; the default makes no progress. */
  onTimeout: () => void = () => undefined;
  private readonly sink: NodeSink;
  private mail: (() => void)[] = [];
  private readonly ports = new Map<number, SocketId>();
  private readonly streams = new Map<StreamId, FakeStream>();
  private readonly scratch = new Uint8Array(1000);
  private nextId = 100;

  constructor(sink: NodeSink) {
    this.sink = sink;
  }

  /** Lets the sink say something from inside the node, at the next flush. */
  post(letter: (sink: NodeSink) => void): void {
    this.mail.push(() => letter(this.sink));
  }

  get openStreams(): number {
    return this.streams.size;
  }

  handle(input: NodeInput): void {
    this.inputs.push(input);
    if (input.kind === 'timeout') this.onTimeout();
    if (input.kind === 'datagrams')
      for (let i = 0; i < input.batch.count; i++) this.received.push(input.batch.view(i).slice());
    this.deliver();
  }

  nextTimeout(): Instant | undefined {
    return this.timeout;
  }

  flush(): void {
    this.flushes++;
    this.deliver();
  }

  datagramBind(options: FlowOptions & { port?: number }): Result<BoundSocket, NodeRefusal> {
    this.flows.push(options);
    return this.bind(options.port);
  }

  datagramSend(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payload: Uint8Array,
  ): SendOutcome {
    if (this.isFull) return 'full';
    if (to === this.members.get('MIA')) return 'unreachable';
    const copy = payload.slice();
    const fromPort = [...this.ports].find(([, id]) => id === socket)![0];
    this.mail.push(() => {
      const target = this.ports.get(toPort);
      if (target === undefined) return;
      this.sink.datagram(target, copy, { from: to, fromPort, lane: 0 });
      copy.fill(0);
    });
    return 'sent';
  }

  /** MIA has no receipts to give; what is sent there times out. */
  datagramSendReliable(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    message: ReliableMessage,
  ): SendOutcome {
    if (this.isFull) return 'full';
    const outcome = to === this.members.get('MIA') ? 'timed-out' : 'delivered';
    if (outcome === 'delivered') this.datagramSend(socket, to, toPort, message.payload);
    this.mail.push(() => this.sink.datagramReceipt?.(socket, message.id, outcome));
    return 'queued';
  }

  socketClose(socket: SocketId): void {
    for (const [port, id] of this.ports) if (id === socket) this.ports.delete(port);
  }

  streamListen(options: { port?: number }): Result<BoundSocket, NodeRefusal> {
    return this.bind(options.port);
  }

  streamConnect(
    to: NodeAddress,
    toPort: number,
    options: FlowOptions,
  ): Result<StreamId, NodeRefusal> {
    this.flows.push(options);
    if (to === this.members.get('MIA')) return fail('unreachable');
    const near = this.nextId++;
    const far = this.nextId++;
    const listener = this.ports.get(toPort);
    if (toPort === 9) return ok(near);
    if (listener === undefined) {
      this.mail.push(() => this.sink.streamClosed(near, 'refused'));
      return ok(near);
    }
    this.streams.set(near, newStream(far));
    this.streams.set(far, newStream(near));
    this.mail.push(() => {
      this.sink.streamIncoming(listener, far, to, 40_000);
      this.sink.streamConnected(near);
    });
    return ok(near);
  }

  streamWrite(id: StreamId, bytes: Uint8Array): number {
    const stream = this.streams.get(id);
    if (stream === undefined) return 0;
    const taken = Math.min(bytes.length, this.windowBytes - stream.inFlight);
    stream.inFlight += taken;
    stream.isBlocked = taken < bytes.length;
    const copy = bytes.slice(0, taken);
    this.mail.push(() => {
      for (let at = 0; at < copy.length; at += this.scratch.length) {
        const part = copy.subarray(at, at + this.scratch.length);
        this.scratch.set(part);
        this.sink.streamData(stream.peer, this.scratch.subarray(0, part.length));
        this.scratch.fill(0xee);
      }
    });
    return taken;
  }

  streamConsumed(id: StreamId, bytes: number): void {
    const writer = this.streams.get(this.streams.get(id)?.peer ?? -1);
    if (writer === undefined) return;
    writer.inFlight -= bytes;
    if (!writer.isBlocked) return;
    writer.isBlocked = false;
    this.mail.push(() => this.sink.streamWritable(this.streams.get(id)!.peer));
  }

  streamFinish(id: StreamId): void {
    const stream = this.streams.get(id)!;
    stream.hasFinished = true;
    this.mail.push(() => this.sink.streamEnded(stream.peer));
    if (this.streams.get(stream.peer)?.hasFinished !== true) return;
    for (const each of [id, stream.peer]) {
      this.streams.delete(each);
      this.mail.push(() => this.sink.streamClosed(each, undefined));
    }
  }

  streamReset(id: StreamId): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    this.streams.delete(id);
    this.streams.delete(stream.peer);
    this.mail.push(() => this.sink.streamClosed(id, 'aborted'));
    this.mail.push(() => this.sink.streamClosed(stream.peer, 'reset'));
  }

  /** ATL - DFW - LAX; MIA has no route. */
  echo(id: number, to: NodeAddress, options: { hopLimit?: number }): Result<void, NodeRefusal> {
    if (to === this.members.get('MIA')) return fail('unreachable');
    if (!this.nameOf(to)) return ok(undefined);
    const dfw = this.members.get('DFW')!;
    const isExceeded = options.hopLimit === 1 && to !== dfw;
    const rtt = (isExceeded ? 20_000 : 45_500) as Duration;
    this.mail.push(() =>
      this.sink.echo(
        id,
        isExceeded
          ? { kind: 'hop-limit-exceeded', from: dfw, rtt }
          : { kind: 'reply', from: to, rtt },
      ),
    );
    return ok(undefined);
  }

  addressOf(name: string): NodeAddress | undefined {
    return this.members.get(name);
  }

  nameOf(address: NodeAddress): string | undefined {
    return [...this.members].find(([, each]) => each === address)?.[0];
  }

  status(): NodeStatus {
    return {
      address: SELF,
      name: this.name,
      network: { name: 'test', id: '00', isLab: this.isLab },
      manifestVersion: 1,
      epoch: 1,
      uptime: ZERO,
      certificateEnds: 1_800_000_000_000_000 as WallTime,
      links: [],
      routes: [this.route()],
      members: [],
      counters: { 'packets-forwarded': 7 },
    };
  }

  explainRoute(destination: NodeAddress): RouteExplanation | undefined {
    if (destination !== this.members.get('LAX')) return undefined;
    return { destination, name: 'LAX', route: this.route(), candidates: [] };
  }

  private route(): NodeStatus['routes'][number] {
    return {
      destination: 3 as NodeAddress,
      name: 'LAX',
      path: [2, 3] as NodeAddress[],
      latency: 22_500 as Duration,
      lossPpm: 10_000,
      cost: 27_500 as Duration,
      since: ZERO,
      changes: 0,
      cause: 'first',
    };
  }

  private bind(wanted: number | undefined): Result<BoundSocket, NodeRefusal> {
    const port = wanted ?? 50_000 + this.nextId;
    if (this.ports.has(port)) return fail('port-in-use');
    const socket = this.nextId++;
    this.ports.set(port, socket);
    return ok({ socket, port });
  }

  private deliver(): void {
    const letters = this.mail;
    this.mail = [];
    for (const letter of letters) letter();
  }
}

const newStream = (peer: StreamId): FakeStream => ({
  peer,
  inFlight: 0,
  isBlocked: false,
  hasFinished: false,
});
