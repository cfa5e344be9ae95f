/**
 * One node of a testbed as its applications see it: sockets, streams and echoes with callbacks in
 * virtual time. Sockets and streams end with the life of the node; `onStart` is where an application
 * that outlives crashes sets itself up again.
 */
import type { Duration, NodeAddress, Result } from '../kernel/index.ts';
import { assert, fail, ok } from '../kernel/index.ts';
import type {
  DatagramSocketOptions,
  EchoOutcome,
  FlowOptions,
  FlowRouting,
  NodeEvent,
  NodeRefusal,
  NodeStatus,
  OverlayNodeApi,
  RouteExplanation,
  SendOutcome,
  SocketId,
  StreamFault,
  StreamId,
} from '../node/index.ts';
import type { Network } from './network.ts';
import type { ApplicationSink, SimulatedNodeOptions } from './simulated-node.ts';
import { SimulatedNode } from './simulated-node.ts';
import type { Topology } from './topology.ts';
import type { Trace } from './trace.ts';

export interface Message {
  readonly payload: Uint8Array;
  /** Name of the sending node. */
  readonly from: string;
  readonly fromPort: number;
  readonly lane: number;
}

export interface BindOptions extends DatagramSocketOptions {
  readonly onMessage?: (message: Message) => void;
  /** A send that was refused as `full` may be tried again. */
  readonly onDrain?: () => void;
}

export interface StreamHandlers {
  readonly onConnected?: () => void;
  /** In order. The window opens again when it returns. */
  readonly onData?: (bytes: Uint8Array) => void;
  readonly onWritable?: () => void;
  /** The peer sends no more. */
  readonly onEnd?: () => void;
  /** Last call. Undefined: both directions finished in good order. */
  readonly onClose?: (reason: StreamFault | 'node-gone' | undefined) => void;
}

interface BoundDatagrams {
  readonly onMessage: ((message: Message) => void) | undefined;
  readonly onDrain: (() => void) | undefined;
}

/** What a node needs of the testbed it is in. */
export interface TestbedSurroundings {
  readonly network: Network;
  readonly trace: Trace;
  readonly topology: Topology;
  addressOf(name: string): NodeAddress;
  nameOf(address: NodeAddress): string | undefined;
  after(delay: Duration, run: () => void): void;
}

export type TestbedNodeOptions = Omit<
  SimulatedNodeOptions,
  'network' | 'trace' | 'application' | 'node'
> & {
  readonly testbed: TestbedSurroundings;
  /** What its links are stated to carry, bits a second; undefined: nothing is said. */
  readonly capacityTo?: (neighbour: string) => number | undefined;
  /** Neighbours are those the topology has. */
  readonly node: Omit<SimulatedNodeOptions['node'], 'neighbours'>;
};

export class TestbedNode {
  readonly name: string;
  readonly driver: SimulatedNode;
  private readonly testbed: TestbedSurroundings;
  private readonly starters: (() => void)[] = [];
  private readonly datagrams = new Map<SocketId, BoundDatagrams>();
  private readonly listeners = new Map<SocketId, (stream: TestbedStream) => StreamHandlers>();
  private readonly streams = new Map<StreamId, TestbedStream>();
  private readonly echoes = new Map<number, (outcome: EchoOutcome) => void>();
  private nextEcho = 1;
  /** What the node has told besides: links, routes, refusals. */
  onEvent: ((event: NodeEvent) => void) | undefined;

  constructor(options: TestbedNodeOptions) {
    this.name = options.name;
    this.testbed = options.testbed;
    const { testbed, capacityTo, ...driver } = options;
    const neighbours = neighbourNames(testbed, options.name).map(({ name, index }) => {
      const capacity = capacityTo?.(name);
      const remotes = [testbed.network.addressAt(index)];
      return { name, remotes, ...(capacity === undefined ? {} : { capacity }) };
    });
    this.driver = new SimulatedNode({
      ...driver,
      node: { ...options.node, neighbours },
      network: testbed.network,
      trace: testbed.trace,
      application: this.application(),
    });
  }

