/** Packets that must not be lost, on routes that their source stamps: acknowledged by their destination. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, readU32, seconds, writeU32 } from '../kernel/index.ts';
import type { FlowRouting, TurncoatOptions } from '../node/index.ts';
import { RECOVERY_FAIR_RELIABLE, SERVICE_DEFAULT } from '../wire/index.ts';
import { Testbed } from './testbed.ts';
import { evenLink } from './topology.ts';

const SERVICE = { ...SERVICE_DEFAULT, recovery: RECOVERY_FAIR_RELIABLE };
const ROUTINGS: readonly FlowRouting[] = [{ scheme: 'flood' }, { scheme: 'disjoint', paths: 2 }];
/** s and t, three ways between them of one node each, and two links across. */
const nodes = ['s', 'x', 'y', 'z', 't'];
const way = { delay: milliseconds(5), rate: 4_000_000, queueBytes: 50_000, loss: 0.01 };
const links = ['sx', 'sy', 'sz', 'xt', 'yt', 'zt', 'xy', 'yz'].map((pair) =>
  evenLink(pair[0]!, pair[1]!, way),
);

function started(turncoats: Record<string, TurncoatOptions> = {}, seed = 3): Testbed {
  const testbed = new Testbed({
    seed,
    topology: { nodes, links },
    linkCapacity: 4_000_000,
    turncoats: () => turncoats,
  });
  testbed.start();
  testbed.run(seconds(5));
  return testbed;
}

/** Sends numbered messages as fast as the socket takes them, to its end. */
function flow(testbed: Testbed, to: string, routing: FlowRouting, count: number, from = 's') {
  const state = { sent: 0, heard: [] as number[], held: 0 };
  testbed.node(to).bind({ port: 9, onMessage: (m) => state.heard.push(readU32(m.payload, 0)) });
  const more = (): void => {
    while (state.sent < count) {
      const payload = new Uint8Array(800);
      writeU32(payload, 0, state.sent);
      const outcome = socket.send(payload, { to, port: 9 });
      if (outcome !== 'sent' && outcome !== 'queued') {
        state.held++;
        if (outcome !== 'full') testbed.after(milliseconds(50), more);
        return;
      }
      state.sent++;
    }
  };
  const socket = testbed.node(from).bind({ routing, service: SERVICE, onDrain: more });
  testbed.after(milliseconds(0), more);
  return state;
}

const missing = (state: { heard: number[] }, count: number): number[] => {
  const heard = new Set(state.heard);
  assert.equal(heard.size, state.heard.length, 'something was delivered twice');
  return Array.from({ length: count }, (_, n) => n).filter((n) => !heard.has(n));
};
const counter = (testbed: Testbed, node: string, name: string): number =>
  testbed.node(node).status()?.counters[`forwarding.${name}`] ?? 0;

for (const routing of ROUTINGS)
  test(`${routing.scheme}: nodes that crash with what they acknowledged lose no packet`, () => {
    const testbed = started();
    const state = flow(testbed, 't', routing, 3_000);
    testbed.run(seconds(1));
    for (const name of ['x', 'y', 'z', 'y', 'x']) {
      testbed.crash(name);
      testbed.run(milliseconds(1_200));
      testbed.start(name);
      testbed.run(milliseconds(1_500));
    }
    testbed.runUntil(() => state.heard.length >= 3_000, { within: seconds(30) });
    assert.deepEqual(missing(state, 3_000), []);
    assert.ok(counter(testbed, 's', 'delivered.signed') === 0 && state.held > 0);
    testbed.assertSound();
  });

test('captured nodes that drop everything hold up no flow: its window moves on what the end signs', () => {
  const after = seconds(6);
  const testbed = started({ x: { after, drop: 1 }, y: { after, drop: 1 } });
  const state = flow(testbed, 't', { scheme: 'flood' }, 2_000);
  assert.ok(
    testbed.runUntil(() => state.heard.length >= 2_000, { within: seconds(20) }),
    `${state.heard.length} of ${state.sent}`,
  );
  assert.deepEqual(missing(state, 2_000), []);
});

test('a destination that is dead holds back its own flow and no other', () => {
  const testbed = started();
  const first = flow(testbed, 't', { scheme: 'flood' }, 10);
  const other = flow(testbed, 'z', { scheme: 'flood' }, 10);
  testbed.runUntil(() => first.heard.length + other.heard.length >= 20, { within: seconds(5) });
  testbed.crash('t');
  const socket = testbed.node('s').bind({ routing: { scheme: 'flood' }, service: SERVICE });
  let taken = 0;
  while (socket.send(new Uint8Array(800), { to: 't', port: 9 }) === 'sent') taken++;
  assert.ok(taken > 20 && taken < 400, `${taken} taken for the dead one`);
  const busy = flow(testbed, 'y', { scheme: 'flood' }, 2_000);
  assert.ok(
    testbed.runUntil(() => busy.heard.length >= 2_000, { within: seconds(15) }),
    `${busy.heard.length} of ${busy.sent}`,
  );
  testbed.run(seconds(70));
  assert.ok(counter(testbed, 's', 'dropped.unacknowledged') >= taken, 'given up after a minute');
});

test('a path stamped on packets that fails loses none of them', () => {
  const testbed = started();
  const route = ['x', 't'].map((name) => testbed.addressOf(name));
  const state = flow(testbed, 't', { scheme: 'explicit', route }, 1_500);
  testbed.run(milliseconds(2_000));
  testbed.cut('x', 't');
  testbed.runUntil(() => state.heard.length >= 1_500, { within: seconds(50) });
  testbed.heal('x', 't');
  testbed.runUntil(() => state.heard.length >= 1_500, { within: seconds(20) });
  assert.deepEqual(missing(state, 1_500), []);
  assert.ok(counter(testbed, 's', 'packets-repeated') > 0);
});

test('nodes keep no copy of what has arrived', () => {
  const testbed = started();
  const state = flow(testbed, 't', { scheme: 'flood' }, 1_000);
  testbed.runUntil(() => state.heard.length >= 1_000, { within: seconds(20) });
  testbed.run(milliseconds(300));
  for (const node of testbed.nodes)
    for (const { packets } of node.status()?.queues ?? []) assert.equal(packets, 0);
});
