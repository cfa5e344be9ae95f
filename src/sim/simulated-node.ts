/**
 * Drives one overlay node in virtual time, as `host/` drives it in real time: hands it batches of
 * datagrams, wakes it when it asked to be woken, sends what it wants sent, and brings its words to
 * the application only after the call into it has returned. Its clocks drift, it crashes and comes
 * back with nothing but its identity, its manifest and a greater epoch.
 *
 * What the driver holds the node to: a timeout that was due moves `nextTimeout` to a later instant;
 * nothing is thrown; no datagram passes the largest the underlay carries; views into a batch are not
 * kept (the slab is overwritten as soon as the node has returned).
 */
import type {
  Duration,
  Entropy,
  Instant,
  Random,
  UnderlayAddress,
  WallTime,
} from '../kernel/index.ts';
import { assert, DatagramBatch } from '../kernel/index.ts';
import type {
  NodeEvent,
  NodeOptions,
  NodeSink,
  OverlayNodeApi,
  PacketName,
} from '../node/index.ts';
import { OverlayNode } from '../node/index.ts';
import { NodeClock } from './clock.ts';
import type { ScheduledEvent } from './event-queue.ts';
import type { Network } from './network.ts';
import type { Trace } from './trace.ts';

export type NodeFactory = (
  options: NodeOptions,
  sink: NodeSink,
  now: Instant,
  wall: WallTime,
) => OverlayNodeApi;

/** The shipped node. Its certificate comes from the simulator: a refusal is a failed run. */
export const overlayNode: NodeFactory = (options, sink, now, wall) => {
  const started = OverlayNode.start(options, sink, now, wall);
  assert(started.ok, `a node refuses its own certificate: ${started.ok ? '' : started.reason}`);
  return started.value;
};

/** What the node says to applications; the driver keeps the rest for itself. */
export type ApplicationSink = Omit<NodeSink, 'transmit' | 'event'> & {
  event(event: NodeEvent): void;
  /** The node is gone, and with it every socket and stream. */
  gone(): void;
};

export interface SimulatedNodeOptions {
  readonly name: string;
  readonly factory: NodeFactory;
  readonly network: Network;
  readonly trace: Trace;
  readonly random: Random;
  readonly application: ApplicationSink;
  /** Everything but what differs from life to life. */
  readonly node: Omit<NodeOptions, 'epoch' | 'entropy' | 'seed' | 'observer' | 'manifest'>;
  readonly manifest: Uint8Array;
  readonly driftPpm: number;
  readonly wallSkew: Duration;
  /** Datagrams that arrive within this time of each other come in one batch. Zero: one by one. */
  readonly receiveGrain: Duration;
}

/** The Ethernet limit less IPv4 and UDP headers; the node's own budget is tighter. */
const DATAGRAM_BYTES_MAX = 1472;
const BATCH_PACKETS = 64;
const BATCH_BYTES = BATCH_PACKETS * 2048;
/** Timeouts in a row at one instant that are taken for a node that spins. */
const SPIN_MAX = 1000;
/** Application calls and their consequences at one instant, likewise. */
const CASCADE_MAX = 100_000;
const SCRUBBED = 0xdb;

export class SimulatedNode {
  readonly name: string;
  private readonly options: SimulatedNodeOptions;
  private readonly network: Network;
  private readonly trace: Trace;
  private readonly random: Random;
  private readonly inbox = new DatagramBatch({ capacity: BATCH_PACKETS, slabBytes: BATCH_BYTES });
  private readonly tidings: (() => void)[] = [];
  private clock: NodeClock;
  private node: OverlayNodeApi | undefined;
  private armed: ScheduledEvent | undefined;
  private isInside = false;
  private isSettling = false;
  private isInboxDue = false;
  private isPaused = false;
  private spins = 0;
  private spinAt = -1;
  private manifest: Uint8Array;
  private epoch: number;
  /** Starts so far. */
  life = 0;

