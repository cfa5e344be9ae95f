/** Redundant flows on whole nodes: what the schemes promise, and the switching of targeted redundancy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Duration } from '../kernel/index.ts';
import { milliseconds, Random, readU32, seconds, writeU32 } from '../kernel/index.ts';
import type { FlowRouting, FlowStatus, NodeEvent } from '../node/index.ts';
import { SERVICE_DEFAULT } from '../wire/index.ts';
import { CITY_LINKS, TRANSCONTINENTAL_FLOWS } from './continent.ts';
import { Testbed } from './testbed.ts';
import { continentTopology } from './topology.ts';

const DEADLINE = milliseconds(65);
const SERVICE = { ...SERVICE_DEFAULT, deadline: DEADLINE };
const PORT = 9;
const SETTLING = seconds(9);

interface Flow {
  readonly heard: number[];
  sent: number;
  isSending: boolean;
}

function startFlow(
  testbed: Testbed,
  [from, to]: readonly [string, string],
  routing: FlowRouting,
  interval: Duration = milliseconds(10),
): Flow {
  const flow: Flow = { heard: [], sent: 0, isSending: true };
  testbed.node(to).bind({
    port: PORT,
    onMessage: ({ payload }) => flow.heard.push(readU32(payload, 0)),
  });
  const socket = testbed.node(from).bind({ routing, service: SERVICE });
  testbed.every(interval, () => {
    if (!flow.isSending) return false;
    const payload = new Uint8Array(100);
    writeU32(payload, 0, flow.sent);
    if (socket.send(payload, { to, port: PORT }) !== 'unreachable') flow.sent++;
    return true;
  });
  return flow;
}

const flowOf = (testbed: Testbed, node: string): FlowStatus =>
  testbed.node(node).status()!.flows![0]!;

/** The links of one of the flow's ways, as "a-b". */
function drawWay(testbed: Testbed, flow: FlowStatus, from: string, random: Random): Set<string> {
  const way = new Set<string>();
  const edges = flow.graph!.edges.map((edge) => ({
    from: testbed.nameOf(edge.from)!,
    to: testbed.nameOf(edge.to)!,
  }));
  const destination = testbed.nameOf(flow.destination)!;
  const walk = (at: string, seen: readonly string[]): boolean => {
    if (at === destination) return true;
    const onwards = random.shuffle(edges.filter((e) => e.from === at && !seen.includes(e.to)));
    for (const { to } of onwards) {
      if (!walk(to, [...seen, to])) continue;
      way.add(`${at}-${to}`).add(`${to}-${at}`);
      return true;
    }
    return false;
  };
  assert.ok(walk(from, [from]));
  return way;
}

const SCHEMES: readonly FlowRouting[] = [
  { scheme: 'disjoint', paths: 2 },
  { scheme: 'disjoint', paths: 3 },
  { scheme: 'targeted' },
  { scheme: 'time-constrained' },
];

for (const routing of SCHEMES) {
  const name = routing.scheme === 'disjoint' ? `${routing.paths} disjoint paths` : routing.scheme;
  test(`${name}: with one of its ways clean a flow loses nothing and nothing comes twice`, () => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = new Random(seed);
      const pair = random.pick(TRANSCONTINENTAL_FLOWS);
      const testbed = new Testbed({ seed, topology: continentTopology() });
      testbed.start();
      testbed.run(SETTLING);
      const flow = startFlow(testbed, pair, routing);
      testbed.run(seconds(1));
      const clean = drawWay(testbed, flowOf(testbed, pair[0]), pair[0], random);
      for (const { a, b } of CITY_LINKS) {
        if (clean.has(`${a}-${b}`)) continue;
        if (random.chance(0.3)) testbed.cut(a, b);
        else testbed.impairLink(a, b, { loss: 0.6 });
      }
      testbed.run(seconds(4));
      flow.isSending = false;
      testbed.run(seconds(1));
      const expected = Array.from({ length: flow.sent }, (_, i) => i);
      const why = `seed ${seed}, ${pair.join('-')}`;
      assert.deepEqual(
        [...flow.heard].sort((x, y) => x - y),
        expected,
        why,
      );
      testbed.assertSound();
    }
  });
}

