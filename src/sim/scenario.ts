/**
 * A whole experiment as plain data, and how it is run. Phase 1: the network lives with its faults and
 * its load, and nothing unsafe may happen. Phase 2: every fault ends, and everything must come right
 * within a bound: every pair of nodes that the links connect reaches each other, every transfer
 * completes, and routes, where that is asked for, are near the shortest.
 *
 * The two phases are those of TigerBeetle's simulator (safety mode, liveness mode).
 */
import type { Duration } from '../kernel/index.ts';
import { milliseconds, Random, seconds } from '../kernel/index.ts';
import type { NodeLimits, NodeTimers } from '../node/index.ts';
import { drawWorkload } from './draw-workload.ts';
import type { Fault } from './faults.ts';
import { describeFault, drawFaults } from './faults.ts';
import { routeFindings } from './route-quality.ts';
import type { TestbedOptions } from './testbed.ts';
import { Testbed } from './testbed.ts';
import type { Topology } from './topology.ts';
import { drawTopology } from './topology.ts';
import type { Checker, Violation } from './trace.ts';
import type { WorkloadPlan } from './workload.ts';
import { Workload } from './workload.ts';

export interface Scenario {
  readonly name: string;
  readonly seed: number;
  readonly topology: Topology;
  readonly faults: readonly Fault[];
  readonly workload: WorkloadPlan;
  readonly faultPhase: Duration;
  /** Each node starts at a time drawn up to this. */
  readonly startSpread: Duration;
  readonly timers?: Partial<NodeTimers>;
  readonly limits?: Partial<NodeLimits>;
  /** Whether to wait until nothing moves any more and then judge routes and tables. */
  readonly isJudgedAtRest: boolean;
}

export interface ScenarioOutcome {
  readonly name: string;
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Equal for equal runs. */
  readonly hash: string;
  readonly lastLines: readonly string[];
  /** Virtual time. */
  readonly duration: Duration;
  readonly eventsRun: number;
  readonly datagrams: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** From the end of the last fault until every pair had reached each other. */
  readonly healedAfter: Duration | undefined;
  /** From the end of the last fault until the last transfer was through. */
  readonly transferredAfter: Duration | undefined;
}

export interface RunOptions extends Pick<TestbedOptions, 'factory' | 'onLine' | 'lastEventsMax'> {
  readonly checkers?: () => readonly Checker[];
  /** False for nodes that have no routes to judge. Default true. */
  readonly hasRoutes?: boolean;
}

/** Everything that can be drawn, from one number. */
export function drawScenario(seed: number, options: { nodesMax?: number } = {}): Scenario {
  const random = new Random(seed).split('scenario');
  const topology = drawTopology(random.split('topology'), { nodesMax: options.nodesMax ?? 12 });
  const shape = random.split('shape');
  const faultPhase = seconds(shape.between(8, 30));
  const count = shape.between(0, 14);
  const intensity = shape.between(1, 8);
  return {
    name: `seed ${seed}`,
    seed,
    topology,
    faults: drawFaults(random.split('faults'), { topology, phase: faultPhase, count }),
    workload: drawWorkload(random.split('workload'), {
      topology,
      phase: faultPhase,
      intensity,
    }),
    faultPhase,
    startSpread: shape.chance(0.5) ? seconds(4) : milliseconds(0),
    isJudgedAtRest: shape.chance(1 / 8),
    timers: drawTimers(random.split('timers')),
    limits: drawLimits(random.split('limits'), topology),
  };
}

/** Half the time the defaults; otherwise such as make rare things common: rekeys, refreshes. */
function drawTimers(random: Random): Partial<NodeTimers> {
  if (random.chance(0.5)) return {};
  return {
    helloInterval: milliseconds(random.between(50, 200)),
    rekeyAfter: milliseconds(random.between(1_500, 20_000)),
    refreshInterval: milliseconds(random.between(2_000, 20_000)),
  };
}

/** Half the time the defaults; otherwise just enough for the network and its load. */
function drawLimits(random: Random, topology: Topology): Partial<NodeLimits> {
  if (random.chance(0.5)) return {};
  const degree = (name: string): number =>
    topology.links.filter(({ a, b }) => a === name || b === name).length;
  return {
    neighboursMax: Math.max(...topology.nodes.map(degree)),
    membersMax: topology.nodes.length,
    pendingHandshakesMax: random.between(2, 64),
    outgoingBatchPackets: random.between(1, 64),
    socketsMax: random.between(4, 64),
    streamsMax: random.between(16, 64),
    flowsMax: random.between(200, 4_000),
  };
}

/** How long healing may take: a handshake's longest back-off, and then some. */
const HEAL_WITHIN = seconds(25);
const PROBE_INTERVAL = milliseconds(500);
const TRANSFERS_WITHIN = seconds(90);
/** Longer than better news is damped, loss remembered and a dead peer's stream kept. */
const SETTLE = seconds(60);
const FINAL_ROUNDS = 2;