  get isRunning(): boolean {
    return this.driver.isRunning;
  }

  get address(): NodeAddress {
    return this.testbed.addressOf(this.name);
  }

  /** How often it was started. */
  get life(): number {
    return this.driver.life;
  }

  start(): void {
    if (this.isRunning) return;
    this.driver.start();
    for (const starter of this.starters) starter();
  }

  crash(): void {
    this.driver.crash();
  }

  /** Leaves in good order. */
  stop(): void {
    this.driver.stop();
  }

  /** Called at every start from now on, and now if the node is running. */
  onStart(starter: () => void): void {
    this.starters.push(starter);
    if (this.isRunning) starter();
  }

  /** Calls back later, unless this life of the node is over by then. */
  after(delay: Duration, run: () => void): void {
    const { life } = this;
    this.testbed.after(delay, () => {
      if (this.isRunning && this.life === life) run();
    });
  }

  /** Opens a datagram socket; throws when refused, which `tryBind` returns. */
  bind(options: BindOptions): TestbedSocket {
    const bound = this.tryBind(options);
    assert(bound.ok, `bind refused on ${this.name}`);
    return bound.value;
  }

  tryBind(options: BindOptions): Result<TestbedSocket, NodeRefusal> {
    const { onMessage, onDrain, ...socketOptions } = options;
    const bound = this.call((node, now) => node.datagramBind(socketOptions, now));
    if (!bound?.ok) return bound ?? fail('closed');
    const { socket, port } = bound.value;
    this.datagrams.set(socket, { onMessage, onDrain });
    return ok({
      port,
      send: (payload, target) => {
        const to = this.testbed.addressOf(target.to);
        const send = (node: OverlayNodeApi, now: Parameters<OverlayNodeApi['flush']>[0]) =>
          node.datagramSend(socket, to, target.port, payload, now);
        if (this.datagrams.get(socket) === undefined) return 'closed';
        return this.call(send) ?? 'closed';
      },
      reserve: (to, rate) => {
        const destination = this.testbed.addressOf(to);
        const asked = this.call((node, now) =>
          node.bandwidth?.reserve({ socket, destination, rate }, now),
        );
        return asked ?? fail('closed');
      },
      close: () => {
        if (this.datagrams.delete(socket)) this.call((node, now) => node.socketClose(socket, now));
      },
    });
  }

  /** Takes streams at a port; `onStream` returns what to do with each. */
  listen(
    port: number,
    onStream: (stream: TestbedStream) => StreamHandlers,
  ): Result<number, NodeRefusal> {
    const bound = this.call((node, now) => node.streamListen({ port }, now));
    if (!bound?.ok) return bound ?? fail('closed');
    this.listeners.set(bound.value.socket, onStream);
    return ok(bound.value.port);
  }

  connect(
    target: { to: string; port: number },
    handlers: StreamHandlers,
    options: FlowOptions = {},
  ): Result<TestbedStream, NodeRefusal> {
    const to = this.testbed.addressOf(target.to);
    const opened = this.call((node, now) => node.streamConnect(to, target.port, options, now));
    if (!opened?.ok) return opened ?? fail('closed');
    const stream = new TestbedStream(this, opened.value, target.to);
    stream.handlers = handlers;
    this.streams.set(opened.value, stream);
    return ok(stream);
  }

  /** Never called back when nothing answers. */
  echo(
    to: string,
    onOutcome: (outcome: EchoOutcome) => void,
    options: { hopLimit?: number; payloadBytes?: number; routing?: FlowRouting } = {},
  ): Result<void, NodeRefusal> {
    const id = this.nextEcho++;
    const address = this.testbed.addressOf(to);
    this.echoes.set(id, onOutcome);
    const begun = this.call((node, now) => node.echo(id, address, options, now));
    if (begun?.ok !== true) this.echoes.delete(id);
    return begun ?? fail('closed');
  }

