/**
 * A network of real overlay nodes in virtual time, for tests of programs that run on one. Everything
 * is drawn from the seed; a run takes as long as its events need, not as long as it lasts.
 *
 *   const testbed = new Testbed({ seed: 1, topology: continentTopology() });
 *   testbed.start();
 *   testbed.run(seconds(5));
 *   testbed.node('LAX').bind({ port: 9, onMessage: (message) => heard.push(message) });
 *   const socket = testbed.node('ATL').bind({});
 *   socket.send(utf8Encode('hello'), { to: 'LAX', port: 9 });
 *   testbed.run(seconds(1));
 *   testbed.cut('ATL', 'DFW');
 *   const recovered = testbed.runUntil(() => heard.length > 1, { within: seconds(3) });
 *   testbed.assertSound();
 *
 * Callbacks come in virtual time, after the node has returned; they may call anything here except
 * `run` and `runUntil`. All checkers watch all the time: `violations` says what they found.
 */
import type { Crypto, Duration, NodeAddress } from '../kernel/index.ts';
import { assert, milliseconds, Random } from '../kernel/index.ts';
import type { NodeLimits, NodeTimers, ProbingOptions, TurncoatOptions } from '../node/index.ts';
import type { MaximalTopology, Policy } from '../wire/index.ts';
import { safetyCheckers } from './checkers/index.ts';
import type { Credentials } from './credentials.ts';
import { drawCredentials } from './credentials.ts';
import { simCrypto } from './crypto.ts';
import { EventQueue } from './event-queue.ts';
import type { Fault, FaultTarget } from './faults.ts';
import { beginFault, describeFault, endFault } from './faults.ts';
import type { LinkEffect } from './network.ts';
import { Network } from './network.ts';
import { NonceGuard } from './nonce-guard.ts';
import type { NodeFactory } from './simulated-node.ts';
import { overlayNode } from './simulated-node.ts';
import { TestbedNode } from './testbed-node.ts';
import type { Topology } from './topology.ts';
import type { Checker, Violation } from './trace.ts';
import { Trace } from './trace.ts';

export interface TestbedOptions {
  readonly seed: number;
  readonly topology: Topology;
  /** Makes the nodes. Default: the shipped ones. */
  readonly factory?: NodeFactory;
  readonly timers?: Partial<NodeTimers>;
  readonly probing?: Partial<ProbingOptions>;
  /** Nodes that the named one shares its performance database with. */
  readonly sharePerformance?: (node: string) => readonly string[];
  readonly limits?: Partial<NodeLimits>;
  /** Captured nodes, by name, and what each does. `addressOf` tells members from one another. */
  readonly turncoats?: (
    addressOf: (name: string) => NodeAddress,
  ) => Record<string, TurncoatOptions>;
  /** Links that may exist, by the manifest, and the least latency each may claim. Default: all. */
  readonly permittedLinks?: MaximalTopology;
  /** The network's policy, by the names of nodes. Default: none. */
  readonly policy?: Policy;
  /** What nodes take their links to carry, in bits per second; data above it waits its turn. */
  readonly linkCapacity?: number;
  /** The same of single links, in one direction. */
  readonly capacityOf?: (from: string, to: string) => number | undefined;
  /** Each node's clocks run fast or slow by up to this. Default 200 ppm. */
  readonly driftPpmMax?: number;
  /** Each node's wall clock is off by up to this. Default 5 minutes. */
  readonly wallSkewMax?: Duration;
  /** Arrivals within a time drawn up to this are handed over in one batch. Default 300 us. */
  readonly receiveGrainMax?: Duration;
  /** Takes the trace, one line of JSON an event. */
  readonly onLine?: (line: string) => void;
  /** Events kept for `lastLines`. Default 200. */
  readonly lastEventsMax?: number;
  /** Watchers besides the built-in ones. */
  readonly checkers?: readonly Checker[];
  /** Default `simCrypto()`; a test of the guard brings its own. */
  readonly crypto?: Crypto;
}

const DRIFT_PPM_MAX = 200;
const WALL_SKEW_MAX = milliseconds(300_000);
const RECEIVE_GRAIN_MAX = milliseconds(0.3);
/** How often bounds are looked at. */
const BOUNDS_INTERVAL = milliseconds(2_000);
/** The effect that `cut` and `impair` lay on links, beside those of faults. */
const BY_HAND = 'by hand';

