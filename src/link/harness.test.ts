/**
 * A tiny network in virtual time for the tests of this room: nodes with real `LinkLayer`s, channels
 * with delay, jitter, loss and cuts. Holds no tests itself.
 */
import assert from 'node:assert/strict';
import type {
  Crypto,
  DatagramBatch,
  Duration,
  Instant,
  NodeAddress,
  UnderlayAddress,
  WallTime,
} from '../kernel/index.ts';
import {
  DatagramBatch as Batch,
  Heap,
  milliseconds,
  Random,
  seconds,
  underlayAddress,
  wallTime,
} from '../kernel/index.ts';
import type { Identity, NewNetwork } from '../security/index.ts';
import { createIdentity, createNetwork, issueCertificate, TrustStore } from '../security/index.ts';
import { simCrypto, simEntropy } from '../sim/index.ts';
import { FRAME_DATA, isUrgentPacket, SERVICE_DEFAULT } from '../wire/index.ts';
import type { EnrolRequestEvent, LinkLayerOptions, LinkMetrics, LinkSink } from './index.ts';
import { LinkLayer } from './index.ts';

export const WALL: WallTime = wallTime(1_800_000_000_000_000);

export interface Channel {
  delay: number;
  /** Uniform share of the delay added or taken, 0 .. 1. */
  noise: number;
  loss: number;
  isCut: boolean;
  /** Sees every datagram that enters; may change it; false: it is dropped. */
  tap: ((bytes: Uint8Array) => boolean) | undefined;
}

export interface Logged {
  readonly at: number;
  readonly what: string;
  readonly neighbour?: NodeAddress;
  readonly reason?: string;
  readonly metrics?: LinkMetrics;
}

interface Delivery {
  readonly at: number;
  readonly order: number;
  readonly to: string;
  readonly from: UnderlayAddress;
  readonly bytes: Uint8Array;
}

export class TestNode {
  readonly world: World;
  readonly name: string;
  readonly remote: UnderlayAddress;
  /** Addresses of further local sockets. */
  readonly moreLocals: UnderlayAddress[] = [];
  readonly identity: Identity;
  chain: Uint8Array;
  layer!: LinkLayer;
  readonly log: Logged[] = [];
  readonly received: string[] = [];
  readonly requests: EnrolRequestEvent[] = [];
  bytesOut = 0;
  datagramsOut = 0;
  datagramsIn = 0;
  bytesIn = 0;
  isRunning = true;
  /** How full its receiving buffer is said to be. */
  backlog = 0;
  /** What is urgent comes through a buffer of its own; the rest waits so long in the other. */
  ordinaryWaits: Duration | undefined;
  /** Replaces keeping what is received. */
  onData: ((slab: Uint8Array, at: number, end: number) => void) | undefined;

  constructor(world: World, name: string, host: string) {
    this.world = world;
    this.name = name;
    this.remote = underlayAddress(host, 7000);
    this.identity = createIdentity({ crypto: world.crypto, entropy: world.entropy });
    this.chain = world.certify(this.identity, name);
  }

  /** Addresses of the local sockets. */
  get locals(): UnderlayAddress[] {
    return [this.remote, ...this.moreLocals];
  }

  get address(): NodeAddress {
    return this.identity.address;
  }

  start(options: Partial<LinkLayerOptions> & { epoch?: number; trust?: TrustStore } = {}): this {
    const { world } = this;
    const trust = options.trust ?? world.trust();
    const random = world.random.split(`${this.name} ${options.epoch ?? 1} ${world.now}`);
    this.layer = new LinkLayer(
      {
        identity: { ...this.identity, chain: this.chain },
        trust,
        self: {
          address: this.address,
          name: this.name,
          identityKey: this.identity.identityPublicKey,
          agreementKey: this.identity.agreementPublicKey,
          roles: [],
          labels: {},
          notBefore: 0 as WallTime,
          notAfter: Number.MAX_SAFE_INTEGER as WallTime,
          serial: new Uint8Array(16),
          chain: this.chain,
        },
        epoch: 1,
        crypto: world.crypto,
        entropy: simEntropy(random.split('entropy')),
        random,
        neighbours: [],
        sink: this.sink(),
        ...options,
      },
      world.now,
    );
    this.layer.setWallClock(world.now, (WALL + world.now) as WallTime);
    this.isRunning = true;
    return this;
  }

