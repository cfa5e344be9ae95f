/** Policy on whole nodes: all schemes on drawn networks under drawn rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, Random, seconds } from '../kernel/index.ts';
import type { FlowRouting } from '../node/index.ts';
import type { PolicyRule } from '../wire/index.ts';
import { SERVICE_DEFAULT } from '../wire/index.ts';
import { Testbed } from './testbed.ts';
import type { Topology } from './topology.ts';
import { geometricTopology } from './topology.ts';
import type { Checker, TraceEvent } from './trace.ts';

const SCHEMES: readonly FlowRouting[] = [
  { scheme: 'best' },
  { scheme: 'pinned' },
  { scheme: 'disjoint', paths: 2 },
  { scheme: 'targeted' },
  { scheme: 'time-constrained' },
  { scheme: 'flood' },
  { scheme: 'metric', metric: { kind: 'loss' } },
];
const LANES = [0, 4];

interface Flow {
  readonly from: string;
  readonly to: string;
  readonly lane: number;
}

/** Links and nodes closed to everybody, to a lane, or to one source. */
function drawRules(random: Random, { nodes, links }: Topology): PolicyRule[] {
  const none = { from: [], to: [], lanes: [], denyLinks: [], denyNodes: [], onlyLinks: [] };
  return Array.from({ length: 4 }, (_, i): PolicyRule => {
    const rule = { ...none, name: `rule-${i}`, onlyNodes: [] };
    const { a, b } = random.pick(links);
    const whose = { from: random.chance(0.3) ? [random.pick(nodes)] : [] };
    const lanes = random.chance(0.5) ? [4] : [];
    return random.chance(0.6)
      ? { ...rule, ...whose, lanes, denyLinks: [[[a], [b]]] }
      : { ...rule, ...whose, lanes, denyNodes: [random.pick(nodes)] };
  });
}

function isDenied(rules: readonly PolicyRule[], flow: Flow, x: string, y: string): boolean {
  const passed = [x, y].filter((node) => node !== flow.from && node !== flow.to);
  return rules.some(({ from, lanes, denyLinks, denyNodes }) => {
    if (from.length > 0 && !from.includes(flow.from)) return false;
    if (lanes.length > 0 && !lanes.includes(flow.lane)) return false;
    const isLink = denyLinks.some(([[a], [b]]) => (a === x && b === y) || (a === y && b === x));
    return isLink || passed.some((node) => denyNodes.includes(node));
  });
}

function hasWay(rules: readonly PolicyRule[], { links }: Topology, flow: Flow): boolean {
  const reached = new Set([flow.from]);
  for (let size = 0; size < reached.size; ) {
    size = reached.size;
    for (const { a, b } of links)
      for (const [x, y] of [
        [a, b],
        [b, a],
      ] as const)
        if (reached.has(x) && !isDenied(rules, flow, x, y)) reached.add(y);
  }
  return reached.has(flow.to);
}

/** Sees every packet that a node passes on, with the link it came over and the one it goes over. */
class WithinPolicy implements Checker {
  readonly invariant = 'within-policy';
  forwarded = 0;
  private readonly rules: readonly PolicyRule[];
  private readonly nameOf = new Map<number, string>();

  constructor(rules: readonly PolicyRule[]) {
    this.rules = rules;
  }

  event(event: TraceEvent): string | undefined {
    if (event.kind === 'start') this.nameOf.set(event.address, event.node);
    if (event.kind !== 'packet-forwarded') return undefined;
    this.forwarded++;
    const [from, to, before, after] = [event.source, event.destination, event.from, event.to].map(
      (address) => this.nameOf.get(address)!,
    ) as [string, string, string, string];
    const flow = { from, to, lane: event.lane ?? 0 };
    const isWrong =
      isDenied(this.rules, flow, before, event.node) ||
      isDenied(this.rules, flow, event.node, after);
    return isWrong ? `${from} to ${to}: ${before}, ${event.node}, ${after}` : undefined;
  }
}

test('no scheme uses a denied link, and each delivers wherever a way is permitted', () => {
  let forwarded = 0;
  let denied = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const random = new Random(seed).split('policy test');
    const topology = geometricTopology(random, { nodes: 8, degree: 3 });
    const rules = drawRules(random, topology);
    const checker = new WithinPolicy(rules);
    const policy = { cliques: [], rules };
    const testbed = new Testbed({ seed, topology, policy, checkers: [checker] });
    testbed.start();
    testbed.run(seconds(4));
    for (const [i, routing] of SCHEMES.entries())
      for (const lane of LANES) {
        const [from, to] = random.shuffle([...topology.nodes]) as [string, string];
        const flow = { from, to, lane };
        const port = 100 + 10 * i + lane;
        let heard = 0;
        let isOpen = true;
        testbed.node(to).bind({ port, onMessage: () => heard++ });
        const service = { ...SERVICE_DEFAULT, deadline: milliseconds(500) };
        const socket = testbed.node(from).bind({ routing, lane, service });
        // Answers are flows of their own: without a way back there is no session.
        const mayPass =
          hasWay(rules, topology, flow) && hasWay(rules, topology, { from: to, to: from, lane });
        testbed.every(milliseconds(50), () => {
          socket.send(new Uint8Array(50), { to, port });
          return heard === 0 && isOpen;
        });
        testbed.run(seconds(2));
        isOpen = false;
        socket.close();
        assert.equal(
          heard > 0,
          mayPass,
          `seed ${seed}: ${routing.scheme}, ${JSON.stringify(flow)}`,
        );
        if (!mayPass) denied++;
      }
    testbed.assertSound();
    forwarded += checker.forwarded;
  }
  assert.ok(forwarded > 300, `${forwarded} packets looked at`);
  assert.ok(denied > 2, `${denied} flows without a way`);
});
