import assert from 'node:assert/strict';
/**
 * A network of socket layers in virtual time, for the tests of this room: each ordered pair of nodes is
 * joined by a chain of impaired hops. There is no routing in it and no link; packets are
 * copied from one layer to the other as a packet path would. Timers fire late by up to
 * `timerGranularity`, as they do under Node.
 */

import type { Impairments } from '../impairment/index.ts';
import { PathModel } from '../impairment/index.ts';
import type { Instant, NodeAddress, WallTime } from '../kernel/index.ts';
import { Heap, Random } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';
import { simCrypto, simEntropy } from '../sim/index.ts';
import {
  blankDataHeader,
  DATA_HEADER_BYTES,
  dataHeaderBytes,
  decodeDataHeader,
  encodeDataHeader,
  NO_ROUTE,
  pathBlock,
} from '../wire/index.ts';
import type {
  DatagramMeta,
  EchoOutcome,
  PacketOutcome,
  PacketOutlet,
  ReceiptOutcome,
  SocketLayerOptions,
  SocketPacket,
  SocketSink,
  StreamFault,
} from './index.ts';
import { SocketLayer } from './index.ts';

const LINK_OVERHEAD_BYTES = 32;
export const MS = 1_000;
export const SECOND = 1_000_000;

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: (now: Instant) => void;
}

export interface ReceivedDatagram {
  readonly socket: number;
  readonly payload: Uint8Array;
  readonly meta: DatagramMeta;
  readonly at: Instant;
}

/** One node: its layer, and everything its sink has heard. */
export class TestNode implements SocketSink {
  readonly address: NodeAddress;
  readonly member: Member;
  layer!: SocketLayer;
  epoch: number;
  now = 0 as Instant;
  readonly datagrams: ReceivedDatagram[] = [];
  readonly drained: number[] = [];
  readonly receipts = new Map<number, ReceiptOutcome>();
  readonly incoming: { listener: number; stream: number; from: NodeAddress; fromPort: number }[] =
    [];
  readonly connected = new Set<number>();
  readonly ended = new Set<number>();
  readonly closed = new Map<number, StreamFault | undefined>();
  readonly writable = new Set<number>();
  readonly received = new Map<number, number>();
  readonly echoes: { id: number; outcome: EchoOutcome }[] = [];
  /** Called for each piece of stream data, if set; consumption is automatic unless `isSlow`. */
  onData: ((stream: number, bytes: Uint8Array) => void) | undefined;
  isSlow = false;
  readonly toConsume: [number, number][] = [];

  constructor(address: NodeAddress, member: Member, epoch: number) {
    this.address = address;
    this.member = member;
    this.epoch = epoch;
  }

  datagram(socket: number, payload: Uint8Array, meta: DatagramMeta): void {
    this.datagrams.push({ socket, payload: payload.slice(), meta, at: this.now });
  }
  datagramDrain(socket: number): void {
    this.drained.push(socket);
  }
  datagramReceipt(_socket: number, id: number, outcome: ReceiptOutcome): void {
    assert.ok(!this.receipts.has(id), `message ${id} has two outcomes`);
    this.receipts.set(id, outcome);
  }
  streamIncoming(listener: number, stream: number, from: NodeAddress, fromPort: number): void {
    this.incoming.push({ listener, stream, from, fromPort });
  }
  streamConnected(stream: number): void {
    this.connected.add(stream);
  }
  streamData(stream: number, bytes: Uint8Array): void {
    this.received.set(stream, (this.received.get(stream) ?? 0) + bytes.length);
    this.onData?.(stream, bytes);
    if (!this.isSlow) this.toConsume.push([stream, bytes.length]);
  }
  streamWritable(stream: number): void {
    this.writable.add(stream);
  }
  streamEnded(stream: number): void {
    this.ended.add(stream);
  }
  streamClosed(stream: number, reason: StreamFault | undefined): void {
    this.closed.set(stream, reason);
  }
  echo(id: number, outcome: EchoOutcome): void {
    this.echoes.push({ id, outcome });
  }
}

export interface TestNetworkOptions {
  readonly seed?: number;
  readonly nodes?: number;
  /** The same in every direction; or set single hops through `hops`. */
  readonly hops?: readonly Partial<Impairments>[];
  readonly timerGranularity?: number;
  readonly pathMtu?: number;
  readonly limits?: SocketLayerOptions['limits'];
}

