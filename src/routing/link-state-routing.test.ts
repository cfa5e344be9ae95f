/** What the room tells others: routes, explanations, members, events. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { milliseconds } from '../kernel/index.ts';
import { CITIES, CITY_LINKS } from '../sim/continent.ts';
import { TestNetwork, type TestNode } from './test-network.test.ts';

function continent(): TestNetwork {
  const network = new TestNetwork();
  for (const { name } of CITIES) network.add(name);
  for (const { a, b, latencyMilliseconds } of CITY_LINKS) network.link(a, b, latencyMilliseconds);
  network.run(3_000);
  return network;
}

function explained(network: TestNetwork, from: string, to: string): string[] {
  const node = network.node(from);
  const explanation = node.routing.explain(network.node(to).address, network.now);
  assert.ok(explanation);
  return explanation.candidates.map(({ path, verdict }) => `${node.names(path)}: ${verdict}`);
}

test('two nodes learn of each other and of a third behind', () => {
  const network = new TestNetwork();
  for (const name of ['A', 'B', 'C']) network.add(name);
  network.link('A', 'B', 10);
  network.link('B', 'C', 5);
  network.run(500);
  network.assertConverged();
  const { routing } = network.node('A');
  assert.equal(network.node('A').pathTo('C'), 'B C');
  assert.equal(network.node('C').routing.addressOf('A'), network.node('A').address);
  assert.equal(routing.members().length, 3);
  assert.equal(routing.nextHop(network.node('C').address), network.node('B').address);
  assert.equal(routing.pathMtu(network.node('C').address), 1400);
  assert.deepEqual(routing.load().unacknowledged, 0);
});

test('news that came while only the far end took the link for dead arrives when it is back', () => {
  const network = new TestNetwork();
  for (const name of ['A', 'B', 'C', 'D']) network.add(name);
  const link = network.link('A', 'B', 10);
  network.link('B', 'C', 5);
  network.run(500);
  const [a, b] = [network.node('A'), network.node('B')];
  b.routing.adjacency(a.address, undefined, 'silence', network.now);
  network.link('C', 'D', 5);
  network.run(500);
  assert.equal(a.routing.addressOf('D'), undefined);
  network.measure(link);
  network.run(3_000);
  assert.equal(a.pathTo('D'), 'B C D');
});

test('an unknown address has no route, no explanation and no MTU', () => {
  const network = new TestNetwork();
  const { routing, address } = network.add('A');
  const stranger = new TestNetwork({ seed: 4 }).add('X').address;
  assert.equal(routing.nextHop(stranger), 0);
  assert.equal(routing.path(stranger), undefined);
  assert.equal(routing.pathMtu(stranger), 0);
  assert.equal(routing.explain(stranger, network.now), undefined);
  assert.equal(routing.explain(address, network.now), undefined, 'nor has the node itself');
});

test('a route tells its latency, loss, cost, age and the cause of its last change', () => {
  const network = continent();
  const atl = network.node('ATL');
  const lax = network.node('LAX').address;
  const first = atl.routing.routes(network.now).find((r) => r.destination === lax)!;
  assert.equal(first.name, 'LAX');
  assert.equal(first.latency, milliseconds(8.7 + 14.9));
  assert.equal(first.cost, milliseconds(8.7 + 14.9 + 0.4));
  assert.equal(first.lossPpm, 0);
  network.cut('DFW', 'LAX');
  network.run(4_000);
  const second = atl.routing.routes(network.now).find((r) => r.destination === lax)!;
  assert.equal(atl.names(second.path), 'DEN LAX');
  assert.equal(second.cause, 'link DFW-LAX down');
  assert.equal(second.changes, first.changes + 1);
  assert.ok(second.since > milliseconds(3_900) && second.since < milliseconds(4_000));
});

test('an explanation has one path for each neighbour, the chosen one first', () => {
  const network = continent();
  const lines = explained(network, 'ATL', 'LAX');
  assert.equal(lines[0], 'DFW LAX: chosen');
  assert.equal(lines[1], 'DEN LAX: worse by 1.0 ms (4 %)');
  assert.equal(lines[2], 'CHI DEN LAX: worse by 4.8 ms (20 %)');
  assert.equal(lines.length, network.linksOf(network.node('ATL')).length);
});

test('an explanation names the link whose loss speaks against a path', () => {
  const network = continent();
  network.run(10_000);
  const link = network.linkOf('DFW', 'LAX');
  link.loss = 0.31;
  network.measure(link);
  network.run(1_000);
  const lines = explained(network, 'ATL', 'LAX');
  assert.equal(lines[0], 'DEN LAX: chosen');
  const viaDallas = lines.find((l) => l.startsWith('DFW'));
  assert.match(viaDallas ?? '', /^DFW DEN LAX: worse by 2\.3 ms/);
  const direct = explained(network, 'DFW', 'LAX').find((l) => l.startsWith('LAX:'));
  assert.match(direct ?? '', /^LAX: worse by \d+\.\d ms \(\d+ %\), link DFW-LAX loses 31 %$/);
});

test('an explanation names the link that is down on the way that would be better, and since when', () => {
  const network = continent();
  network.cut('DFW', 'LAX');
  network.run(12_000);
  const lines = explained(network, 'ATL', 'LAX');
  assert.equal(lines[0], 'DEN LAX: chosen');
  assert.ok(lines.includes('DFW LAX: link DFW-LAX down for 12 s'), lines.join('\n'));
});

test('an explanation names the end that does not report a link', () => {
  const network = new TestNetwork();
  for (const name of ['A', 'B', 'C']) network.add(name);
  network.link('A', 'B', 10);
  network.link('B', 'C', 10);
  network.link('A', 'C', 5);
  network.node('C').routing.adjacency(network.node('A').address, undefined, 'silence', network.now);
  network.run(300);
  assert.deepEqual(explained(network, 'A', 'C'), ['B C: chosen', 'C: link A-C not reported by C']);
});

test('an unreachable destination is explained by what is missing', () => {
  const network = new TestNetwork();
  for (const name of ['A', 'B', 'C']) network.add(name);
  network.link('A', 'B', 10);
  network.link('B', 'C', 10);
  network.run(2_000);
  network.cut('B', 'C');
  network.run(3_000);
  const { routing } = network.node('A');
  const explanation = routing.explain(network.node('C').address, network.now)!;
  assert.equal(explanation.route, undefined);
  assert.deepEqual(explained(network, 'A', 'C'), ['B C: link B-C down for 3 s']);
  assert.equal(routing.topology(network.now).gone.length, 1);
});

test('paths of equal cost: the lower address is taken, and the verdict says so', () => {
  const network = new TestNetwork();
  for (const name of ['A', 'B', 'C', 'D']) network.add(name);
  for (const via of ['B', 'C']) {
    network.link('A', via, 10);
    network.link(via, 'D', 10);
  }
  network.run(2_000);
  const [low, high] = ['B', 'C'].sort(
    (x, y) => network.node(x).address - network.node(y).address,
  ) as [string, string];
  assert.deepEqual(explained(network, 'A', 'D'), [
    `${low} D: chosen`,
    `${high} D: same cost, higher address`,
  ]);
});

test('a link that failed again and again is still the way where it is the only one', () => {
  const network = continent();
  const [hkg, lax] = [network.node('HKG'), network.node('LAX')];
  for (const other of ['SJC', 'DEN', 'DFW']) network.cut('HKG', other);
  for (let flap = 0; flap < 6; flap++) {
    network.cut('LAX', 'HKG');
    network.run(1_000);
    network.mend('LAX', 'HKG');
    network.run(1_000);
  }
  assert.equal(hkg.names(hkg.routing.path(lax.address)), 'LAX');
  network.mend('HKG', 'SJC');
  network.run(2_500);
  assert.equal(hkg.names(hkg.routing.path(lax.address)), 'SJC LAX', 'a steadier way is taken');
});

test('every change of a route is told once, with what it was and what it became', () => {
  const network = continent();
  const told = (node: TestNode): string[] =>
    node.changes
      .filter((c) => c.destination === network.node('LAX').address)
      .map((c) => `${node.names(c.before)} > ${node.names(c.after)}`);
  const atl = network.node('ATL');
  const before = told(atl).length;
  network.cut('DFW', 'LAX');
  network.run(2_000);
  network.mend('DFW', 'LAX');
  network.run(5_000);
  assert.deepEqual(told(atl).slice(before), ['DFW LAX > DEN LAX', 'DEN LAX > DFW LAX']);
  assert.equal(atl.changes.at(-1)?.cause, 'link DFW-LAX off probation');
});
