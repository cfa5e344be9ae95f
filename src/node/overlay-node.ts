/**
 * One overlay node: links, routing, forwarding and sockets composed under the one contract of
 * `contract.ts`. The children hold no references to each other: each knows an outlet or a sink that
 * this class gives it, and this class is where their events meet.
 *
 *   datagrams -> link: open, replay, frames -> data frames  -> forwarder -> next link, or sockets
 *                                           -> flood frames -> routing
 *   link up / down / metrics                -> routing -> next hops -> forwarder
 *   sockets: seal end to end                -> forwarder -> link: seal -> datagrams
 *
 * It holds no protocol of its own. Time and randomness come in; effects go out through the sink.
 * Above 400 lines because every method of the contract is here, a line or two each.
 */
import type { FairOutlet, Forwarder, QueuedPacket } from '../forwarding/index.ts';
import type { Duration, Instant, NodeAddress, Result, WallTime } from '../kernel/index.ts';
import { between, Counters, formatNodeAddress, ok, Random, soonest } from '../kernel/index.ts';
import type { LinkMetrics } from '../link/index.ts';
import { LINK_TIMERS, LinkLayer } from '../link/index.ts';
import { LinkStateRouting } from '../routing/index.ts';
import type { Member, TrustRefusal } from '../security/index.ts';
import { TrustStore } from '../security/index.ts';
import { SocketLayer } from '../sockets/index.ts';
import { NodeBandwidth } from './bandwidth.ts';
import {
  linkLimits,
  linkTimers,
  routingLimits,
  routingTimers,
  socketLimits,
} from './child-options.ts';
import type {
  BoundSocket,
  DatagramSocketOptions,
  FlowOptions,
  NeighbourOptions,
  NodeInput,
  NodeOptions,
  NodeRefusal,
  NodeSink,
  NodeStatus,
  OverlayNodeApi,
  ReliableMessage,
  RouteExplanation,
  SendOutcome,
  SentMany,
  SocketId,
  StreamId,
  TurncoatOptions,
} from './contract.ts';
import { NodeDeliveries } from './deliveries.ts';
import { describeNode } from './describe.ts';
import { createForwarder, createOutlet } from './forwarding-parts.ts';
import { OwnPackets } from './own-packets.ts';
import { NodePerformance } from './performance.ts';
import { NodeRelays } from './relays.ts';
import { RouteAnswers } from './route-answers.ts';
import { Turncoat } from './turncoat.ts';

/** Why a node cannot start with what it was given. */
export type StartRefusal = TrustRefusal;

export class OverlayNode implements OverlayNodeApi {
  readonly address: NodeAddress;
  readonly name: string;
  private readonly options: NodeOptions;
  private readonly sink: NodeSink;
  private readonly trust: TrustStore;
  private self: Member;
  private readonly links: LinkLayer;
  private readonly routing: LinkStateRouting;
  private readonly relays: NodeRelays;
  /** Of a captured node: what it does with packets that pass. */
  private turncoat: Turncoat | undefined;
  readonly performance: NodePerformance;
  readonly routes: RouteAnswers;
  readonly bandwidth: NodeBandwidth;
  private readonly outlet: FairOutlet;
  private readonly deliveries: NodeDeliveries;
  private readonly forwarder: Forwarder;
  private readonly sockets: SocketLayer;
  private readonly forwardingCounters = new Counters();
  private neighbours: readonly NeighbourOptions[];
  private readonly own: OwnPackets;
  private readonly startedAt: Instant;
  private wallOffset = 0;
  private isStopped = false;
  private now: Instant;

  /**
   * Checks the own certificate first: a node that nobody would believe does not start. Throws
   * `OverlayError` MANIFEST_INVALID when the manifest is not signed by a root key.
   */
  static start(
    options: NodeOptions,
    sink: NodeSink,
    now: Instant,
    wall: WallTime,
  ): Result<OverlayNode, StartRefusal> {
    const trust = new TrustStore(options);
    const self = trust.verifyChain(options.identity.chain, wall);
    if (!self.ok) return self;
    return ok(new OverlayNode({ options, sink, trust, self: self.value, now, wall }));
  }