export class TestNetwork {
  now = 0 as Instant;
  readonly nodes: TestNode[] = [];
  packetsSent = 0;
  /** Bits of mischief for single packets: return true to lose it. */
  drop: ((from: TestNode, packet: SocketPacket, payload: Uint8Array) => boolean) | undefined;
  /** Sees every frame as it arrives. */
  onFrame: ((to: TestNode, frame: Uint8Array) => void) | undefined;
  unreachable = new Set<NodeAddress>();
  /** Who runs after each event: workloads. */
  readonly workloads: ((now: Instant) => void)[] = [];
  private readonly random: Random;
  private readonly options: TestNetworkOptions;
  private readonly paths = new Map<string, PathModel[]>();
  private readonly events = new Heap<Event>((a, b) => a.at - b.at || a.order - b.order);
  private readonly crypto = simCrypto();
  private order = 0;

  constructor(options: TestNetworkOptions = {}) {
    this.options = options;
    this.random = new Random(options.seed ?? 1);
    const count = options.nodes ?? 2;
    for (let i = 0; i < count; i++) this.nodes.push(this.makeNode(i));
    for (const node of this.nodes) this.start(node);
  }

  /** The hops from one node to another. */
  hops(from: TestNode, to: TestNode): PathModel[] {
    const key = `${from.address}>${to.address}`;
    let hops = this.paths.get(key);
    if (hops === undefined) {
      const given = this.options.hops ?? [{ delay: (10 * MS) as Impairments['delay'] }];
      hops = given.map(
        (impairments, i) =>
          new PathModel({ random: this.random.split(`${key} ${i}`), impairments }),
      );
      this.paths.set(key, hops);
    }
    return hops;
  }

  /** A crash with lost memory: the same identity under a new epoch. */
  restart(node: TestNode): void {
    node.epoch++;
    this.start(node);
  }

  after(delay: number, run: (now: Instant) => void): void {
    this.events.push({ at: this.now + delay, order: this.order++, run });
  }

  runFor(duration: number): void {
    this.runUntil(() => false, duration);
  }

  /** Runs until the condition holds; false when it did not within `limit` of virtual time. */
  runUntil(condition: () => boolean, limit: number): boolean {
    const end = this.now + limit;
    for (const workload of this.workloads) workload(this.now);
    for (;;) {
      if (condition()) return true;
      const { node, at: timerAt } = this.soonestTimer();
      const event = this.events.peek();
      const at = Math.min(event?.at ?? Number.POSITIVE_INFINITY, timerAt);
      if (at > end) {
        this.now = end as Instant;
        return condition();
      }
      this.now = Math.max(this.now, at) as Instant;
      if (event !== undefined && event.at <= timerAt) {
        this.events.pop();
        event.run(this.now);
      } else if (node !== undefined) this.fire(node);
      this.consume();
      for (const workload of this.workloads) workload(this.now);
    }
  }

  /** Delivers a frame as if it had just come, for forgeries and replays. */
  inject(to: TestNode, frame: Uint8Array): void {
    this.arrive(to, frame.slice());
    this.consume();
  }

  private consume(): void {
    for (const node of this.nodes) {
      while (node.toConsume.length > 0) {
        const [stream, bytes] = node.toConsume.shift()!;
        node.layer.streamConsumed(stream, bytes, this.now);
      }
    }
  }

  private fire(node: TestNode): void {
    const due = node.layer.nextTimeout()!;
    node.now = this.now;
    node.layer.timeout(this.now);
    const next = node.layer.nextTimeout();
    if (next !== undefined && next <= due)
      throw new Error(`a due timeout made no progress (${due})`);
  }

  private soonestTimer(): { node: TestNode | undefined; at: number } {
    const granularity = this.options.timerGranularity ?? MS;
    let soonest: TestNode | undefined;
    let at = Number.POSITIVE_INFINITY;
    for (const node of this.nodes) {
      const due = node.layer.nextTimeout();
      if (due === undefined) continue;
      const fires = Math.max(this.now, Math.ceil(due / granularity) * granularity);
      if (fires < at) {
        at = fires;
        soonest = node;
      }
    }
    return { node: soonest, at };
  }

  private makeNode(index: number): TestNode {
    const address = (0x1000 + index) as NodeAddress;
    const agreement = this.crypto.keyAgreement(this.random.split(`key ${index}`).bytes(32));
    const member: Member = {
      address,
      name: `N${index}`,
      identityKey: new Uint8Array(32),
      agreementKey: agreement.publicKey,
      roles: [],
      labels: {},
      notBefore: 0 as WallTime,
      notAfter: Number.MAX_SAFE_INTEGER as WallTime,
      serial: new Uint8Array(16),
      chain: new Uint8Array(0),
    };
    return new TestNode(address, member, 1);
  }