  /** Sends one text as a data frame; false when the link would not take it. */
  send(to: TestNode, text: string, bytes = 40, service = SERVICE_DEFAULT): boolean {
    const { now } = this.world;
    const at = this.layer.reserveData(to.address, bytes, service, now);
    if (at < 0) return false;
    const slab = this.layer.outgoingSlab;
    slab.fill(0, at, at + bytes);
    slab[at] = FRAME_DATA;
    for (let i = 0; i < text.length; i++) slab[at + 1 + i] = text.charCodeAt(i);
    this.layer.flush(now);
    return true;
  }

  /** Log entries of one kind. */
  events(what: string): Logged[] {
    return this.log.filter((entry) => entry.what === what);
  }

  isUp(to: TestNode): boolean {
    return this.layer.facts.metrics(to.address) !== undefined;
  }

  private sink(): LinkSink {
    const note = (entry: Omit<Logged, 'at'>): void => {
      this.log.push({ at: this.world.now, ...entry });
    };
    return {
      transmit: (batch) => this.world.transmit(this, batch),
      data: (_link, slab, at, end) => {
        if (this.onData !== undefined) return this.onData(slab, at, end);
        let text = '';
        for (let i = at + 1; i < end && slab[i] !== 0; i++) text += String.fromCharCode(slab[i]!);
        this.received.push(text);
      },
      control: (link, type, slab, at, end) => {
        const reason = `${type}:${String.fromCharCode(...slab.subarray(at, end))}`;
        note({ what: 'control', neighbour: link.neighbour, reason });
      },
      linkUp: (neighbour, _member, metrics) => note({ what: 'up', neighbour, metrics }),
      linkDown: (neighbour, reason) => note({ what: 'down', neighbour, reason }),
      linkMetrics: (neighbour, metrics) => note({ what: 'metrics', neighbour, metrics }),
      pathSwitched: (_from, to, reason) =>
        note({ what: `path ${to.path.local}`, neighbour: to.neighbour, reason }),
      provider: ({ local, isTrouble }) =>
        note({ what: `provider ${local} ${isTrouble ? 'silent' : 'heard'}` }),
      enrolRequest: (request) => this.requests.push(request),
      refused: (what, reason) => note({ what: `refused ${what}`, reason }),
    };
  }
}

export class World {
  now: Instant = 1_000_000 as Instant;
  readonly random: Random;
  readonly crypto: Crypto = simCrypto();
  readonly entropy: ReturnType<typeof simEntropy>;
  readonly network: NewNetwork;
  readonly nodes: TestNode[] = [];
  private readonly channels = new Map<string, Channel>();
  private readonly queue: Heap<Delivery> = new Heap((a, b) => a.at - b.at || a.order - b.order);
  private readonly batch = new Batch({ capacity: 1, slabBytes: 2048 });
  private order = 0;

  constructor(seed = 1) {
    this.random = new Random(seed);
    this.entropy = simEntropy(this.random.split('entropy'));
    const { crypto, entropy } = this;
    this.network = createNetwork({ crypto, entropy, name: 'test', isLab: true });
  }

  node(name: string): TestNode {
    const node = new TestNode(this, name, `10.0.0.${this.nodes.length + 1}`);
    this.nodes.push(node);
    return node;
  }

  trust(manifest: Uint8Array = this.network.manifest): TrustStore {
    return new TrustStore({ crypto: this.crypto, rootKeys: [this.network.rootKey], manifest });
  }

  certify(
    identity: Identity,
    name: string,
    options: { wall?: WallTime; lifetime?: Duration; network?: NewNetwork } = {},
  ): Uint8Array {
    const network = options.network ?? this.network;
    const trust = new TrustStore({
      crypto: this.crypto,
      rootKeys: [network.rootKey],
      manifest: network.manifest,
    });
    const outcome = issueCertificate({
      crypto: this.crypto,
      entropy: this.entropy,
      networkId: trust.manifest.networkId,
      issuer: { signingSeed: network.rootSeed },
      subject: {
        name,
        identityKey: identity.identityPublicKey,
        agreementKey: identity.agreementPublicKey,
      },
      wall: options.wall ?? WALL,
      lifetime: options.lifetime ?? seconds(1_000_000),
    });
    assert(outcome.ok);
    return outcome.value;
  }

  channel(from: TestNode, to: TestNode): Channel {
    return this.channelBetween(from.remote.key, to.remote.key);
  }

  channelBetween(from: string, to: string): Channel {
    const key = `${from} ${to}`;
    let channel = this.channels.get(key);
    if (channel === undefined) {
      channel = { delay: milliseconds(10), noise: 0, loss: 0, isCut: false, tap: undefined };
      this.channels.set(key, channel);
    }
    return channel;
  }