  private constructor(parts: {
    options: NodeOptions;
    sink: NodeSink;
    trust: TrustStore;
    self: Member;
    now: Instant;
    wall: WallTime;
  }) {
    const { options, self, now, wall } = parts;
    this.options = options;
    this.sink = parts.sink;
    this.trust = parts.trust;
    this.self = self;
    this.address = self.address;
    this.name = self.name;
    this.startedAt = now;
    this.neighbours = options.neighbours;
    this.now = now;
    const random = new Random(options.seed);
    this.links = this.createLinks(random.split('link'));
    this.routing = this.createRouting(random.split('routing'));
    this.routes = new RouteAnswers(this.routing);
    this.performance = new NodePerformance({ self, options, routing: this.routing, now });
    this.relays = new NodeRelays({
      self: self.address,
      probing: options.probing,
      helloInterval: options.timers?.helloInterval ?? LINK_TIMERS.helloInterval,
      random: random.split('relays'),
      links: this.links,
      routing: this.routing,
      performance: this.performance,
      now: () => this.now,
      claims: (metrics) => this.turncoat?.claims(metrics) ?? metrics,
    });
    const { links, forwardingCounters: counters } = this;
    this.bandwidth = this.createBandwidth();
    this.outlet = createOutlet(options, {
      self: self.address,
      links,
      counters,
      nameOf: (address) => this.nameOf(address),
      isReserved: (...packet) => this.bandwidth.ledger.conforms(...packet),
      resend: (packet, t) => this.forwarder.resend(packet, t),
      drained: ({ flow }) => this.sockets.drained(flow),
    });
    if (options.policy !== undefined) this.routing.setLocalRules(options.policy, now);
    this.deliveries = new NodeDeliveries(options, {
      self: self.address,
      networkId: this.trust.manifest.networkId,
      counters,
      memberAt: (address) => this.memberAt(address),
      outlet: this.outlet,
      repeat: (frame, lap, t) => this.forwarder.repeat(frame, lap, t),
      drained: () => this.sockets.drained(0),
    });
    this.forwarder = createForwarder(options, {
      self: self.address,
      links: this.outlet,
      counters,
      routes: this.relays,
      policy: this.routing.choice.policy,
      endToEnd: this.deliveries,
      networkId: this.trust.networkId,
      identityKeyOf: (source) => this.memberAt(source)?.identityKey,
      sink: {
        deliver: (header, bytes, _frame, at, end, t) =>
          this.sockets.receive(header, bytes, at, end, t),
        notice: (...notice) => this.sockets.notice(...notice),
      },
    });
    this.capture(options.turncoat, now);
    const { address, trust, routing, forwarder } = this;
    this.own = new OwnPackets({ ...options, self: address, trust, routing, forwarder });
    this.sockets = this.createSockets(random.split('sockets'));
    this.setWallClock(wall, now);
  }

  handle(input: NodeInput, now: Instant): void {
    this.now = now;
    switch (input.kind) {
      case 'datagrams':
        this.links.receive(input.batch, now);
        break;
      case 'timeout':
        this.timeout(now);
        break;
      case 'wall-clock':
        this.setWallClock(input.wall, now);
        break;
      case 'neighbours':
        this.links.setNeighbours(input.neighbours, now);
        this.neighbours = input.neighbours;
        for (const neighbour of this.links.neighbours()) this.bandwidth.linkUp(neighbour, now);
        break;
      case 'lan-peers':
        this.performance.shareOnLan(input.peers);
        break;
      case 'manifest':
        this.routing.setManifest(input.manifest, now);
        this.links.recheckTrust(now);
        break;
      case 'policy':
        this.routing.setLocalRules(input.rules, now);
        break;
      case 'turncoat':
        this.capture(input.turncoat, now);
        break;
      case 'certificate':
        this.renewed(input.chain, now);
        break;
      case 'enrol-answer':
        this.links.enrolAnswer(input.request, input.answer, now);
        break;
      case 'stop':
        this.stop(now);
        break;
    }
    this.flush(now);
  }

  nextTimeout(): Instant | undefined {
    const children = soonest(this.links.nextTimeout(), this.routing.nextTimeout());
    let others = soonest(this.sockets.nextTimeout(), this.outlet.nextTimeout());
    others = soonest(soonest(others, this.turncoat?.nextTimeout()), this.deliveries.nextTimeout());
    others = soonest(others, this.own.signer.nextTimeout());
    const kept = soonest(this.relays.exchange.nextTimeout(), this.performance.nextTimeout());
    return soonest(soonest(children, others), soonest(kept, this.bandwidth.nextTimeout()));
  }

