/**
 * A few nodes of this room alone, joined by links that delay and lose frames, in virtual time. The
 * simulator proper runs whole nodes; this runs only routing, so its tests can turn every screw.
 */
import assert from 'node:assert/strict';
import type { Crypto, Instant, NodeAddress, Signer } from '../kernel/index.ts';
import { Heap, instant, milliseconds, Random, seconds, wallTime } from '../kernel/index.ts';
import type { Identity, Member, NewNetwork } from '../security/index.ts';
import { createIdentity, createNetwork, issueCertificate, TrustStore } from '../security/index.ts';
import { simCrypto, simEntropy } from '../sim/index.ts';
import { RECORD_BYTES_MAX } from '../wire/index.ts';
import type { AdjacencyMetrics, RouteChange, RoutingLimits, RoutingTimers } from './index.ts';
import { LinkStateRouting } from './index.ts';

export const WALL_START: number = 1_800_000_000_000_000;

export interface TestLink {
  readonly a: TestNode;
  readonly b: TestNode;
  latency: number;
  loss: number;
  isUp: boolean;
}

interface Delivery {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class TestNode {
  readonly name: string;
  readonly identity: Identity;
  readonly signer: Signer;
  readonly network: TestNetwork;
  trust: TrustStore;
  member: Member;
  routing: LinkStateRouting;
  epoch = 0;
  isRunning = true;
  readonly changes: (RouteChange & { at: number })[] = [];
  readonly refusals: string[] = [];
  readonly manifests: number[] = [];
  readonly forgotten: string[] = [];

  constructor(network: TestNetwork, name: string) {
    this.network = network;
    this.name = name;
    this.identity = createIdentity({ crypto: network.crypto, entropy: network.entropy });
    this.signer = network.crypto.signer(this.identity.signingSeed);
    this.trust = network.trustStore();
    this.member = network.certify(this.identity, name);
    this.routing = this.start();
  }

  get address(): NodeAddress {
    return this.identity.address;
  }

  /** A new incarnation that remembers nothing. */
  restart(): void {
    this.trust = this.network.trustStore();
    this.routing = this.start();
    this.isRunning = true;
  }

  private start(): LinkStateRouting {
    this.epoch++;
    const routing = new LinkStateRouting({
      self: this.member,
      epoch: this.epoch,
      crypto: this.network.crypto,
      signer: this.signer,
      trust: this.trust,
      random: this.network.random.split(`${this.name}${this.epoch}`),
      timers: this.network.timers,
      limits: this.network.limits,
      sink: {
        sendFrame: (neighbour, frameType, body) =>
          this.network.send(this, neighbour, frameType, body),
        routeChanged: (change) => this.changes.push({ ...change, at: this.network.now }),
        graphChanged: () => {},
        memberLearned: () => {},
        memberForgotten: (member) => this.forgotten.push(member.name),
        manifestAdopted: (_bytes, version) => this.manifests.push(version),
        refused: (reason) => this.refusals.push(reason),
      },
    });
    routing.setWallClock(this.network.now, this.network.wall());
    return routing;
  }

  names(path: readonly NodeAddress[] | undefined): string {
    return path === undefined ? 'none' : path.map((a) => this.network.nameAt(a)).join(' ');
  }

  pathTo(name: string): string {
    return this.names(this.routing.path(this.network.node(name).address));
  }
}

export class TestNetwork {
  readonly crypto: Crypto = simCrypto();
  readonly random: Random;
  readonly entropy: ReturnType<typeof simEntropy>;
  readonly founding: NewNetwork;
  readonly timers: Partial<RoutingTimers>;
  readonly limits: Partial<RoutingLimits>;
  readonly nodes = new Map<string, TestNode>();
  readonly links: TestLink[] = [];
  now: Instant = instant(1_000_000);
  framesSent = 0;
  bytesSent = 0;
  /** Sees every frame as it is sent; a test may keep them. */
  tap: ((from: TestNode, to: TestNode, frameType: number, body: Uint8Array) => void) | undefined;
  private readonly loss: Random;
  private readonly byAddress = new Map<NodeAddress, TestNode>();
  private readonly deliveries = new Heap<Delivery>((x, y) => x.at - y.at || x.order - y.order);
  private order = 0;

  constructor(
    options: {
      seed?: number;
      timers?: Partial<RoutingTimers>;
      limits?: Partial<RoutingLimits>;
    } = {},
  ) {
    this.random = new Random(options.seed ?? 1);
    this.loss = this.random.split('loss');
    this.entropy = simEntropy(this.random.split('entropy'));
    this.timers = options.timers ?? {};
    this.limits = options.limits ?? {};
    this.founding = createNetwork({
      crypto: this.crypto,
      entropy: this.entropy,
      name: 'test',
      isLab: true,
    });
  }

  trustStore(): TrustStore {
    const { crypto, founding } = this;
    return new TrustStore({ crypto, rootKeys: [founding.rootKey], manifest: founding.manifest });
  }

  certify(identity: Identity, name: string, lifetime = seconds(90 * 86_400)): Member {
    const trust = this.trustStore();
    const chain = issueCertificate({
      crypto: this.crypto,
      entropy: this.entropy,
      networkId: trust.networkId,
      issuer: { signingSeed: this.founding.rootSeed },
      subject: {
        name,
        identityKey: identity.identityPublicKey,
        agreementKey: identity.agreementPublicKey,
      },
      wall: this.wall(),
      lifetime,
    });
    assert.ok(chain.ok);
    const member = trust.verifyChain(chain.value, this.wall());
    assert.ok(member.ok);
    return member.value;
  }