  transmit(
    from: {
      remote: UnderlayAddress;
      locals?: readonly UnderlayAddress[];
      bytesOut: number;
      datagramsOut: number;
    },
    batch: DatagramBatch,
  ): void {
    for (let i = 0; i < batch.count; i++) {
      from.bytesOut += batch.lengths[i]!;
      from.datagramsOut++;
      const source = from.locals?.[batch.locals[i]!] ?? from.remote;
      this.inject(source, batch.remotes[i]!, batch.view(i).slice());
    }
  }

  /** Puts a datagram on its way, as if `from` had sent it. */
  inject(from: UnderlayAddress, to: UnderlayAddress, bytes: Uint8Array): void {
    const channel = this.channelBetween(from.key, to.key);
    if (channel.isCut || this.random.chance(channel.loss)) return;
    if (channel.tap !== undefined && !channel.tap(bytes)) return;
    const noise = 1 + channel.noise * (2 * this.random.fraction() - 1);
    const waits = isUrgentPacket(bytes, 0) ? undefined : this.nodeAt(to.key)?.ordinaryWaits;
    const at = Math.round(this.now + channel.delay * noise) + (waits ?? 0);
    this.queue.push({ at, order: this.order++, to: to.key, from, bytes });
  }

  /** Runs virtual time forward. */
  run(by: Duration): void {
    const end = this.now + by;
    for (;;) {
      const delivery = this.queue.peek();
      let next = delivery?.at ?? Number.POSITIVE_INFINITY;
      let waking: TestNode | undefined;
      for (const node of this.nodes) {
        const at = node.isRunning ? node.layer?.nextTimeout() : undefined;
        if (at !== undefined && at < next) {
          next = at;
          waking = node;
        }
      }
      if (next > end) break;
      this.now = Math.max(this.now, next) as Instant;
      if (waking !== undefined) this.wake(waking);
      else this.deliver(this.queue.pop()!);
    }
    this.now = end as Instant;
  }

  /** Runs until the condition holds; fails when it does not within the bound. Returns the time it took. */
  runUntil(condition: () => boolean, bound: Duration): Duration {
    const start = this.now;
    while (!condition()) {
      assert(this.now - start < bound, `not within ${bound} us`);
      this.run(milliseconds(1));
    }
    return (this.now - start) as Duration;
  }

  private wake(node: TestNode): void {
    node.layer.timeout(this.now);
    node.layer.flush(this.now);
    const next = node.layer.nextTimeout();
    assert(next === undefined || next > this.now, 'a due timeout makes progress');
  }

  private nodeAt(address: string): TestNode | undefined {
    return this.nodes.find(({ locals }) => locals.some(({ key }) => key === address));
  }

  private deliver(delivery: Delivery): void {
    const node = this.nodeAt(delivery.to);
    if (node === undefined || !node.isRunning || node.layer === undefined) return;
    node.datagramsIn++;
    node.bytesIn += delivery.bytes.length;
    this.batch.clear();
    const local = node.locals.findIndex(({ key }) => key === delivery.to);
    this.batch.push(delivery.bytes, delivery.from, local);
    this.batch.backlog = node.backlog;
    this.batch.isUrgent = node.ordinaryWaits !== undefined && isUrgentPacket(delivery.bytes, 0);
    node.layer.receive(this.batch, this.now);
    node.layer.flush(this.now);
  }
}

/** Two nodes that have each other configured. */
export function pair(
  seed = 1,
  options: { a?: Partial<LinkLayerOptions>; b?: Partial<LinkLayerOptions> } = {},
): { world: World; a: TestNode; b: TestNode } {
  const world = new World(seed);
  const a = world.node('a');
  const b = world.node('b');
  a.start({ neighbours: [{ name: 'b', remotes: [b.remote] }], ...options.a });
  b.start({ neighbours: [{ name: 'a', remotes: [a.remote] }], ...options.b });
  return { world, a, b };
}

/** Two nodes with their link up and a second of history. */
export function linkedPair(
  seed = 1,
  options: { a?: Partial<LinkLayerOptions>; b?: Partial<LinkLayerOptions> } = {},
): { world: World; a: TestNode; b: TestNode } {
  const made = pair(seed, options);
  const { world, a, b } = made;
  world.runUntil(() => a.isUp(b) && b.isUp(a), seconds(5));
  world.run(seconds(2));
  return made;
}

/** Sets both directions at once. */
export function both(world: World, a: TestNode, b: TestNode, change: Partial<Channel>): void {
  Object.assign(world.channel(a, b), change);
  Object.assign(world.channel(b, a), change);
}
