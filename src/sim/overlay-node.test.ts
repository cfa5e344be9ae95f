import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Duration } from '../kernel/index.ts';
import { milliseconds, Random, seconds } from '../kernel/index.ts';
import { withoutAmbientGlobals } from './poisoned-globals.test.ts';
import { namedScenarios } from './regressions/index.ts';
import { runScenario } from './scenario.ts';
import { reportFailure, runSeed } from './swarm.ts';
import { Testbed } from './testbed.ts';
import type { Topology } from './topology.ts';
import { continentTopology } from './topology.ts';

/** A few; continuous integration runs hundreds through `overlane sim`. */
const SEEDS = 8;

test('overlay nodes keep every rule under drawn faults, each seed twice with one hash', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = withoutAmbientGlobals(() => runSeed(seed, { nodesMax: 8 }));
    assert.deepEqual(outcome.violations, [], reportFailure(outcome).join('\n'));
  }
});

for (const scenario of namedScenarios())
  test(`scenario: ${scenario.name}`, () => {
    const outcome = withoutAmbientGlobals(() => runScenario(scenario, {}));
    assert.deepEqual(outcome.violations, [], reportFailure(outcome).join('\n'));
    assert.ok(outcome.messagesReceived > 0);
  });

interface Flow {
  readonly testbed: Testbed;
  /** Nodes of the route from the first on. */
  route(): string[];
  gapMax(): number;
}

/** A settled network and a message every 10 ms from ATL to LAX. */
function startFlow(seed: number): Flow {
  const testbed = new Testbed({ seed, topology: continentTopology() });
  const target = { to: 'LAX', port: 9 };
  testbed.start();
  testbed.run(seconds(12));
  let last = testbed.now;
  let gapMax = 0;
  testbed.node('LAX').bind({
    port: 9,
    onMessage: () => {
      gapMax = Math.max(gapMax, testbed.now - last);
      last = testbed.now;
    },
  });
  const socket = testbed.node('ATL').bind({});
  testbed.every(milliseconds(10), () => {
    socket.send(new Uint8Array(100), target);
    return true;
  });
  testbed.run(seconds(2));
  gapMax = 0;
  const route = (): string[] => {
    const routes = testbed.node('ATL').status()?.routes ?? [];
    const path = routes.find((r) => r.destination === testbed.addressOf('LAX'))?.path ?? [];
    return ['ATL', ...path.map((hop) => testbed.nameOf(hop) ?? '?')];
  };
  return { testbed, route, gapMax: () => Math.max(gapMax, testbed.now - last) };
}

const uses = (route: readonly string[], a: string, b: string): boolean =>
  route.some((name, i) => name === a && route[i + 1] === b);

test('a cut on the route, in one or both directions, or a killed forwarder, costs under 0.7 s', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const { testbed, route, gapMax } = startFlow(seed);
    const path = route();
    const draw = new Random(seed);
    const hop = draw.below(path.length - 1);
    const [a, b] = [path[hop] ?? '', path[hop + 1] ?? ''];
    if (seed % 3 === 0) testbed.crash(path[1] ?? '');
    else if (seed % 3 === 1) testbed.cut(a, b);
    else testbed.impair(a, b, 'one way', { cut: true });
    testbed.run(seconds(4));
    testbed.assertSound();
    assert.ok(gapMax() < milliseconds(700), `seed ${seed}: ${path.join('-')}: ${gapMax()} us`);
  }
});

test('a link of the route that loses 30 % is left within 3 s', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { testbed, route } = startFlow(seed);
    const [a, b] = [route()[0] ?? '', route()[1] ?? ''];
    testbed.impairLink(a, b, { loss: 0.3 });
    const isLeft = testbed.runUntil(() => !uses(route(), a, b), { within: seconds(3) });
    assert.ok(isLeft, `seed ${seed}: still ${route().join('-')}`);
    testbed.assertSound();
  }
});

function noisy(topology: Topology, share: number): Topology {
  const links = topology.links.map((l) => {
    const jitter = Math.round(l.forward.delay * share) as Duration;
    return { ...l, forward: { ...l.forward, jitter }, backward: { ...l.backward, jitter } };
  });
  return { ...topology, links };
}

test('ten minutes of 20 % noise on every link change no route, and idle links stay below 8 kbit/s', () => {
  const testbed = new Testbed({ seed: 2, topology: noisy(continentTopology(), 0.2) });
  testbed.start();
  testbed.run(seconds(60));
  const changes: string[] = [];
  for (const node of testbed.nodes)
    node.onEvent = (event) => {
      if (event.kind === 'route-changed') changes.push(`${node.name}: ${event.cause}`);
    };
  const sentBits = (): Map<string, number> => {
    const bits = new Map<string, number>();
    for (const node of testbed.nodes)
      for (const link of node.status()?.links ?? [])
        bits.set(`${node.name}-${link.name}`, 8 * (link.bytesOut + 28 * link.packetsOut));
    return bits;
  };
  const before = sentBits();
  testbed.run(seconds(600));
  testbed.assertSound();
  assert.deepEqual(changes, []);
  for (const [link, bits] of sentBits()) {
    const rate = (bits - (before.get(link) ?? 0)) / 600;
    assert.ok(rate < 8_000, `${link}: ${rate} bit/s`);
  }
});