  status(): NodeStatus | undefined {
    return this.driver.read((node, now) => node.status(now));
  }

  explainRoute(to: string): RouteExplanation | undefined {
    const address = this.testbed.addressOf(to);
    return this.driver.read((node, now) => node.explainRoute(address, now));
  }

  call: SimulatedNode['call'] = (run) => this.driver.call(run);

  private application(): ApplicationSink {
    return {
      datagram: (socket, payload, meta) => {
        const from = this.testbed.nameOf(meta.from) ?? '';
        this.datagrams
          .get(socket)
          ?.onMessage?.({ payload, from, fromPort: meta.fromPort, lane: meta.lane });
      },
      datagramDrain: (socket) => this.datagrams.get(socket)?.onDrain?.(),
      streamIncoming: (listener, id, from) => {
        const accept = this.listeners.get(listener);
        if (accept === undefined) return;
        const stream = new TestbedStream(this, id, this.testbed.nameOf(from) ?? '');
        this.streams.set(id, stream);
        stream.handlers = accept(stream);
      },
      streamConnected: (id) => this.streams.get(id)?.handlers.onConnected?.(),
      streamData: (id, bytes) => {
        this.streams.get(id)?.handlers.onData?.(bytes);
        this.call((node, now) => node.streamConsumed(id, bytes.length, now));
      },
      streamWritable: (id) => this.streams.get(id)?.handlers.onWritable?.(),
      streamEnded: (id) => this.streams.get(id)?.handlers.onEnd?.(),
      streamClosed: (id, reason) => {
        const stream = this.streams.get(id);
        this.streams.delete(id);
        stream?.handlers.onClose?.(reason);
      },
      echo: (id, outcome) => {
        const onOutcome = this.echoes.get(id);
        // A path that duplicates may bring the answer twice; one question has one answer.
        this.echoes.delete(id);
        onOutcome?.(outcome);
      },
      event: (event) => this.onEvent?.(event),
      gone: () => this.gone(),
    };
  }

  private gone(): void {
    const open = [...this.streams.values()];
    this.datagrams.clear();
    this.listeners.clear();
    this.streams.clear();
    this.echoes.clear();
    for (const stream of open) stream.handlers.onClose?.('node-gone');
  }
}

export interface TestbedSocket {
  readonly port: number;
  send(payload: Uint8Array, target: { to: string; port: number }): SendOutcome;
  /** Bits a second to a node; an event `reservation` with this number says what came of it. */
  reserve(to: string, rate: number): Result<number, NodeRefusal>;
  close(): void;
}

export class TestbedStream {
  /** Name of the node at the other end. */
  readonly peer: string;
  handlers: StreamHandlers = {};
  private readonly node: TestbedNode;
  private readonly id: StreamId;

  constructor(node: TestbedNode, id: StreamId, peer: string) {
    this.node = node;
    this.id = id;
    this.peer = peer;
  }

  /** Bytes taken; fewer than offered: go on at `onWritable`. */
  write(bytes: Uint8Array): number {
    return this.node.call((node, now) => node.streamWrite(this.id, bytes, now)) ?? 0;
  }

  finish(): void {
    this.node.call((node, now) => node.streamFinish(this.id, now));
  }

  reset(): void {
    this.node.call((node, now) => node.streamReset(this.id, now));
  }
}

function neighbourNames(
  testbed: TestbedSurroundings,
  name: string,
): { name: string; index: number }[] {
  const { nodes, links } = testbed.topology;
  const out: { name: string; index: number }[] = [];
  nodes.forEach((other, index) => {
    const isLinked = links.some(
      ({ a, b }) => (a === name && b === other) || (b === name && a === other),
    );
    if (isLinked) out.push({ name: other, index });
  });
  return out;
}