  private start(node: TestNode): void {
    const index = this.nodes.indexOf(node);
    const random = this.random.split(`node ${index} ${node.epoch}`);
    node.layer = new SocketLayer({
      self: node.member,
      agreement: this.crypto.keyAgreement(this.random.split(`key ${index}`).bytes(32)),
      epoch: node.epoch,
      crypto: this.crypto,
      entropy: simEntropy(random.split('entropy')),
      random,
      memberAt: (address) => this.nodes.find((n) => n.address === address)?.member,
      isReachable: (address) => !this.unreachable.has(address),
      pathMtu: () => this.options.pathMtu ?? 1400,
      sink: node,
      network: this.outlet(node),
      ...(this.options.limits === undefined ? {} : { limits: this.options.limits }),
    });
  }

  private outlet(node: TestNode): PacketOutlet {
    return {
      graphVersion: () => 0,
      graph: () => undefined,
      leastLatency: () => undefined,
      permitsPath: () => true,
      pinnedRoute: (destination) => [destination],
      defaultRoute: () => NO_ROUTE,
      chooseRoute: (spec) => {
        const route = pathBlock([spec.destination]);
        return { id: 1, spec, route, isLive: true, uses: 0, rate: 0, wish: undefined };
      },
      releaseRoute: () => {},
      send: (packet, payload, now) => this.send(node, packet, payload, now),
    };
  }

  private send(
    node: TestNode,
    packet: SocketPacket,
    payload: Uint8Array,
    now: Instant,
  ): PacketOutcome {
    const to = this.nodes.find((n) => n.address === packet.destination);
    if (to === undefined || this.unreachable.has(packet.destination)) return 'unreachable';
    const headerBytes = DATA_HEADER_BYTES + packet.route.bytes.length;
    const size = LINK_OVERHEAD_BYTES + headerBytes + payload.length;
    if (size > (this.options.pathMtu ?? 1400)) return 'too-big';
    this.packetsSent++;
    if (this.drop?.(node, packet, payload)) return 'sent';
    const frame = new Uint8Array(headerBytes + payload.length);
    const header = Object.assign(blankDataHeader(), packet, {
      source: node.address,
      epoch: node.epoch,
      ...packet.service,
    });
    encodeDataHeader(frame, 0, header, packet.route);
    frame.set(payload, headerBytes);
    this.hop(this.hops(node, to), 0, size, now, (_at) => this.arrive(to, frame.slice()));
    return 'sent';
  }

  private hop(
    hops: readonly PathModel[],
    index: number,
    size: number,
    now: Instant,
    arrive: (now: Instant) => void,
  ): void {
    const path = hops[index];
    if (path === undefined) return arrive(now);
    const copies = path.offer(size, now);
    for (let i = 0; i < copies; i++) {
      const at = path.arrivals[i]!;
      const run = (then: Instant): void => this.hop(hops, index + 1, size, then, arrive);
      this.events.push({ at, order: this.order++, run });
    }
  }

  private arrive(to: TestNode, frame: Uint8Array): void {
    to.now = this.now;
    this.onFrame?.(to, frame);
    const header = blankDataHeader();
    assert.equal(decodeDataHeader(header, frame, 0, frame.length), undefined);
    const payloadAt = dataHeaderBytes(header);
    if (header.source === to.address) {
      // What a node sends to itself never was in a frame.
      const payload = frame.slice(payloadAt);
      return to.layer.receive(header, payload, 0, payload.length, this.now);
    }
    to.layer.receive(header, frame, payloadAt, frame.length, this.now);
  }
}

/** Writes as fast as the stream takes it, up to `total` bytes, then finishes. */
export function pour(
  network: TestNetwork,
  node: TestNode,
  stream: number,
  total: number,
): { written: number } {
  const progress = { written: 0 };
  const block = new Uint8Array(65_536);
  let isFinished = false;
  network.workloads.push((now) => {
    for (;;) {
      if (isFinished || node.closed.has(stream)) return;
      if (progress.written >= total) {
        isFinished = true;
        node.layer.streamFinish(stream, now);
        return;
      }
      if (progress.written > 0 && !node.writable.has(stream)) return;
      const offered = Math.min(block.length, total - progress.written);
      for (let i = 0; i < offered; i++) block[i] = (progress.written + i) % 251;
      const taken = node.layer.streamWrite(stream, block.subarray(0, offered), now);
      progress.written += taken;
      if (taken < offered) {
        node.writable.delete(stream);
        return;
      }
      node.writable.add(stream);
    }
  });
  return progress;
}
