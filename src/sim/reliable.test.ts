import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, Random, readU32, seconds, writeU32 } from '../kernel/index.ts';
import type { FlowRouting } from '../node/index.ts';
import {
  type PacketService,
  RECOVERY_FAIR_RELIABLE,
  RECOVERY_RELIABLE,
  SERVICE_DEFAULT,
} from '../wire/index.ts';
import { Testbed } from './testbed.ts';
import { evenLink, lineTopology } from './topology.ts';

const RELIABLE: PacketService = { ...SERVICE_DEFAULT, recovery: RECOVERY_RELIABLE };

/** Sends numbered messages as fast as the socket takes them, and keeps what arrives. */
function numberedFlow(
  testbed: Testbed,
  ends: { from: string; to: string; port: number },
  options: { count: number; bytes?: number; service?: PacketService; routing?: FlowRouting },
): { sent: number; arrived: number[]; refused: number } {
  const state = { sent: 0, arrived: [] as number[], refused: 0 };
  testbed.node(ends.to).bind({
    port: ends.port,
    onMessage: ({ payload }) => state.arrived.push(readU32(payload, 0)),
  });
  const more = (): void => {
    while (state.sent < options.count) {
      const payload = new Uint8Array(options.bytes ?? 1_000);
      writeU32(payload, 0, state.sent);
      const outcome = socket.send(payload, { to: ends.to, port: ends.port });
      if (outcome !== 'sent' && outcome !== 'queued') {
        state.refused++;
        if (outcome !== 'full') testbed.after(milliseconds(50), more);
        return;
      }
      state.sent++;
    }
  };
  const service = options.service ?? RELIABLE;
  const routing = options.routing ?? { scheme: 'best' };
  const socket = testbed.node(ends.from).bind({ service, routing, onDrain: more });
  testbed.after(milliseconds(0), more);
  return state;
}

const inOrder = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const sorted = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b);

test('a reliable flow over lossy links loses nothing and is told to wait', () => {
  const hop = { delay: milliseconds(10), rate: 20_000_000, queueBytes: 250_000, loss: 0.05 };
  const testbed = new Testbed({ seed: 11, topology: lineTopology(4, hop) });
  testbed.start();
  testbed.run(seconds(5));
  const ends = { from: 'n1', to: 'n4', port: 9 };
  const flow = numberedFlow(testbed, ends, { count: 6_000 });
  const began = testbed.now;
  assert.ok(
    testbed.runUntil(() => flow.arrived.length >= 6_000, { within: seconds(20) }),
    `${flow.arrived.length} of ${flow.sent}`,
  );
  const rate = (6_000 * 8_000 * 1_000_000) / (testbed.now - began);
  assert.deepEqual(sorted(flow.arrived), inOrder(6_000));
  assert.ok(flow.refused > 0, 'never told to wait');
  assert.ok(rate > 10_000_000, `${(rate / 1e6).toFixed(1)} Mbit/s of 20`);
  testbed.assertSound();
});

test('a slow flow does not hold up another that shares a link with it', () => {
  const fast = { delay: milliseconds(5), rate: 50_000_000, queueBytes: 500_000 };
  const slow = { delay: milliseconds(5), rate: 500_000, queueBytes: 50_000 };
  const topology = {
    nodes: ['a', 'b', 'quick', 'tardy'],
    links: [evenLink('a', 'b', fast), evenLink('b', 'quick', fast), evenLink('b', 'tardy', slow)],
  };
  const testbed = new Testbed({ seed: 12, topology });
  testbed.start();
  testbed.run(seconds(5));
  const service = { ...RELIABLE, recovery: RECOVERY_FAIR_RELIABLE };
  const tardy = numberedFlow(testbed, { from: 'a', to: 'tardy', port: 9 }, { count: 1e6, service });
  testbed.run(seconds(5));
  const quick = numberedFlow(
    testbed,
    { from: 'a', to: 'quick', port: 9 },
    { count: 5_000, service },
  );
  const done = testbed.runUntil(() => quick.arrived.length >= 5_000, { within: seconds(10) });
  assert.ok(done, `${quick.arrived.length} of 5000 while the slow one has ${tardy.arrived.length}`);
  // What waits of the slow flow is bounded at each node, not all that was offered.
  assert.ok(
    tardy.sent - tardy.arrived.length < 2_000,
    `${tardy.sent} sent, ${tardy.arrived.length} arrived`,
  );
  testbed.assertSound();
});