test('flooding delivers everything once whatever is cut, while one way is left', () => {
  const testbed = new Testbed({ seed: 5, topology: continentTopology() });
  testbed.start();
  testbed.run(SETTLING);
  const flow = startFlow(testbed, ['NYC', 'LAX'], { scheme: 'flood' });
  testbed.run(seconds(1));
  const left = new Set(['NYC-JHU', 'JHU-ATL', 'ATL-DEN', 'SJC-DEN', 'SJC-LAX']);
  for (const { a, b } of CITY_LINKS)
    if (!left.has(`${a}-${b}`) && !left.has(`${b}-${a}`)) testbed.cut(a, b);
  testbed.run(seconds(3));
  flow.isSending = false;
  testbed.run(seconds(1));
  const inOrder = [...flow.heard].sort((x, y) => x - y);
  assert.deepEqual(
    inOrder,
    Array.from({ length: flow.sent }, (_, i) => i),
  );
  testbed.assertSound();
});

test('a targeted flow takes the destination-problem graph within a second of trouble there, and goes back', (t) => {
  const testbed = new Testbed({ seed: 7, topology: continentTopology() });
  testbed.start();
  testbed.run(SETTLING);
  const flow = startFlow(testbed, ['ATL', 'LAX'], { scheme: 'targeted' });
  const changes: (Extract<NodeEvent, { kind: 'graph-changed' }> & { at: number })[] = [];
  testbed.node('ATL').onEvent = (event) => {
    if (event.kind === 'graph-changed') changes.push({ ...event, at: testbed.now });
  };
  testbed.run(seconds(2));
  const usual = flowOf(testbed, 'ATL');
  assert.equal(usual.graph?.kind, 'paths');
  assert.equal(usual.graph?.edges.length, 4);
  const neighbours = ['SJC', 'DEN', 'DFW', 'WAS', 'HKG'];
  const troubledAt = testbed.now;
  for (const name of neighbours) testbed.impair(name, 'LAX', 'trouble', { loss: 0.5 });
  testbed.run(seconds(5));
  const troubled = flowOf(testbed, 'ATL');
  assert.equal(troubled.graph?.kind, 'destination-problem');
  assert.equal(troubled.graph?.edges.length, 8);
  assert.match(troubled.graph!.cause, /^in trouble: \w+-LAX loss \d+ %, \w+-LAX loss/);
  const noticed = changes.find(({ after }) => after === 'destination-problem')!;
  t.diagnostic(`noticed after ${(noticed.at - troubledAt) / 1000} ms: ${noticed.cause}`);
  assert.ok(noticed.at - troubledAt < 1_000_000);
  for (const name of neighbours) testbed.lift(name, 'LAX', 'trouble');
  const isBack = testbed.runUntil(() => flowOf(testbed, 'ATL').graph?.kind === 'paths', {
    within: seconds(60),
  });
  assert.ok(isBack);
  assert.equal(changes.at(-1)?.cause, 'fewer than 2 bad links at ATL and at LAX');
  const late = flow.sent - flow.heard.length;
  t.diagnostic(`${flow.heard.length} of ${flow.sent} heard, ${late} lost`);
  testbed.assertSound();
});

test('a stream asks for a deadline below the least latency and is refused', () => {
  const testbed = new Testbed({ seed: 8, topology: continentTopology() });
  testbed.start();
  testbed.run(SETTLING);
  const node = testbed.node('ATL');
  const service = { ...SERVICE_DEFAULT, deadline: milliseconds(20) };
  const refused = node.connect(
    { to: 'LAX', port: PORT },
    {},
    { service, routing: { scheme: 'targeted' } },
  );
  assert.deepEqual(refused, { ok: false, reason: 'deadline-too-short' });
  const bound = node.tryBind({ routing: { scheme: 'time-constrained' } });
  assert.deepEqual(bound, { ok: false, reason: 'deadline-missing' });
});