  constructor(options: SimulatedNodeOptions) {
    this.options = options;
    this.name = options.name;
    this.network = options.network;
    this.trace = options.trace;
    this.random = options.random;
    this.manifest = options.manifest;
    this.epoch = this.random.between(0, 1000);
    this.clock = this.freshClock();
  }

  get isRunning(): boolean {
    return this.node !== undefined;
  }

  /** A new life; state of earlier ones is gone. */
  start(): void {
    if (this.node !== undefined) return;
    this.life++;
    this.epoch += this.random.between(1, 3);
    this.clock = this.freshClock();
    const life = this.random.split(`life ${this.life}`);
    const entropy: Entropy = { bytes: (count) => life.bytes(count) };
    const sink = this.sink(this.life);
    this.guarded(() => {
      this.node = this.options.factory(
        {
          ...this.options.node,
          manifest: this.manifest,
          epoch: this.epoch,
          entropy,
          seed: life.split('seed').u32(),
          observer: this.observer(this.life),
        },
        sink,
        this.now,
        this.clock.wall(this.network.queue.now),
      );
      const { address } = this.node;
      this.trace.record({ ...this.here(), kind: 'start', life: this.life, address });
      this.node.handle(
        { kind: 'wall-clock', wall: this.clock.wall(this.network.queue.now) },
        this.now,
      );
    });
    this.settle();
  }

  /** Power off: no word to anybody, memory lost. */
  crash(): void {
    if (this.node === undefined) return;
    this.trace.record({ ...this.here(), kind: 'crash', life: this.life });
    this.forget();
  }

  /** Leaves in good order, then ends. */
  stop(): void {
    if (this.node === undefined) return;
    this.trace.record({ ...this.here(), kind: 'stop', life: this.life });
    this.call((node, now) => node.handle({ kind: 'stop' }, now));
    this.forget();
  }

  /** The process does not run, as when a virtual machine is moved; its socket's buffer fills. */
  pause(): void {
    this.isPaused = this.node !== undefined;
  }