  flush(now: Instant): void {
    this.now = now;
    const { loopback } = this.own;
    for (let packet = loopback.shift(); packet !== undefined; packet = loopback.shift()) {
      const { header, payload } = packet;
      this.sockets.receive(header, payload, 0, payload.length, now);
    }
    this.outlet.flush(now);
    this.links.flush(now);
  }

  // -- Sockets ---------------------------------------------------------------------------------

  datagramBind(options: DatagramSocketOptions, now: Instant): Result<BoundSocket, NodeRefusal> {
    return this.sockets.datagramBind(options, now);
  }

  datagramSend(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payload: Uint8Array,
    now: Instant,
  ): SendOutcome {
    return this.sockets.datagramSend(socket, to, toPort, payload, now);
  }

  datagramSendMany(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    payloads: readonly Uint8Array[],
    first: number,
    now: Instant,
  ): SentMany {
    return this.sockets.datagramSendMany(socket, to, toPort, payloads, first, now);
  }

  datagramSendReliable(
    socket: SocketId,
    to: NodeAddress,
    toPort: number,
    message: ReliableMessage,
    now: Instant,
  ): SendOutcome {
    return this.sockets.datagramSendReliable(socket, to, toPort, message, now);
  }

  socketClose(socket: SocketId, now: Instant): void {
    this.sockets.socketClose(socket, now);
  }

  streamListen(options: { port?: number }, now: Instant): Result<BoundSocket, NodeRefusal> {
    return this.sockets.streamListen(options, now);
  }

  streamConnect(
    to: NodeAddress,
    toPort: number,
    options: FlowOptions,
    now: Instant,
  ): Result<StreamId, NodeRefusal> {
    return this.sockets.streamConnect(to, toPort, options, now);
  }

  streamWrite(stream: StreamId, bytes: Uint8Array, now: Instant): number {
    return this.sockets.streamWrite(stream, bytes, now);
  }

  streamConsumed(stream: StreamId, bytes: number, now: Instant): void {
    this.sockets.streamConsumed(stream, bytes, now);
  }

  streamFinish(stream: StreamId, now: Instant): void {
    this.sockets.streamFinish(stream, now);
  }

  streamReset(stream: StreamId, now: Instant): void {
    this.sockets.streamReset(stream, now);
  }

  echo(
    id: number,
    to: NodeAddress,
    options: FlowOptions & { hopLimit?: number; payloadBytes?: number },
    now: Instant,
  ): Result<void, NodeRefusal> {
    return this.sockets.echo(id, to, options, now);
  }

  // -- Questions -------------------------------------------------------------------------------

  addressOf(name: string): NodeAddress | undefined {
    return name === this.name ? this.address : this.routing.addressOf(name);
  }

  nameOf(address: NodeAddress): string | undefined {
    return this.memberAt(address)?.name;
  }

  memberAt(address: NodeAddress): Member | undefined {
    return address === this.address ? this.self : this.routing.memberAt(address);
  }

  leastLatency(destination: NodeAddress, lane = 0): Duration | undefined {
    return this.routing.dissemination.leastLatency(destination, lane);
  }

  explainRoute(destination: NodeAddress, now: Instant): RouteExplanation | undefined {
    const explained = this.routing.explain(destination, now);
    const relays = this.relays.explain(destination, 0, now);
    return explained && relays ? { ...explained, relays } : explained;
  }

  status(now: Instant): NodeStatus {
    return describeNode(
      {
        self: this.self,
        trust: this.trust,
        epoch: this.options.epoch,
        uptime: between(this.startedAt, now),
        links: this.links,
        routing: this.routing,
        forwarder: this.forwarder,
        outlet: this.outlet,
        bandwidth: this.bandwidth,
        sockets: this.sockets,
        loopbackOverflows: this.own.loopback.overflows,
      },
      now,
    );
  }

  // -- Children --------------------------------------------------------------------------------