export function runScenario(scenario: Scenario, options: RunOptions): ScenarioOutcome {
  const { checkers, hasRoutes, ...testbedOptions } = options;
  const testbed = new Testbed({
    ...testbedOptions,
    seed: scenario.seed,
    topology: scenario.topology,
    ...(scenario.timers === undefined ? {} : { timers: scenario.timers }),
    ...(scenario.limits === undefined ? {} : { limits: scenario.limits }),
    ...(checkers === undefined ? {} : { checkers: checkers() }),
  });
  const workload = new Workload(testbed, scenario.workload);
  begin(testbed, workload, scenario);
  testbed.run(scenario.faultPhase);

  phase(testbed, 'heal');
  workload.stop();
  testbed.healAll();
  const healedFrom = testbed.now;
  const since = (): Duration => (testbed.now - healedFrom) as Duration;
  const pairs = connectedPairs(scenario.topology);
  const isHealed = reachAll(testbed, workload, pairs, HEAL_WITHIN, 'every pair');
  const healedAfter = isHealed ? since() : undefined;
  const isTransferred = isHealed && completeTransfers(testbed, workload);
  const transferredAfter = isTransferred ? since() : undefined;
  const isJudged = scenario.isJudgedAtRest && hasRoutes !== false;
  if (isTransferred && isJudged) judgeAtRest(testbed);
  if (isTransferred)
    reachAll(
      testbed,
      workload,
      pairs,
      (FINAL_ROUNDS * PROBE_INTERVAL * 4) as Duration,
      'in the end',
    );

  const { trace } = testbed;
  return {
    name: scenario.name,
    seed: scenario.seed,
    violations: trace.violations,
    hash: trace.hash(),
    lastLines: trace.violations.length > 0 ? trace.lastLines() : [],
    duration: testbed.now,
    eventsRun: testbed.eventsRun,
    datagrams: testbed.network.sent,
    messagesSent: workload.messagesSent,
    messagesReceived: workload.messagesReceived,
    healedAfter,
    transferredAfter,
  };
}

/** A report of a scenario for people: what it is made of. */
export function describeScenario(scenario: Scenario): string[] {
  const { topology, workload, faults } = scenario;
  return [
    `${scenario.name}: ${topology.nodes.length} nodes, ${topology.links.length} links, ` +
      `${workload.messages.length} message flows, ${workload.transfers.length} transfers, ` +
      `${faults.length} faults in ${scenario.faultPhase / 1e6} s`,
    ...faults.map((f) => {
      const end = (f.start + f.duration) / 1e6;
      return `  ${(f.start / 1e6).toFixed(3)} .. ${end.toFixed(3)} s  ${describeFault(f)}`;
    }),
  ];
}

function begin(testbed: Testbed, workload: Workload, scenario: Scenario): void {
  phase(testbed, 'faults');
  const starts = testbed.random.split('starts');
  for (const { name } of testbed.nodes)
    testbed.after(starts.between(0, scenario.startSpread) as Duration, () => testbed.start(name));
  workload.start();
  testbed.schedule(scenario.faults);
}

function phase(testbed: Testbed, name: string): void {
  testbed.trace.record({ at: testbed.now, node: '', kind: 'phase', phase: name });
}

function expect(testbed: Testbed, what: string, isMet: boolean, text: string): boolean {
  testbed.trace.record({ at: testbed.now, node: '', kind: 'expected', what, isMet, text });
  return isMet;
}

interface Pair {
  readonly from: string;
  readonly to: string;
}

/** Probes every pair until all have arrived once. */
function reachAll(
  testbed: Testbed,
  workload: Workload,
  pairs: readonly Pair[],
  within: Duration,
  what: string,
): boolean {
  const missing = new Map(pairs.map((pair) => [`${pair.from} to ${pair.to}`, pair]));
  const limit = testbed.now + within;
  testbed.every(PROBE_INTERVAL, () => {
    if (testbed.now > limit) return false;
    for (const { from, to } of [...missing.values()])
      workload.probe(from, to, (a, b) => missing.delete(`${a} to ${b}`));
    return missing.size > 0;
  });
  const isReached = testbed.runUntil(() => missing.size === 0, { within });
  if (testbed.violations.length > 0) return false;
  const names = [...missing.keys()].slice(0, 8).join(', ');
  return expect(
    testbed,
    what,
    isReached,
    `not within ${within / 1e6} s: ${missing.size}: ${names}`,
  );
}

function completeTransfers(testbed: Testbed, workload: Workload): boolean {
  const open = (): string[] =>
    workload.transfers
      .filter((t) => !t.isDone)
      .map((t) => `${t.index} ${t.plan.from}-${t.plan.to} (${t.lastFailure})`);
  const isDone = testbed.runUntil(() => workload.transfers.every((t) => t.isDone), {
    within: TRANSFERS_WITHIN,
  });
  if (testbed.violations.length > 0) return false;
  return expect(testbed, 'every transfer', isDone, `not through: ${open().join(', ')}`);
}

function judgeAtRest(testbed: Testbed): void {
  testbed.run(SETTLE);
  if (testbed.violations.length > 0) return;
  const findings = [...routeFindings(testbed), ...leakFindings(testbed)];
  expect(testbed, 'at rest', findings.length === 0, findings.slice(0, 5).join('; '));
}

/** Tables that have to be empty again when all streams are closed and nothing is on its way. */
const EMPTY_AT_REST = [
  'sockets.stream.live',
  'sockets.stream.lingering',
  'sockets.stream.buffer-bytes',
  'sockets.datagram.reassemblies',
];

function leakFindings(testbed: Testbed): string[] {
  const findings: string[] = [];
  for (const { name, ...node } of testbed.nodes.map((n) => ({ name: n.name, status: n.status() })))
    for (const table of EMPTY_AT_REST) {
      const left = node.status?.counters[table];
      if (left !== 0) findings.push(`${name} still has ${table} ${left}`);
    }
  return findings;
}

/** Pairs that have a way over the topology's links. */
function connectedPairs(topology: Topology): Pair[] {
  const island = new Map(topology.nodes.map((name, i) => [name, i]));
  for (const { a, b } of topology.links) {
    const [from, to] = [island.get(a), island.get(b)];
    for (const [name, number] of island) if (number === from) island.set(name, to!);
  }
  const pairs: Pair[] = [];
  for (const from of topology.nodes)
    for (const to of topology.nodes)
      if (from !== to && island.get(from) === island.get(to)) pairs.push({ from, to });
  return pairs;
}
