import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeAddress } from '../kernel/index.ts';
import { milliseconds, readU32, seconds, writeU32 } from '../kernel/index.ts';
import type { FlowRouting, TurncoatOptions } from '../node/index.ts';
import type { MaximalTopology } from '../wire/index.ts';
import { RECOVERY_PRIORITY, SERVICE_DEFAULT } from '../wire/index.ts';
import type { TestbedOptions } from './testbed.ts';
import { Testbed } from './testbed.ts';
import { evenLink } from './topology.ts';

/** s and t, three ways between them of one node each, and two links across. */
const nodes = ['s', 'x', 'y', 'z', 't'];
const links = ['sx', 'sy', 'sz', 'xt', 'yt', 'zt', 'xy', 'yz'].map((pair) =>
  evenLink(pair[0]!, pair[1]!, { delay: milliseconds(5) }),
);

interface Delivered {
  readonly distinct: number;
  readonly copies: number;
  readonly testbed: Testbed;
}

function deliveredUnder(
  turncoats: TestbedOptions['turncoats'],
  routing: FlowRouting,
  { count = 500, isSigned = false } = {},
): Delivered {
  const testbed = new Testbed({ seed: 7, topology: { nodes, links }, turncoats: turncoats! });
  testbed.start();
  testbed.run(seconds(5));
  const heard: number[] = [];
  testbed.node('t').bind({ port: 9, onMessage: (m) => heard.push(readU32(m.payload, 0)) });
  const service = { ...SERVICE_DEFAULT, recovery: RECOVERY_PRIORITY, priority: 5, isSigned };
  const socket = testbed.node('s').bind({ routing, service });
  // The session is set up along one way; nodes are captured after that.
  socket.send(new Uint8Array(4).fill(255), { to: 't', port: 9 });
  testbed.run(seconds(3));
  assert.equal(heard.length, 1, 'no session');
  heard.length = 0;
  for (let i = 0; i < count; i++) {
    const payload = new Uint8Array(100);
    writeU32(payload, 0, i);
    socket.send(payload, { to: 't', port: 9 });
    testbed.run(milliseconds(5));
  }
  testbed.run(seconds(3));
  const own = heard.filter((n) => n < count);
  return { distinct: new Set(own).size, copies: own.length, testbed };
}

const after = seconds(8);
const AT_THEIR_WORST: Record<string, TurncoatOptions> = {
  'drops everything': { after, drop: 1 },
  'holds everything back': { after, delay: seconds(1) },
  'overtakes, repeats and replays': { after, reorder: 0.5, duplicate: 0.5, replay: 0.5 },
};

for (const [what, turncoat] of Object.entries(AT_THEIR_WORST))
  test(`two nodes of a cut of three cannot stop a flood: each ${what}`, () => {
    for (const captured of [
      ['x', 'y'],
      ['y', 'z'],
      ['x', 'z'],
    ]) {
      const turncoats = Object.fromEntries(captured.map((name) => [name, turncoat]));
      const { distinct, copies } = deliveredUnder(() => turncoats, { scheme: 'flood' });
      assert.equal(distinct, 500, `${captured} captured`);
      assert.equal(copies, 500, 'something was delivered twice');
    }
  });

const captured = (options: TurncoatOptions) => ({ x: options, y: options });

test('a signed flood loses nothing where two of three nodes alter every packet; unsigned it does', () => {
  const turncoats = () => captured({ after, corrupt: 1 });
  const { distinct: unsigned } = deliveredUnder(turncoats, { scheme: 'flood' });
  assert.ok(unsigned < 500, 'nothing was lost unsigned: the test shows nothing');
  const { distinct, copies, testbed } = deliveredUnder(
    turncoats,
    { scheme: 'flood' },
    { isSigned: true },
  );
  assert.deepEqual([distinct, copies], [500, 500]);
  const { counters } = testbed.node('t').status()!;
  const refused = ['bad-source-signature', 'neighbour-over-forgery-budget'].map(
    (reason) => counters[`forwarding.dropped.${reason}`] ?? 0,
  );
  assert.ok(refused[0]! > 20 && refused[1]! > 100, refused.join());
  assert.ok((counters['forwarding.signatures-verified'] ?? 0) < 1_500);
});