  /** Everything that waited comes at once, and timers are late. */
  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.stepWall(0);
    this.readInbox();
    this.wake();
  }

  /** The wall clock jumps, as when somebody sets it. */
  stepWall(by: number): void {
    this.clock.stepWall(by);
    this.call((node, now) =>
      node.handle({ kind: 'wall-clock', wall: this.clock.wall(this.network.queue.now) }, now),
    );
  }

  /**
   * Calls into the node and lets the consequences play out. Undefined when it does not run. Made
   * from within one of the node's own tidings it joins those under way.
   */
  call<T>(run: (node: OverlayNodeApi, now: Instant) => T): T | undefined {
    if (this.isPaused) return undefined;
    let result: T | undefined;
    this.guarded(() => {
      if (this.node !== undefined) result = run(this.node, this.now);
    });
    this.settle();
    return result;
  }

  /** Reads from the node; must not change it. */
  read<T>(run: (node: OverlayNodeApi, now: Instant) => T): T | undefined {
    return this.node === undefined ? undefined : run(this.node, this.now);
  }

  arrive(bytes: Uint8Array, remote: UnderlayAddress): boolean {
    if (this.node === undefined) return false;
    const isLost = this.isPaused && !this.inbox.hasRoom(bytes.length);
    if (isLost) return false;
    const at = this.network.queue.now;
    this.trace.record({
      at,
      node: this.name,
      kind: 'receive',
      remote: remote.key,
      bytes: bytes.length,
    });
    if (!this.inbox.hasRoom(bytes.length)) this.readInbox();
    this.inbox.push(bytes, remote, 0);
    const grain = this.options.receiveGrain;
    if (this.isPaused) return true;
    if (grain === 0) this.readInbox();
    else if (!this.isInboxDue) {
      this.isInboxDue = true;
      const { life } = this;
      this.network.queue.schedule(at + this.random.below(grain), () => {
        if (life === this.life) this.readInbox();
      });
    }
    return true;
  }

  private readInbox(): void {
    this.isInboxDue = false;
    if (this.isPaused || this.inbox.count === 0) return;
    this.guarded(() => this.node?.handle({ kind: 'datagrams', batch: this.inbox }, this.now));
    this.inbox.slab.fill(SCRUBBED, 0, this.inbox.used);
    this.inbox.clear();
    this.settle();
  }

  private wake(): void {
    if (this.isPaused) return;
    const due = this.node?.nextTimeout();
    if (due === undefined || this.now < due) return this.arm();
    this.guarded(() => this.node?.handle({ kind: 'timeout' }, this.now));
    const next = this.node?.nextTimeout();
    if (next !== undefined && next <= due)
      this.violate('due-timeout-progress', `timeout due at ${due} left the next one at ${next}`);
    this.countSpin();
    this.settle();
  }

  private countSpin(): void {
    const at = this.network.queue.now;
    this.spins = at === this.spinAt ? this.spins + 1 : 0;
    this.spinAt = at;
    if (this.spins === SPIN_MAX)
      this.violate('due-timeout-progress', `${SPIN_MAX} timeouts at one instant`);
  }

  /** Brings the tidings, and what the applications do about them, to rest. */
  private settle(): void {
    if (this.isInside || this.isSettling) return;
    this.isSettling = true;
    let tiding = this.tidings.shift();
    for (let i = 0; tiding !== undefined; i++, tiding = this.tidings.shift()) {
      if (i === CASCADE_MAX) {
        this.violate('no-spinning', `${CASCADE_MAX} tidings at one instant`);
        this.tidings.length = 0;
        break;
      }
      tiding();
    }
    this.guarded(() => this.node?.flush(this.now));
    this.isSettling = false;
    if (this.tidings.length > 0) this.settle();
    else this.arm();
  }

  private arm(): void {
    const due = this.node?.nextTimeout();
    if (due === undefined) return;
    if (!Number.isSafeInteger(due))
      this.violate('due-timeout-progress', `a timeout at ${due}, which is no whole microsecond`);
    const at = Math.max(this.clock.virtual(due), this.network.queue.now);
    // An earlier alarm stays: when it goes off too soon it sets the next one.
    if (this.armed?.run !== undefined && this.armed.at <= at) return;
    if (this.armed !== undefined) this.network.queue.cancel(this.armed);
    this.armed = this.network.queue.schedule(at, () => this.wake());
  }

  private forget(): void {
    this.node = undefined;
    this.isPaused = false;
    if (this.armed !== undefined) this.network.queue.cancel(this.armed);
    this.armed = undefined;
    this.inbox.clear();
    this.isInboxDue = false;
    this.tidings.length = 0;
    this.options.application.gone();
  }

  private get now(): Instant {
    return this.clock.local(this.network.queue.now);
  }

  private here(): { at: number; node: string } {
    return { at: this.network.queue.now, node: this.name };
  }

  private guarded(run: () => void): void {
    assert(!this.isInside, 'a node is called from within its own sink');
    this.isInside = true;
    try {
      run();
    } catch (error) {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.violate('no-throw', stack);
    } finally {
      this.isInside = false;
    }
  }

  private violate(invariant: string, text: string): void {
    this.trace.violate(invariant, this.network.queue.now, this.name, text);
  }

  private freshClock(): NodeClock {
    return new NodeClock({
      startedAt: this.network.queue.now,
      origin: this.random.between(1, 2 ** 40 / 1024) * 1024,
      driftPpm: this.options.driftPpm,
      wallSkew: this.options.wallSkew,
    });
  }

  /** Written out field by field: these are the most frequent events of a trace. */
  private observer(life: number): NonNullable<NodeOptions['observer']> {
    const { trace, name: node } = this;
    const { queue } = this.network;
    const note = (kind: 'packet-sent' | 'packet-delivered', header: PacketName): void => {
      const { source, destination, epoch, flow, sequence } = header;
      const at = queue.now;
      trace.record({ at, node, kind, source, destination, epoch, flow, sequence, life });
    };
    return {
      packetSent: (header) => note('packet-sent', header),
      packetDelivered: (header) => note('packet-delivered', header),
      packetForwarded: ({ source, destination, epoch, flow, sequence, lap, lane }, from, to) => {
        const at = queue.now;
        const packet = {
          source,
          destination,
          epoch,
          flow,
          sequence,
          from,
          to,
          life,
          lap: lap ?? 0,
          lane: lane ?? 0,
        };
        trace.record({ at, node, kind: 'packet-forwarded', ...packet });
      },
      packetDropped: (header, reason) => {
        const packet = header === undefined ? {} : nameOf(header);
        trace.record({ at: queue.now, node, kind: 'packet-dropped', ...packet, reason, life });
      },
    };
  }

  private sink(life: number): NodeSink {
    const app = this.options.application;
    const later = (tell: () => void): void => {
      if (life === this.life) this.tidings.push(tell);
    };
    return {
      transmit: (batch) => this.transmit(batch),
      datagram: (socket, payload, meta) => {
        const copy = payload.slice();
        const kept = { from: meta.from, fromPort: meta.fromPort, lane: meta.lane };
        later(() => app.datagram(socket, copy, kept));
      },
      datagramDrain: (socket) => later(() => app.datagramDrain(socket)),
      streamIncoming: (listener, stream, from, fromPort) =>
        later(() => app.streamIncoming(listener, stream, from, fromPort)),
      streamConnected: (stream) => later(() => app.streamConnected(stream)),
      streamData: (stream, bytes) => {
        const copy = bytes.slice();
        later(() => app.streamData(stream, copy));
      },
      streamWritable: (stream) => later(() => app.streamWritable(stream)),
      streamEnded: (stream) => later(() => app.streamEnded(stream)),
      streamClosed: (stream, reason) => later(() => app.streamClosed(stream, reason)),
      echo: (id, outcome) => later(() => app.echo(id, outcome)),
      event: (event) => {
        if (event.kind === 'manifest') this.manifest = event.manifest.slice();
        this.trace.record({
          ...this.here(),
          kind: 'node-event',
          event: event.kind,
          text: textOf(event),
        });
        later(() => app.event(event));
      },
    };
  }

  private transmit(batch: DatagramBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const bytes = batch.view(i);
      if (bytes.length === 0 || bytes.length > DATAGRAM_BYTES_MAX)
        this.violate('datagram-size', `datagram of ${bytes.length} bytes`);
      this.network.transmit(this.name, batch.remotes[i]!, bytes);
    }
  }
}