export class Testbed implements FaultTarget {
  readonly topology: Topology;
  readonly random: Random;
  readonly trace: Trace;
  readonly network: Network;
  private readonly queue = new EventQueue();
  private readonly credentials: Credentials;
  private readonly nodesByName = new Map<string, TestbedNode>();
  private readonly nameByAddress = new Map<NodeAddress, string>();
  private isRunning = false;

  constructor(options: TestbedOptions) {
    this.topology = options.topology;
    this.random = new Random(options.seed);
    this.trace = new Trace({
      checkers: [...checkersFor(options), ...(options.checkers ?? [])],
      ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
      ...(options.lastEventsMax === undefined ? {} : { lastEventsMax: options.lastEventsMax }),
    });
    const { queue, trace } = this;
    this.network = new Network({ queue, trace, random: this.random.split('network') });
    const guard = new NonceGuard(options.crypto ?? simCrypto(), (text) =>
      trace.violate('nonce-once', queue.now, '', text),
    );
    const crypto = guard.crypto();
    const names = options.topology.nodes;
    const random = this.random.split('credentials');
    const { permittedLinks, policy } = options;
    this.credentials = drawCredentials({ names, crypto, random, permittedLinks, policy });
    for (const name of names) this.addNode(name, crypto, options);
    for (const node of this.nodesByName.values()) this.network.attach(node.driver);
    for (const [name, own] of Object.entries(options.topology.bottlenecks ?? {}))
      this.network.addBottleneck(name, own);
    for (const link of options.topology.links) this.network.addLink(link);
    this.watchBounds(options.limits ?? {});
  }

  /** Virtual time since the start. */
  get now(): Duration {
    return this.queue.now;
  }

  get violations(): readonly Violation[] {
    return this.trace.violations;
  }

  get nodes(): readonly TestbedNode[] {
    return [...this.nodesByName.values()];
  }

  /** Events run so far: what a simulation costs. */
  get eventsRun(): number {
    return this.queue.executed;
  }

  node(name: string): TestbedNode {
    const node = this.nodesByName.get(name);
    assert(node !== undefined, `there is no node ${name}`);
    return node;
  }

  addressOf(name: string): NodeAddress {
    const member = this.credentials.members.get(name);
    assert(member !== undefined, `there is no node ${name}`);
    return member.address;
  }

  nameOf(address: NodeAddress): string | undefined {
    return this.nameByAddress.get(address);
  }

  /** Starts a node, or all that are not running. */
  start(name?: string): void {
    if (name !== undefined) return this.node(name).start();
    for (const node of this.nodesByName.values()) node.start();
  }

  crash(name: string): void {
    this.node(name).crash();
  }

  stop(name: string): void {
    this.node(name).stop();
  }

  /** The node's process stands still until `resume`. */
  pause(name: string): void {
    this.node(name).driver.pause();
  }

  resume(name: string): void {
    this.node(name).driver.resume();
  }

  /** Nothing passes between the two until `heal`. */
  cut(a: string, b: string): void {
    this.impairLink(a, b, { cut: true });
  }

  /** Lays an effect on both directions, in place of the one before. */
  impairLink(a: string, b: string, effect: LinkEffect): void {
    this.impair(a, b, BY_HAND, effect);
    this.impair(b, a, BY_HAND, effect);
  }

  /** Takes back `cut` and `impairLink` for one link. */
  heal(a: string, b: string): void {
    this.lift(a, b, BY_HAND);
    this.lift(b, a, BY_HAND);
  }

  /** Lifts every effect from every link, faults' included, and starts what is down. */
  healAll(): void {
    this.network.healAll();
    for (const node of this.nodesByName.values()) node.driver.resume();
    this.start();
  }

  impair(from: string, to: string, effectName: string, effect: LinkEffect): void {
    this.network.impair(from, to, effectName, effect);
  }

  lift(from: string, to: string, effectName: string): void {
    this.network.lift(from, to, effectName);
  }

  rebind(name: string): void {
    this.network.rebind(name);
  }

  stepWall(name: string, by: Duration): void {
    this.node(name).driver.stepWall(by);
  }

  /** Puts a schedule into effect, counted from now. */
  schedule(faults: readonly Fault[]): void {
    faults.forEach((fault, i) => {
      const id = `fault ${i}`;
      const what = describeFault(fault);
      this.after(fault.start, () => {
        this.trace.record({ at: this.now, node: '', kind: 'fault', what, isActive: true });
        beginFault(fault, id, this.topology, this);
      });
      this.after((fault.start + fault.duration) as Duration, () => {
        this.trace.record({ at: this.now, node: '', kind: 'fault', what, isActive: false });
        endFault(fault, id, this.topology, this);
      });
    });
  }