  wall(): ReturnType<typeof wallTime> {
    return wallTime(WALL_START + this.now);
  }

  add(name: string): TestNode {
    const node = new TestNode(this, name);
    this.nodes.set(name, node);
    this.byAddress.set(node.address, node);
    return node;
  }

  node(name: string): TestNode {
    const node = this.nodes.get(name);
    assert.ok(node, name);
    return node;
  }

  nameAt(address: NodeAddress): string {
    return this.byAddress.get(address)?.name ?? '?';
  }

  /** Brings a link up, with both ends measuring what it is. */
  link(a: string, b: string, latencyMilliseconds: number): TestLink {
    const latency = milliseconds(latencyMilliseconds);
    const link: TestLink = { a: this.node(a), b: this.node(b), latency, loss: 0, isUp: true };
    this.links.push(link);
    this.measure(link);
    return link;
  }

  linkOf(a: string, b: string): TestLink {
    const found = this.links.find(
      (l) => (l.a.name === a && l.b.name === b) || (l.a.name === b && l.b.name === a),
    );
    assert.ok(found, `${a}-${b}`);
    return found;
  }

  /** Both ends measure the link again. */
  measure(link: TestLink): void {
    const lossPpm = Math.round(link.loss * 1_000_000);
    const metrics: AdjacencyMetrics = {
      rtt: milliseconds((2 * link.latency) / 1000),
      rttMin: milliseconds((2 * link.latency) / 1000),
      jitter: milliseconds(0.5),
      lossOutPpm: lossPpm,
      lossInPpm: lossPpm,
      mtu: 1400,
    };
    for (const [node, peer] of endsOf(link))
      if (node.isRunning) node.routing.adjacency(peer.address, metrics, 'measured', this.now);
  }

  cut(a: string, b: string): void {
    const link = this.linkOf(a, b);
    if (!link.isUp) return;
    link.isUp = false;
    for (const [node, peer] of endsOf(link))
      if (node.isRunning) node.routing.adjacency(peer.address, undefined, 'silence', this.now);
  }

  mend(a: string, b: string): void {
    const link = this.linkOf(a, b);
    link.isUp = true;
    this.measure(link);
  }

  crash(name: string): void {
    const node = this.node(name);
    node.isRunning = false;
    for (const link of this.linksOf(node)) this.cut(link.a.name, link.b.name);
  }

  restart(name: string): void {
    const node = this.node(name);
    node.restart();
    for (const link of this.linksOf(node)) this.mend(link.a.name, link.b.name);
  }

  linksOf(node: TestNode): TestLink[] {
    return this.links.filter((l) => l.a === node || l.b === node);
  }

  send(from: TestNode, neighbour: NodeAddress, frameType: number, body: Uint8Array): boolean {
    const to = this.byAddress.get(neighbour);
    const link = this.links.find(
      (l) => (l.a === from && l.b === to) || (l.b === from && l.a === to),
    );
    if (to === undefined || link === undefined || !link.isUp) return false;
    assert.ok(body.length <= RECORD_BYTES_MAX, 'a frame fits a packet');
    this.framesSent++;
    this.bytesSent += body.length;
    this.tap?.(from, to, frameType, body);
    if (this.loss.chance(link.loss)) return true;
    this.at(this.now + link.latency, () => {
      if (link.isUp && to.isRunning)
        to.routing.frame(from.address, frameType, body, 0, body.length, this.now);
    });
    return true;
  }

  at(when: number, run: () => void): void {
    this.deliveries.push({ at: when, order: this.order++, run });
  }

  run(forMilliseconds: number): void {
    const end = this.now + milliseconds(forMilliseconds);
    for (;;) {
      const delivery = this.deliveries.peek();
      let next = delivery?.at ?? Number.POSITIVE_INFINITY;
      let due: TestNode | undefined;
      for (const node of this.nodes.values()) {
        const timeout = node.isRunning ? node.routing.nextTimeout() : undefined;
        if (timeout !== undefined && timeout < next) {
          next = timeout;
          due = node;
        }
      }
      if (next > end) break;
      this.now = instant(Math.max(this.now, next));
      if (due === undefined) this.deliveries.pop()!.run();
      else this.timeout(due);
    }
    this.now = instant(end);
  }

  private timeout(node: TestNode): void {
    const before = node.routing.nextTimeout();
    node.routing.timeout(this.now);
    const after = node.routing.nextTimeout();
    assert.ok(
      after === undefined || after > this.now || after !== before,
      'a due timeout makes progress',
    );
  }

  /** What each node computed is what hop by hop forwarding does. */
  assertConverged(): void {
    const running = [...this.nodes.values()].filter((n) => n.isRunning);
    for (const source of running) {
      for (const destination of running) {
        if (source === destination) continue;
        const path = source.routing.path(destination.address);
        assert.deepEqual(
          this.followed(source, destination),
          path,
          `${source.name}-${destination.name}`,
        );
      }
    }
  }

  /** The nodes a packet meets when each forwards it by its own table. */
  followed(source: TestNode, destination: TestNode): NodeAddress[] | undefined {
    const path: NodeAddress[] = [];
    for (let at = source; at !== destination; ) {
      const hop = at.routing.nextHop(destination.address);
      if (hop === 0 || path.length > this.nodes.size) return undefined;
      path.push(hop);
      at = this.byAddress.get(hop)!;
    }
    return path;
  }
}

const endsOf = (link: TestLink): [TestNode, TestNode][] => [
  [link.a, link.b],
  [link.b, link.a],
];