  private createLinks(random: Random): LinkLayer {
    const { options, self, trust, sink, now } = this;
    const { identity, epoch, crypto, entropy, neighbours } = options;
    const layer = new LinkLayer(
      {
        identity,
        trust,
        self,
        epoch,
        crypto,
        entropy,
        random,
        neighbours,
        acceptLinks: options.acceptLinks ?? 'members',
        timers: linkTimers(options.timers, options.probing),
        limits: linkLimits(options.limits, options.probing),
        latencyTo: (destination) => this.routing.latencyTo(destination),
        isCapacityStated: (neighbour) => this.bandwidth.stated(neighbour) > 0,
        sink: {
          transmit: (batch) => sink.transmit(batch),
          data: (link, slab, at, end, t, isRepair) => {
            if (this.turncoat !== undefined) this.turncoat.data(link.neighbour, slab, at, end, t);
            else this.forwarder.receive(link.neighbour, slab, at, end, t, isRepair);
          },
          control: (link, type, slab, at, end, t) => {
            if (!this.deliveries.frame(link.neighbour, type, slab, at, end, t))
              this.relays.frame(link.neighbour, type, slab, at, end, t);
          },
          roundTrip: (figures, neighbour) => this.relays.linkMeasured(figures, neighbour),
          linkUp: (neighbour, member, metrics, t) => this.linkUp(neighbour, member, metrics, t),
          linkDown: (neighbour, reason, silence, t) => this.linkDown(neighbour, reason, silence, t),
          linkMetrics: (neighbour, metrics, t) =>
            this.relays.linkMetrics(neighbour, metrics, '', t),
          reliableAcknowledged: (neighbour, frame) =>
            this.outlet.acknowledged(neighbour, frame as QueuedPacket),
          reliableReturned: (_neighbour, frames, t) =>
            this.outlet.returned(frames as readonly QueuedPacket[], t),
          flowsHeld: (neighbour, flows, t) => this.outlet.held(neighbour, flows, t),
          pathSwitched: (_from, { neighbour, member: { name }, path: { remote, local } }, reason) =>
            sink.event({ kind: 'path-changed', neighbour, name, remote, local, reason }),
          provider: (trouble) => sink.event({ kind: 'provider', ...trouble }),
          enrolRequest: (request) => sink.event({ kind: 'enrol-request', ...request }),
          refused: (what, reason, remote) => sink.event({ kind: 'refused', what, reason, remote }),
        },
      },
      now,
    );
    return layer;
  }

  private createRouting(random: Random): LinkStateRouting {
    const { options, self, trust, sink } = this;
    return new LinkStateRouting({
      self,
      epoch: options.epoch,
      crypto: options.crypto,
      signer: options.crypto.signer(options.identity.signingSeed),
      trust,
      random,
      timers: routingTimers(options.timers),
      limits: routingLimits(options.limits),
      sink: {
        sendFrame: (neighbour, type, body) =>
          this.links.sendControl(neighbour, type, body, this.now),
        routeChanged: (change) => {
          sink.event({ kind: 'route-changed', ...change });
          this.outlet.stranded.retryAt(this.now);
          this.bandwidth.rerouted(this.now);
          this.sockets.routeChanged(change.destination, this.now);
        },
        flowRouteChanged: (destination) => {
          this.bandwidth.rerouted(this.now);
          this.sockets.routeChanged(destination, this.now);
        },
        graphChanged: (change) => {
          this.bandwidth.rerouted(this.now);
          sink.event({ kind: 'graph-changed', ...change });
        },
        memberLearned: ({ address, name }) => {
          sink.event({ kind: 'member', address, name });
          this.membersChanged(address);
        },
        memberForgotten: ({ address, name }, reason) => {
          sink.event({ kind: 'member-gone', address, name, reason });
          this.membersChanged(address);
        },
        manifestAdopted: (manifest, version) => {
          sink.event({ kind: 'manifest', manifest, version });
          this.links.recheckTrust(this.now);
        },
        refused: (reason, from) =>
          sink.event({ kind: 'refused', what: 'record', reason, remote: this.nameOf(from) ?? '' }),
      },
    });
  }

