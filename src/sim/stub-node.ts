/**
 * The simplest thing that keeps the node contract: it floods every packet over all links, drops
 * what it has seen, and has streams that send everything again until it is acknowledged. No
 * cryptography, no routes, no bounds. It exists for the simulator's own tests: it passes every
 * checker, and `StubFault` makes it break exactly one rule, which shows that the checker can fail.
 */
import type { Instant, NodeAddress, Result, UnderlayAddress } from '../kernel/index.ts';
import {
  ByteReader,
  ByteWriter,
  Counters,
  concatBytes,
  DatagramBatch,
  type Duration,
  fail,
  ok,
  readU32,
} from '../kernel/index.ts';
import type {
  BoundSocket,
  DatagramSocketOptions,
  NodeInput,
  NodeOptions,
  NodeRefusal,
  NodeSink,
  NodeStatus,
  OverlayNodeApi,
  SendOutcome,
  SocketId,
  StreamId,
} from '../node/index.ts';
import { PerformanceDatabase } from '../routing/index.ts';
import type { DataHeader } from '../wire/index.ts';
import {
  blankDataHeader,
  DATA_HEADER_BYTES,
  decodeCertificate,
  decodeChain,
  decodeDataHeader,
  encodeDataHeader,
  NO_ROUTE,
} from '../wire/index.ts';
import { StubStreams } from './stub-streams.ts';

export type StubFault =
  | 'forwards-twice'
  | 'delivers-twice'
  | 'changes-messages'
  | 'delivers-to-others'
  | 'never-heals'
  | 'reuses-nonces'
  | 'stalls-timeouts'
  | 'throws'
  | 'keeps-views'
  | 'outgrows-bounds'
  | 'loses-stream-bytes'
  | 'ends-streams-early'
  | 'amplifies'
  | 'draws-at-random'
  | 'sends-too-much';

export const STUB_MESSAGE_BYTES_MAX = 1_100;

const CHECKSUM_BYTES = 4;
const TICK = 1_000_000;
const KIND_DATAGRAM = 0;
const KIND_ECHO = 1;
const KIND_ECHO_REPLY = 2;
const KIND_STREAM = 3;

export class StubNode implements OverlayNodeApi {
  readonly address: NodeAddress;
  readonly name: string;
  readonly performance: PerformanceDatabase = new PerformanceDatabase({ counters: new Counters() });
  private readonly options: NodeOptions;
  private readonly sink: NodeSink;
  private readonly fault: StubFault | undefined;
  private readonly out = new DatagramBatch({ capacity: 64, slabBytes: 128 * 1024 });
  private readonly header = blankDataHeader();
  private readonly seen = new Set<string>();
  private readonly ports = new Map<number, SocketId>();
  private readonly echoes = new Map<number, Instant>();
  private readonly streams: StubStreams;
  private kept: Uint8Array | undefined;
  private sequence = 0;
  private nextSocket = 1;
  private nextPort = 50_000;
  private nextTick: number | undefined;

  constructor(options: NodeOptions, sink: NodeSink, fault?: StubFault) {
    const link = decodeChain(options.identity.chain)?.[0];
    const certificate = link === undefined ? undefined : decodeCertificate(link.body);
    this.address = certificate?.address ?? (1 as NodeAddress);
    this.name = certificate?.name ?? '';
    this.options = options;
    this.sink = sink;
    this.fault = fault;
    this.streams = new StubStreams({
      sink,
      entropy: options.entropy,
      isLossy: fault === 'loses-stream-bytes',
      endsEarly: fault === 'ends-streams-early',
      send: (to, body) => this.originate(to, KIND_STREAM, body),
    });
  }

  handle(input: NodeInput, now: Instant): void {
    if (input.kind === 'datagrams') this.receive(input.batch, now);
    if (input.kind === 'wall-clock') this.nextTick ??= now + TICK;
    if (input.kind === 'timeout') this.timeout(now);
    this.flush(now);
  }

  nextTimeout(): Instant | undefined {
    const streams = this.streams.nextTimeout();
    const tick = this.nextTick ?? Number.MAX_SAFE_INTEGER;
    return Math.min(tick, streams ?? tick) as Instant;
  }

  flush(_now: Instant): void {
    if (this.out.count === 0) return;
    this.sink.transmit(this.out);
    this.out.clear();
  }

  datagramBind(options: DatagramSocketOptions, _now: Instant): Result<BoundSocket, NodeRefusal> {
    const port = options.port ?? this.nextPort++;
    if (this.ports.has(port)) return fail('port-in-use');
    const socket = this.nextSocket++;
    this.ports.set(port, socket);
    return ok({ socket, port });
  }