const UNLOSABLE: readonly { recovery: number; routing: FlowRouting }[] = [
  { recovery: RECOVERY_RELIABLE, routing: { scheme: 'best' } },
  { recovery: RECOVERY_FAIR_RELIABLE, routing: { scheme: 'best' } },
  { recovery: RECOVERY_FAIR_RELIABLE, routing: { scheme: 'flood' } },
  { recovery: RECOVERY_FAIR_RELIABLE, routing: { scheme: 'disjoint', paths: 2 } },
];
const DRAWN = UNLOSABLE.flatMap((lane) => [1, 2, 3, 4].map((seed) => ({ ...lane, seed })));

for (const { recovery, routing, seed } of DRAWN)
  test(`no sequence of link failures that leaves a path costs a packet of recovery ${recovery}, ${routing.scheme} (seed ${seed})`, () => {
    const each = { delay: milliseconds(5), loss: 0.01, rate: 2_000_000, queueBytes: 50_000 };
    const pairs = ['ab', 'bc', 'cd', 'be', 'ed', 'ae', 'bd'];
    const topology = {
      nodes: ['a', 'b', 'c', 'd', 'e'],
      links: pairs.map((pair) => evenLink(pair[0]!, pair[1]!, each)),
    };
    const testbed = new Testbed({ seed, topology });
    testbed.start();
    testbed.run(seconds(5));
    const random = new Random(seed);
    const flow = numberedFlow(
      testbed,
      { from: 'a', to: 'd', port: 9 },
      { count: 4_000, bytes: 400, service: { ...RELIABLE, recovery }, routing },
    );
    const cut = new Set<string>();
    // One ring of links always stays: a path is left whatever is cut.
    const spare = ['bc', 'cd', 'be', 'bd', 'ae'];
    for (let i = 0; i < 12; i++) {
      const pair = spare[random.below(spare.length)]!;
      const [a, b] = [pair[0]!, pair[1]!];
      if (cut.delete(pair)) testbed.heal(a, b);
      else if (isJoined(pairs, new Set([...cut, pair]))) {
        cut.add(pair);
        testbed.cut(a, b);
      }
      testbed.run(milliseconds(100 + random.below(1_500)));
    }
    const done = testbed.runUntil(() => flow.arrived.length >= 4_000, { within: seconds(30) });
    const missing = inOrder(flow.sent).filter((n) => !flow.arrived.includes(n));
    assert.ok(done, `${flow.sent} sent, missing ${missing.length}: ${missing.slice(0, 20).join()}`);
    assert.equal(new Set(flow.arrived).size, flow.arrived.length);
    testbed.assertSound();
  });

test('reliable packets on a stamped path wait for its link, and lose nothing when it comes back', () => {
  const each = { delay: milliseconds(5), rate: 2_000_000, queueBytes: 50_000 };
  const topology = {
    nodes: ['a', 'b', 'c', 'd'],
    links: ['ab', 'bd', 'ac', 'cd'].map((pair) => evenLink(pair[0]!, pair[1]!, each)),
  };
  const testbed = new Testbed({ seed: 5, topology });
  testbed.start();
  testbed.run(seconds(5));
  const route = ['b', 'd'].map((name) => testbed.addressOf(name));
  const flow = numberedFlow(
    testbed,
    { from: 'a', to: 'd', port: 9 },
    { count: 1_000, bytes: 400, routing: { scheme: 'explicit', route } },
  );
  testbed.run(seconds(1));
  testbed.cut('b', 'd');
  testbed.run(seconds(10));
  const before = flow.arrived.length;
  assert.ok(before < 1_000 && flow.sent > before, 'some wait at b, though c leads to d as well');
  testbed.heal('b', 'd');
  const done = testbed.runUntil(() => flow.arrived.length >= 1_000, { within: seconds(20) });
  assert.ok(done, `${flow.arrived.length} of ${flow.sent}`);
  assert.deepEqual(sorted(flow.arrived), inOrder(1_000));
  testbed.assertSound();
});

/** Whether a and d are joined by links that are not cut. */
function isJoined(pairs: readonly string[], cut: ReadonlySet<string>): boolean {
  const reached = new Set(['a']);
  for (let round = 0; round < pairs.length; round++)
    for (const pair of pairs) {
      if (cut.has(pair)) continue;
      if (reached.has(pair[0]!)) reached.add(pair[1]!);
      if (reached.has(pair[1]!)) reached.add(pair[0]!);
    }
  return reached.has('d');
}
