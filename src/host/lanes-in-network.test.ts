/** Lanes as the host resolves them, on twelve simulated cities: what each promises of a flow holds there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NAMED_LANES } from '../forwarding/index.ts';
import { milliseconds, readU32, seconds, writeU32 } from '../kernel/index.ts';
import { continentTopology, Testbed } from '../sim/index.ts';
import { flowOptionsOf } from './flow-choice.ts';

const PORT = 9;
const SETTLING = seconds(9);

interface Heard {
  readonly number: number;
  readonly delay: number;
}

function flowIn(testbed: Testbed, lane: (typeof NAMED_LANES)[number]) {
  const flow = { sentAt: [] as number[], heard: [] as Heard[], isSending: true };
  let now = 0;
  testbed.node('LAX').bind({
    port: PORT,
    onMessage: ({ payload }) => {
      const number = readU32(payload, 0);
      now = testbed.now;
      flow.heard.push({ number, delay: now - flow.sentAt[number]! });
    },
  });
  const socket = testbed.node('ATL').bind(flowOptionsOf(lane, undefined));
  testbed.every(milliseconds(10), () => {
    if (!flow.isSending) return false;
    const payload = new Uint8Array(100);
    writeU32(payload, 0, flow.sentAt.length);
    flow.sentAt.push(testbed.now);
    socket.send(payload, { to: 'LAX', port: PORT });
    return true;
  });
  return flow;
}

for (const lane of NAMED_LANES) {
  test(`${lane.name}: nothing lost, late or twice while all is well and after a reroute`, () => {
    const testbed = new Testbed({ seed: 3, topology: continentTopology() });
    testbed.start();
    testbed.run(SETTLING);
    const flow = flowIn(testbed, lane);
    testbed.run(seconds(3));
    const { length: before } = flow.sentAt;
    assert.equal(new Set(flow.heard.map((h) => h.number)).size, flow.heard.length, 'once each');
    assert.ok(flow.heard.length >= before - 6, `${flow.heard.length} of ${before}`);
    // The ways that were best are gone for good; what is left is longer and still in time.
    testbed.cut('ATL', 'DFW');
    testbed.cut('DEN', 'LAX');
    testbed.run(seconds(3));
    const calm = flow.sentAt.length;
    const rows = () =>
      testbed
        .node('LAX')
        .status()!
        .traffic!.filter((row) => row.flow !== 0 && row.packets > 100);
    const lateBefore = rows().reduce((sum, row) => sum + row.late, 0);
    testbed.run(seconds(3));
    flow.isSending = false;
    testbed.run(seconds(2));
    const after = flow.heard.filter((h) => h.number >= calm);
    assert.equal(after.length, flow.sentAt.length - calm, 'all that was sent after the reroute');
    const late = rows().reduce((sum, row) => sum + row.late, 0) - lateBefore;
    assert.equal(late, 0, 'a longer way is not lateness');
    if (lane.deadline > 0)
      for (const { delay } of after) assert.ok(delay <= lane.deadline + 1_000, `${delay} us`);
    const source = testbed
      .node('ATL')
      .status()!
      .traffic!.find((row) => row.packets > 100)!;
    assert.equal(source.lane, lane.number);
    const isRedundant = lane.routing !== 'best';
    assert.equal(source.copies > 1.5 * source.packets, isRedundant, `${source.copies} copies`);
    testbed.assertSound();
  });
}

test('smooth: the delay at the socket is the deadline, whatever the way and its jitter', () => {
  const lane = { ...NAMED_LANES[2]!, playout: 'smooth' as const, recovery: 'none' as const };
  const testbed = new Testbed({ seed: 4, topology: continentTopology() });
  testbed.start();
  testbed.run(SETTLING);
  for (const [a, b] of [
    ['ATL', 'DFW'],
    ['DFW', 'LAX'],
  ] as const)
    testbed.impairLink(a, b, { jitter: milliseconds(8) });
  const flow = flowIn(testbed, lane);
  testbed.run(seconds(6));
  testbed.cut('ATL', 'DFW');
  testbed.run(seconds(6));
  flow.isSending = false;
  testbed.run(seconds(2));
  const settled = flow.heard.slice(100);
  const delays = settled.map((h) => h.delay).sort((a, b) => a - b);
  const at = (share: number): number => delays[Math.floor(share * (delays.length - 1))]!;
  assert.ok(settled.length > 900, `${settled.length} of ${flow.sentAt.length}`);
  assert.ok(Math.abs(at(0.5) - lane.deadline) < 10_000, `median ${at(0.5)} us`);
  assert.ok(at(0.99) - at(0.01) < 10_000, `the delay varies by ${at(0.99) - at(0.01)} us`);
});