  datagramSend(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payload: Uint8Array,
    _now: Instant,
  ): SendOutcome {
    const fromPort = [...this.ports].find(([, s]) => s === socket)?.[0];
    if (fromPort === undefined) return 'closed';
    if (payload.length > STUB_MESSAGE_BYTES_MAX) return 'too-big';
    const body = new ByteWriter().u16(fromPort).u16(toPort).raw(payload).finish();
    this.originate(to, KIND_DATAGRAM, body);
    return 'sent';
  }

  socketClose(socket: SocketId, _now: Instant): void {
    for (const [port, s] of this.ports) if (s === socket) this.ports.delete(port);
  }

  streamListen(options: { port?: number }, _now: Instant): Result<BoundSocket, NodeRefusal> {
    const port = options.port ?? this.nextPort++;
    const socket = this.nextSocket++;
    this.streams.listeners.set(port, socket);
    return ok({ socket, port });
  }

  streamConnect(
    to: NodeAddress,
    port: number,
    _o: unknown,
    now: Instant,
  ): Result<StreamId, NodeRefusal> {
    return ok(this.streams.connect(to, port, now));
  }

  streamWrite(stream: StreamId, bytes: Uint8Array, now: Instant): number {
    return this.streams.write(stream, bytes, now);
  }

  streamConsumed(_stream: StreamId, _bytes: number, _now: Instant): void {}

  streamFinish(stream: StreamId, now: Instant): void {
    this.streams.finish(stream, now);
  }

  streamReset(stream: StreamId, _now: Instant): void {
    this.streams.reset(stream);
  }

  echo(id: number, to: NodeAddress, _options: object, now: Instant): Result<void, NodeRefusal> {
    this.echoes.set(id, now);
    this.originate(to, KIND_ECHO, new ByteWriter().u32(id).finish());
    return ok(undefined);
  }

  addressOf(): undefined {
    return undefined;
  }

  nameOf(): undefined {
    return undefined;
  }

  status(_now: Instant): NodeStatus {
    const surplus =
      this.fault === 'outgrows-bounds' ? (this.options.limits?.membersMax ?? 0) + 1 : 0;
    const member = { address: this.address, name: '', isReachable: true, certificateEnds: 0 };
    return {
      address: this.address,
      name: this.name,
      network: { name: '', id: '', isLab: true },
      manifestVersion: 1,
      epoch: this.options.epoch,
      uptime: 0 as Duration,
      certificateEnds: 0 as NodeStatus['certificateEnds'],
      links: [],
      routes: [],
      members: new Array(surplus).fill(member),
      counters: {},
    };
  }

  explainRoute(): undefined {
    return undefined;
  }

  private timeout(now: Instant): void {
    if (this.nextTick !== undefined && now >= this.nextTick && this.fault !== 'stalls-timeouts') {
      this.nextTick += TICK;
      if (this.fault === 'sends-too-much') this.push(new Uint8Array(1_500), this.firstRemote());
      if (this.fault === 'throws') throw new TypeError('drawn fault');
      if (this.fault === 'reuses-nonces') this.sealTwice();
    }
    this.streams.timeout(now);
  }

  private answerStranger(bytes: Uint8Array, remote: UnderlayAddress): void {
    if (this.options.neighbours.some((n) => n.remotes[0]!.key === remote.key)) return;
    this.push(concatBytes(bytes, new Uint8Array(20)), remote);
  }

  private firstRemote(): UnderlayAddress {
    return this.options.neighbours[0]!.remotes[0]!;
  }

  private sealTwice(): void {
    const key = this.options.crypto.aeadKey('chacha20-poly1305', new Uint8Array(32));
    const nonce = new Uint8Array(12);
    key.seal(nonce, Uint8Array.of(1), nonce);
    key.seal(nonce, Uint8Array.of(2), nonce);
  }

  private originate(destination: NodeAddress, kind: number, body: Uint8Array): void {
    const header: DataHeader = {
      ...blankDataHeader(),
      hopLimit: 64,
      // Not the seed's: two runs of one seed differ, which is what the comparison must find.
      lane: this.fault === 'draws-at-random' ? unseeded++ & 255 : 0,
      kind,
      source: this.address,
      destination,
      epoch: this.options.epoch,
      flow: 1,
      sequence: this.sequence++,
    };
    const packet = new Uint8Array(DATA_HEADER_BYTES);
    encodeDataHeader(packet, 0, header, NO_ROUTE);
    this.seen.add(nameOf(header));
    this.options.observer?.packetSent?.(header);
    this.flood(withChecksum(concatBytes(packet, body)), undefined, undefined);
  }