test("packets in a source's name from elsewhere do not take the place of its signed ones", () => {
  const flood = (of: (name: string) => NodeAddress) => ({
    after,
    flood: { bitsPerSecond: 4e6, to: of('t'), as: of('s'), flow: 'all' as const },
  });
  const { distinct, copies } = deliveredUnder(
    (of) => captured(flood(of)),
    { scheme: 'disjoint', paths: 3 },
    { isSigned: true },
  );
  assert.deepEqual([distinct, copies], [500, 500]);
});

test('a session is set up although the best way and another go over nodes that drop everything', () => {
  const testbed = new Testbed({
    seed: 7,
    topology: { nodes, links },
    turncoats: () => captured({ after: seconds(4), drop: 1 }),
  });
  testbed.start();
  testbed.run(seconds(5));
  let heard = 0;
  testbed.node('t').bind({ port: 9, onMessage: () => heard++ });
  const service = { ...SERVICE_DEFAULT, isSigned: true };
  const socket = testbed.node('s').bind({ routing: { scheme: 'flood' }, service });
  socket.send(new Uint8Array(4), { to: 't', port: 9 });
  assert.ok(testbed.runUntil(() => heard > 0, { within: seconds(2) }));
});

/** 10 ms to t over a; by x and y 20 ms, of which they own up to none. */
const lured = {
  nodes: ['s', 'a', 'x', 'y', 't'],
  links: (
    [
      ['s', 'a', 5],
      ['a', 't', 5],
      ['s', 'x', 2],
      ['x', 'y', 16],
      ['y', 't', 2],
    ] as const
  ).map(([from, to, ms]) => evenLink(from, to, { delay: milliseconds(ms) })),
};
const claimLatency = milliseconds(0);
const liars = { x: { claimLatency }, y: { claimLatency } };

function routeUnder(permittedLinks?: MaximalTopology): Testbed {
  const testbed = new Testbed({
    seed: 3,
    topology: lured,
    turncoats: () => liars,
    ...(permittedLinks === undefined ? {} : { permittedLinks }),
  });
  testbed.start();
  testbed.run(seconds(15));
  return testbed;
}

const pathIn = (testbed: Testbed): string | undefined =>
  testbed
    .node('s')
    .explainRoute('t')
    ?.route?.path.map((hop) => testbed.nameOf(hop))
    .join();

test('two captured nodes draw traffic by a link they call 0 ms, and no more than its minimum lets them', () => {
  assert.equal(pathIn(routeUnder()), 'x,y,t', 'lies are of no use to them, the test shows nothing');
  const least = (ends: [string, string], ms: number) => ({ ends, latencyMin: milliseconds(ms) });
  const honest = [least(['s', 'a'], 4), least(['a', 't'], 4), least(['s', 'x'], 1)];
  const testbed = routeUnder([...honest, least(['x', 'y'], 14), least(['y', 't'], 1)]);
  assert.equal(pathIn(testbed), 'a,t');
  const { topology, counters } = testbed.node('s').status()!;
  assert.ok((counters['routing.latency-below-minimum'] ?? 0) > 0);
  assert.ok(
    topology?.overruled.some(({ claimed, latencyMin }) => claimed === 0 && latencyMin === 14_000),
  );
  const lure = testbed
    .node('s')
    .explainRoute('t')
    ?.candidates.find(({ isChosen }) => !isChosen);
  assert.match(lure?.verdict ?? '', /x-y counts its minimum of 14.0 ms, [xy] claims 0.0 ms/);
});

test('a link that the manifest does not permit is not opened, by whoever wants it', () => {
  const testbed = routeUnder([{ ends: ['s', 'a'], latencyMin: milliseconds(0) }]);
  assert.equal(pathIn(testbed), undefined);
  const { links, counters } = testbed.node('s').status()!;
  assert.deepEqual(
    links.filter(({ state }) => state === 'up').map(({ name }) => name),
    ['a'],
  );
  const refused = links.find(({ reason }) => reason !== undefined);
  assert.match(refused?.reason ?? '', /link not in the topology/);
  assert.ok((counters['link.handshake.refused.link-not-in-the-topology'] ?? 0) > 0);
});