  /** Calls back once, that much later. */
  after(delay: Duration, run: () => void): void {
    this.queue.schedule(this.now + delay, run);
  }

  /** Calls back at once and then every `interval` until it returns false. */
  every(interval: Duration, run: () => boolean): void {
    assert(interval > 0, 'an interval is longer than nothing');
    const again = (): void => {
      if (run()) this.after(interval, again);
    };
    this.after(milliseconds(0), again);
  }

  /** Lets so much time pass; less when a checker finds something. */
  run(duration: Duration): void {
    this.advance(this.now + duration, () => false);
  }

  /** Lets time pass until the condition holds; false when it did not `within` that time. */
  runUntil(condition: () => boolean, options: { within: Duration }): boolean {
    return this.advance(this.now + options.within, condition);
  }

  /** Throws with the first violation and the last trace lines, if a checker found anything. */
  assertSound(): void {
    const first = this.violations[0];
    if (first === undefined) return;
    const lines = this.trace.lastLines(20).join('\n');
    assert(false, `${first.invariant} at ${first.at} us, ${first.node}: ${first.text}\n${lines}`);
  }

  private advance(limit: number, isDone: () => boolean): boolean {
    assert(!this.isRunning, 'run is called from within a callback');
    this.isRunning = true;
    const { violations } = this.trace;
    let done = isDone();
    while (!done && violations.length === 0 && this.queue.step(limit)) done = isDone();
    this.isRunning = false;
    return done;
  }

  private addNode(name: string, crypto: Crypto, options: TestbedOptions): void {
    const member = this.credentials.members.get(name)!;
    const random = this.random.split(`node ${name}`);
    const turncoat = options.turncoats?.((other) => this.addressOf(other))[name];
    const drift = options.driftPpmMax ?? DRIFT_PPM_MAX;
    const skew = options.wallSkewMax ?? WALL_SKEW_MAX;
    const grain = options.receiveGrainMax ?? RECEIVE_GRAIN_MAX;
    const node = new TestbedNode({
      name,
      testbed: this,
      capacityTo: (neighbour) => options.capacityOf?.(name, neighbour),
      factory: options.factory ?? overlayNode,
      random,
      node: {
        identity: member.identity,
        rootKeys: this.credentials.rootKeys,
        crypto,
        ...(options.timers === undefined ? {} : { timers: options.timers }),
        ...(options.probing === undefined ? {} : { probing: options.probing }),
        sharePerformance: options.sharePerformance?.(name) ?? [],
        ...(options.limits === undefined ? {} : { limits: options.limits }),
        ...(turncoat === undefined ? {} : { turncoat }),
        ...(options.linkCapacity === undefined ? {} : { linkCapacity: options.linkCapacity }),
      },
      manifest: this.credentials.manifest,
      driftPpm: random.between(-drift, drift),
      wallSkew: random.between(-skew, skew) as Duration,
      receiveGrain: random.between(0, grain) as Duration,
    });
    this.nodesByName.set(name, node);
    this.nameByAddress.set(member.address, name);
  }

  /** Writes into the trace what nodes say of things that have bounds; a checker compares. */
  private watchBounds(limits: Partial<NodeLimits>): void {
    this.every(BOUNDS_INTERVAL, () => {
      for (const node of this.nodesByName.values()) {
        const status = node.status();
        if (status === undefined) continue;
        const note = (name: string, value: number, bound: number | undefined): void => {
          if (bound === undefined) return;
          this.trace.record({ at: this.now, node: node.name, kind: 'bound', name, value, bound });
        };
        note('links', status.links.length, limits.neighboursMax);
        note('members', status.members.length, limits.membersMax);
        note('routes', status.routes.length, limits.membersMax);
        note('flows', status.counters['forwarding.flows'] ?? 0, limits.flowsMax);
      }
      return true;
    });
  }
}

/** Who is captured gives packets the names of others: checkers that go by names have nothing to say. */
function checkersFor({ turncoats }: TestbedOptions): Checker[] {
  const byName = ['forward-once', 'deliver-once'];
  return turncoats === undefined
    ? safetyCheckers()
    : safetyCheckers().filter(({ invariant }) => !byName.includes(invariant));
}