  private receive(batch: DatagramBatch, now: Instant): void {
    for (let i = 0; i < batch.count; i++) {
      const bytes = this.fault === 'keeps-views' ? (this.kept ?? batch.view(i)) : batch.view(i);
      this.kept = batch.view(i);
      this.packet(bytes, batch.remotes[i]!, now);
    }
  }

  private packet(bytes: Uint8Array, remote: UnderlayAddress, now: Instant): void {
    const { header, fault } = this;
    const { observer } = this.options;
    if (fault === 'amplifies') this.answerStranger(bytes, remote);
    const isSound =
      isChecksumRight(bytes) && decodeDataHeader(header, bytes, 0, bytes.length) === undefined;
    if (!isSound) return observer?.packetDropped?.(undefined, 'malformed');
    if (header.source === this.address && fault !== 'forwards-twice') return;
    const name = nameOf(header);
    if (this.seen.has(name)) {
      const again = fault === 'delivers-twice' && header.destination === this.address;
      const round = fault === 'forwards-twice' && header.destination !== this.address;
      if (!again && !round) return observer?.packetDropped?.(header, 'duplicate');
    }
    this.seen.add(name);
    const end = bytes.length - CHECKSUM_BYTES;
    const body = bytes.subarray(DATA_HEADER_BYTES, end);
    if (fault === 'delivers-to-others' && header.kind === KIND_DATAGRAM)
      this.datagram(header.source, body);
    if (header.destination !== this.address) return this.flood(bytes.slice(), remote, header);
    observer?.packetDelivered?.(header);
    this.deliver(header.kind, header.source, body, now);
  }

  private deliver(kind: number, source: NodeAddress, body: Uint8Array, now: Instant): void {
    if (kind === KIND_DATAGRAM) return this.datagram(source, body);
    if (kind === KIND_STREAM) return this.streams.receive(source, body, now);
    if (kind === KIND_ECHO) return this.originate(source, KIND_ECHO_REPLY, body.slice());
    const id = readU32(body, 0);
    const asked = this.echoes.get(id);
    if (asked === undefined) return;
    this.echoes.delete(id);
    this.sink.echo(id, { kind: 'reply', from: source, rtt: (now - asked) as Duration });
  }

  private datagram(from: NodeAddress, body: Uint8Array): void {
    const reader = new ByteReader(body);
    const fromPort = reader.u16();
    const socket = this.ports.get(reader.u16());
    if (socket === undefined || this.fault === 'never-heals') return;
    const payload = reader.copy(reader.remaining);
    if (this.fault === 'changes-messages') payload[payload.length - 1]! ^= 1;
    this.sink.datagram(socket, payload, { from, fromPort, lane: 0 });
  }

  private flood(
    packet: Uint8Array,
    except: UnderlayAddress | undefined,
    header: DataHeader | undefined,
  ): void {
    for (const [i, neighbour] of this.options.neighbours.entries()) {
      const remote = neighbour.remotes[0]!;
      if (remote.key === except?.key) continue;
      const from = header?.source ?? this.address;
      const to = (i + 1) as NodeAddress;
      if (header !== undefined) this.options.observer?.packetForwarded?.(header, from, to);
      this.push(packet, remote);
    }
  }

  private push(bytes: Uint8Array, remote: UnderlayAddress): void {
    if (!this.out.hasRoom(bytes.length)) this.flush(0 as Instant);
    this.out.push(bytes, remote, 0);
  }
}

let unseeded = 0;

const nameOf = (h: DataHeader): string => `${h.source}/${h.epoch}/${h.flow}/${h.sequence}`;

function checksum(bytes: Uint8Array, end: number): number {
  let h = 0x811c_9dc5;
  for (let i = 0; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x0100_0193);
  return h >>> 0;
}

const withChecksum = (bytes: Uint8Array): Uint8Array =>
  new ByteWriter(bytes.length + CHECKSUM_BYTES)
    .raw(bytes)
    .u32(checksum(bytes, bytes.length))
    .finish();

function isChecksumRight(bytes: Uint8Array): boolean {
  const end = bytes.length - CHECKSUM_BYTES;
  return end > 0 && checksum(bytes, end) === readU32(bytes, end);
}