  private createBandwidth(): NodeBandwidth {
    const { options, links, routing, sink, now } = this;
    return new NodeBandwidth({
      self: this.address,
      links,
      routing,
      outlet: () => this.outlet,
      sockets: () => this.sockets,
      counters: this.forwardingCounters,
      neighbours: () => this.neighbours,
      options,
      nameOf: (neighbour) => this.nameOf(neighbour) ?? links.facts.nameOf(neighbour),
      tell: (news) => sink.event({ kind: 'reservation', ...news }),
      report: (to, metric, value, at) => this.performance.report({ to, metric, value }, at),
      now,
    });
  }

  private createSockets(random: Random): SocketLayer {
    const { options, self } = this;
    return new SocketLayer({
      self,
      agreement: options.crypto.keyAgreement(options.identity.agreementKey),
      epoch: options.epoch,
      crypto: options.crypto,
      entropy: options.entropy,
      random,
      limits: socketLimits(options.limits),
      memberAt: (address) => this.memberAt(address),
      isReachable: (address, lane) => this.own.isReachable(address, lane),
      pathMtu: (address) => this.own.pathMtu(address),
      sink: this.sink,
      ownMessage: (from, bytes, at, end, now) => this.bandwidth.message(from, bytes, at, end, now),
      network: this.own.network({
        deliveries: this.deliveries,
        relays: this.relays,
        leastLatency: (address, lane) => this.leastLatency(address, lane),
        now: () => this.now,
      }),
    });
  }

  // -- Links -----------------------------------------------------------------------------------

  private membersChanged(address: NodeAddress): void {
    this.sockets.memberChanged(address, this.now);
    this.relays.membersChanged(this.now);
  }

  private linkUp(neighbour: NodeAddress, member: Member, metrics: LinkMetrics, now: Instant): void {
    const row = this.links.status(now).find((link) => link.neighbour === neighbour);
    if (row !== undefined)
      this.sink.event({ kind: 'link-up', neighbour, name: member.name, remote: row.remote });
    this.bandwidth.linkUp(neighbour, now);
    this.relays.linkMetrics(neighbour, metrics, '', now);
  }

  private linkDown(neighbour: NodeAddress, reason: string, silence: Duration, now: Instant): void {
    const name = this.nameOf(neighbour) ?? formatNodeAddress(neighbour);
    this.sink.event({ kind: 'link-down', neighbour, name, reason, silence });
    this.outlet.linkDown(neighbour, now);
    this.bandwidth.linkDown(neighbour);
    this.relays.linkMetrics(neighbour, undefined, reason, now);
  }

  // -- Time ------------------------------------------------------------------------------------

  private timeout(now: Instant): void {
    // Before the links, which may want to act at once on what leaves.
    this.own.signer.timeout(now);
    this.links.timeout(now);
    this.routing.timeout(now);
    this.relays.exchange.timeout(now);
    this.performance.timeout(this.links, now);
    this.bandwidth.timeout(now);
    this.sockets.timeout(now);
    this.deliveries.timeout(now);
    this.outlet.timeout(now);
    this.turncoat?.timeout(now);
  }

  /** State: unchanged unless the new certificate is valid and this node's own. */
  private renewed(chain: Uint8Array, now: Instant): void {
    const member = this.trust.verifyChain(chain, (now + this.wallOffset) as WallTime);
    if (!member.ok || member.value.address !== this.address) {
      const reason = member.ok ? 'not this node' : member.reason;
      this.sink.event({ kind: 'refused', what: 'enrolment', reason, remote: 'own certificate' });
      return;
    }
    this.self = member.value;
    this.links.certificate(chain, now);
    this.routing.setSelf(member.value, now);
  }

  private setWallClock(wall: WallTime, now: Instant): void {
    this.wallOffset = wall - now;
    this.links.setWallClock(now, wall);
    this.routing.setWallClock(now, wall);
  }

  /** State: what a former turncoat held back is lost. */
  private capture(turncoat: TurncoatOptions | undefined, now: Instant): void {
    const { address: self, options, trust, links, routing, forwarder } = this;
    const random = new Random(options.seed).split('turncoat');
    const { isLab } = trust.manifest;
    const { epoch } = options;
    const around = { self, epoch, isLab, random, links, routing, forwarder };
    this.turncoat = turncoat && new Turncoat(turncoat, around, now);
  }

  /** Streams are told first, then the network, then the neighbours. */
  private stop(now: Instant): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.sockets.stop(now);
    this.routing.withdraw(now);
    this.links.stop(now);
  }
}
