/** Routing over the twelve cities: convergence, faults, control traffic. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Random, seconds } from '../kernel/index.ts';
import { CITIES, CITY_LINKS } from '../sim/continent.ts';
import { TestNetwork } from './test-network.test.ts';

function continent(options: ConstructorParameters<typeof TestNetwork>[0] = {}): TestNetwork {
  const network = new TestNetwork(options);
  for (const { name } of CITIES) network.add(name);
  for (const { a, b, latencyMilliseconds } of CITY_LINKS) network.link(a, b, latencyMilliseconds);
  return network;
}

const routeChanges = (network: TestNetwork): number =>
  [...network.nodes.values()].reduce((sum, node) => sum + node.changes.length, 0);

test('twelve cities that start together agree within two seconds', () => {
  const network = continent();
  network.run(2_000);
  network.assertConverged();
  for (const node of network.nodes.values()) {
    assert.equal(node.routing.members().length, 12);
    assert.equal(node.routing.routes(network.now).length, 11);
    assert.equal(node.routing.topology(network.now).links.length, 32);
  }
  assert.equal(network.node('ATL').pathTo('LAX'), 'DFW LAX');
});

test('a cut is routed around everywhere within a quarter of a second, with its cause', (t) => {
  const network = continent();
  network.run(5_000);
  const cutAt = network.now;
  const settledBefore = routeChanges(network);
  network.cut('DFW', 'LAX');
  network.run(5_000);
  network.assertConverged();
  assert.equal(network.node('ATL').pathTo('LAX'), 'DEN LAX');
  const changes = [...network.nodes.values()].flatMap((n) =>
    n.changes.filter((c) => c.at >= cutAt),
  );
  assert.ok(routeChanges(network) > settledBefore);
  for (const change of changes) assert.match(change.cause, /^link DFW-LAX down( \(silence\))?$/);
  const last = Math.max(...changes.map((c) => c.at - cutAt));
  t.diagnostic(
    `last of ${changes.length} routes changed ${last / 1000} ms after the cut was known`,
  );
  assert.ok(last < 250_000, `last route changed after ${last} us`);
});

test('30 % loss is left at once, and the way back is taken when it has been good for a while', () => {
  const network = continent();
  network.run(15_000);
  const link = network.linkOf('DFW', 'LAX');
  link.loss = 0.3;
  network.measure(link);
  network.run(500);
  assert.equal(network.node('ATL').pathTo('LAX'), 'DEN LAX');
  assert.equal(network.node('ATL').changes.at(-1)?.cause, 'link DFW-LAX loss 30 %');
  link.loss = 0;
  network.measure(link);
  network.run(5_000);
  assert.equal(network.node('ATL').pathTo('LAX'), 'DEN LAX');
  network.run(6_000);
  assert.equal(network.node('ATL').pathTo('LAX'), 'DFW LAX');
  assert.equal(network.node('ATL').changes.at(-1)?.cause, 'link DFW-LAX loss 0 %');
});

test('noise of 9 % on every link changes no route in ten minutes', () => {
  const network = continent();
  network.run(15_000);
  const before = routeChanges(network);
  const random = new Random(9);
  const quiet = network.links.map((l) => l.latency);
  for (let second = 0; second < 600; second += 5) {
    network.links.forEach((link, i) => {
      link.latency = Math.round(quiet[i]! * (0.955 + 0.09 * random.fraction()));
      network.measure(link);
    });
    network.run(5_000);
  }
  assert.equal(routeChanges(network), before);
  network.assertConverged();
});

test('an idle network floods less than 1.5 kbit/s on the busiest link direction', (t) => {
  const network = continent();
  network.run(60_000);
  const bits = new Map<string, number>();
  // What a frame costs when a packet is sent for it alone: UDP over IPv4 28, header and tag 32, frame 3.
  network.tap = (from, to, _type, body) => {
    const key = `${from.name}>${to.name}`;
    bits.set(key, (bits.get(key) ?? 0) + 8 * (body.length + 63));
  };
  network.run(600_000);
  const rates = [...bits.values()].map((b) => b / 600);
  const busiest = Math.max(...rates);
  const mean = rates.reduce((a, b) => a + b, 0) / rates.length;
  t.diagnostic(`busiest direction ${busiest.toFixed(0)} bit/s, mean ${mean.toFixed(0)} bit/s`);
  assert.ok(busiest < 1_500, `busiest ${busiest.toFixed(0)} bit/s, mean ${mean.toFixed(0)}`);
});

test('with a third of all frames lost every node still ends up with the same routes', () => {
  const network = continent({ seed: 5 });
  for (const link of network.links) link.loss = 0.33;
  network.run(15_000);
  network.assertConverged();
  network.cut('DFW', 'LAX');
  network.cut('ATL', 'DEN');
  network.run(15_000);
  network.assertConverged();
  assert.equal(network.node('ATL').routing.members().length, 12);
});

test('a partition heals, and the two halves learn what they missed', () => {
  const network = continent();
  network.run(5_000);
  const east = new Set(['NYC', 'WAS', 'JHU', 'ATL', 'LON', 'FRA', 'CHI']);
  const crossing = CITY_LINKS.filter(({ a, b }) => east.has(a) !== east.has(b));
  for (const { a, b } of crossing) network.cut(a, b);
  network.run(3_000);
  assert.equal(network.node('ATL').pathTo('LAX'), 'none');
  network.cut('NYC', 'WAS');
  network.cut('SJC', 'LAX');
  // Longer than link state lives: each half has forgotten the other.
  network.run(970_000);
  assert.equal(
    network
      .node('ATL')
      .routing.topology(network.now)
      .links.some(({ a }) => network.nameAt(a) === 'LAX'),
    false,
  );
  for (const { a, b } of crossing) network.mend(a, b);
  network.run(3_000);
  network.assertConverged();
  assert.notEqual(network.node('ATL').pathTo('LAX'), 'none');
  assert.equal(network.node('FRA').routing.topology(network.now).links.length, 30);
});

test('a node that crashed and lost its memory is routed around, comes back and outruns its past', () => {
  const network = continent();
  network.run(5_000);
  network.crash('DFW');
  network.run(2_000);
  assert.equal(network.node('ATL').pathTo('LAX'), 'DEN LAX');
  assert.equal(network.node('ATL').pathTo('DFW'), 'none');
  network.restart('DFW');
  network.run(4_000);
  network.assertConverged();
  assert.equal(network.node('ATL').pathTo('LAX'), 'DFW LAX');
});

test('a node whose epoch went backwards outruns its own earlier records', () => {
  const network = continent();
  const node = network.node('DFW');
  node.epoch = 40;
  network.crash('DFW');
  network.restart('DFW');
  network.run(5_000);
  node.epoch = 2;
  network.crash('DFW');
  network.restart('DFW');
  network.run(6_000);
  network.assertConverged();
  assert.ok(node.routing.counters.value('own-record-outrun') > 0);
  assert.equal(network.node('ATL').pathTo('LAX'), 'DFW LAX');
});

test('a node that leaves in good order is routed around at once', () => {
  const network = continent();
  network.run(5_000);
  network.node('DFW').routing.withdraw(network.now);
  network.run(200);
  assert.equal(network.node('ATL').pathTo('LAX'), 'DEN LAX');
});

test('link state that is not repeated is forgotten, however it travels', () => {
  const network = continent({ timers: { refreshInterval: seconds(2) } });
  network.run(5_000);
  network.node('HKG').isRunning = false;
  // Its neighbours are not told that it is gone; what it said still ends.
  network.run(49_000);
  for (const node of network.nodes.values()) {
    if (!node.isRunning) continue;
    assert.equal(node.routing.path(network.node('HKG').address), undefined, node.name);
  }
});

test('drawn faults: after all is mended every node agrees with every other', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const network = continent({ seed });
    const random = new Random(seed).split('faults');
    network.run(2_000);
    for (let step = 0; step < 60; step++) {
      const { a, b } = random.pick(CITY_LINKS);
      const link = network.linkOf(a, b);
      const areRunning = link.a.isRunning && link.b.isRunning;
      switch (random.below(5)) {
        case 0:
          network.cut(a, b);
          break;
        case 1:
          if (areRunning) network.mend(a, b);
          break;
        case 2:
          link.loss = random.below(60) / 100;
          if (link.isUp && areRunning) network.measure(link);
          break;
        case 3:
          network.crash(a);
          break;
        default:
          if (!link.a.isRunning) network.restart(a);
      }
      network.run(random.between(1, 800));
    }
    for (const node of network.nodes.values()) if (!node.isRunning) network.restart(node.name);
    for (const link of network.links) {
      link.loss = 0;
      network.mend(link.a.name, link.b.name);
    }
    network.run(75_000);
    network.assertConverged();
    assert.equal(network.node('ATL').pathTo('LAX'), 'DFW LAX', `seed ${seed}`);
  }
});
