/**
 * One stretch of trouble twice: in the playback, and in the simulator with whole nodes that send,
 * repair and receive every packet. All links into LAX lose, for twenty seconds; the flow is ATL to LAX.
 */
import { milliseconds, readU32, seconds, writeU32 } from '../../../dist/kernel/index.js';
import { continentTopology, Testbed } from '../../../dist/sim/index.js';
import { RECOVERY_REALTIME, SERVICE_DEFAULT } from '../../../dist/wire/index.js';

export const TROUBLE = { SJC: 0.3, DEN: 0.35, DFW: 0.45, WAS: 0.4, HKG: 0.3 };
export const TROUBLE_SECONDS = 20;
const DEADLINE = milliseconds(65);
const WAY_BACK_SECONDS = 15;

const ROUTINGS = {
  single: { scheme: 'best' },
  two: { scheme: 'disjoint', paths: 2 },
  targeted: { scheme: 'targeted' },
};

/** Share of packets late or lost while there is trouble, by scheme, and when the graph changed. */
export function simulated(seed) {
  const testbed = new Testbed({ seed, topology: continentTopology() });
  testbed.start();
  testbed.run(seconds(12));
  let noticed;
  const flows = Object.entries(ROUTINGS).map(([scheme, routing], i) =>
    startFlow(testbed, scheme, routing, 100 + i),
  );
  testbed.run(seconds(3));
  const began = testbed.now;
  testbed.node('ATL').onEvent = (event) => {
    if (event.kind === 'graph-changed' && event.scheme === 'targeted')
      noticed ??= (testbed.now - began) / 1_000;
  };
  for (const [from, loss] of Object.entries(TROUBLE))
    testbed.impair(from, 'LAX', 'trouble', { loss });
  for (const flow of flows) flow.isCounted = true;
  testbed.run(seconds(TROUBLE_SECONDS));
  for (const flow of flows) flow.isCounted = false;
  for (const from of Object.keys(TROUBLE)) testbed.lift(from, 'LAX', 'trouble');
  testbed.run(seconds(1));
  for (const flow of flows) flow.isDone = true;
  testbed.assertSound();
  const missed = flows.map(({ scheme, sent, inTime }) => [scheme, 1 - inTime.size / sent]);
  return { noticedMs: noticed, missed: Object.fromEntries(missed) };
}

function startFlow(testbed, scheme, routing, port) {
  const flow = { scheme, sent: 0, inTime: new Set(), isCounted: false, isDone: false };
  const sentAt = new Map();
  testbed.node('LAX').bind({
    port,
    onMessage: ({ payload }) => {
      const at = sentAt.get(readU32(payload, 0));
      if (at !== undefined && testbed.now - at <= DEADLINE) flow.inTime.add(readU32(payload, 0));
    },
  });
  const service = { ...SERVICE_DEFAULT, recovery: RECOVERY_REALTIME, deadline: DEADLINE };
  const socket = testbed.node('ATL').bind({ routing, service });
  let number = 0;
  testbed.every(milliseconds(1), () => {
    if (flow.isDone) return false;
    const payload = new Uint8Array(100);
    writeU32(payload, 0, ++number);
    if (flow.isCounted) {
      flow.sent++;
      sentAt.set(number, testbed.now);
    }
    socket.send(payload, { to: 'LAX', port });
    return true;
  });
  return flow;
}

/** The same in the playback: `world` with its monitors, `flow` accounting on it. */
export function playedBack(world, flow) {
  world.run(3);
  const began = world.now;
  let noticed;
  for (const [from, loss] of Object.entries(TROUBLE))
    world.impair(from, 'LAX', { loss, latency: 0 });
  flow.isDirty = true;
  const before = { ...flow.missed };
  world.run(TROUBLE_SECONDS, (step) => {
    flow.account(step / 1e6, new Map());
    if (flow.kind !== 'paths') noticed ??= (world.now - began) / 1_000;
  });
  const missed = Object.keys(ROUTINGS).map((scheme) => [
    scheme,
    (flow.missed[scheme] - before[scheme]) / TROUBLE_SECONDS,
  ]);
  for (const from of Object.keys(TROUBLE)) world.impair(from, 'LAX', { loss: 0, latency: 0 });
  world.run(WAY_BACK_SECONDS);
  return { noticedMs: noticed, missed: Object.fromEntries(missed) };
}