/** A copy: the node reuses its header objects. */
const nameOf = (h: PacketName): PacketName => ({
  source: h.source,
  destination: h.destination,
  epoch: h.epoch,
  flow: h.flow,
  sequence: h.sequence,
});

function textOf(event: NodeEvent): string {
  switch (event.kind) {
    case 'link-up':
      return `${event.name} at ${event.remote.key}`;
    case 'link-down':
      return `${event.name}: ${event.reason}, silent for ${event.silence}`;
    case 'path-changed':
      return `${event.name} by ${event.local} at ${event.remote.key}: ${event.reason}`;
    case 'provider':
      return `${event.local}: ${event.isTrouble ? 'silent' : 'heard'}`;
    case 'route-changed':
      return `${event.destination}: ${event.before ?? 'none'} -> ${event.after ?? 'none'}: ${event.cause}`;
    case 'reservation':
      return `${event.destination}: ${event.rate} ${event.state} ${event.short?.verdict ?? ''}`;
    case 'graph-changed':
      return `${event.destination}: ${event.before} -> ${event.after}: ${event.cause}`;
    case 'refused':
      return `${event.what}: ${event.reason} from ${event.remote}`;
    case 'member':
      return event.name;
    case 'manifest':
      return `version ${event.version}`;
    case 'enrol-request':
      return event.name;
    case 'member-gone':
      return `${event.name}: ${event.reason}`;
  }
}
