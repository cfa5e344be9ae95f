/**
 * Routes under noise that means nothing: the twelve cities for a simulated day, every datagram delayed by
 * its link's latency plus or minus 20 % (drawn evenly) and lost with 0.5 %. Afterwards one link's latency
 * steps up and stays: every pair whose best way that changes should change once and no more.
 */
import { milliseconds, seconds } from '../../dist/kernel/index.js';
import * as sim from '../../dist/sim/index.js';
import { digits } from './measure.mjs';

const NOISE = 0.2;
const LOSS = 0.005;
const SETTLE_S = 30;
const AFTER_STEP_S = 120;
/** The step: Denver-Chicago, on the way of many pairs, from 11.1 to 41 ms. */
const STEP = { a: 'DEN', b: 'CHI', milliseconds: 41 };

export const name = 'stability';
export const figure =
  'route changes in 24 h of +-20 % RTT and 0.5 % loss, 12 cities; then one step';
export const bar = 'none; then one change per affected pair';
export const reference = '-';

export async function run({ quick, log, seed = 1, hours = quick ? 0.05 : 24 }) {
  const testbed = new sim.Testbed({ seed, topology: noisy(sim.continentTopology()) });
  const changes = [];
  for (const node of testbed.nodes)
    node.onEvent = (event) => {
      if (event.kind !== 'route-changed') return;
      const to = testbed.nameOf(event.destination);
      changes.push({ at: testbed.now, pair: `${node.name}-${to}`, cause: event.cause });
    };
  testbed.start();
  testbed.run(seconds(SETTLE_S));
  const noise = watch(testbed, changes, hours, log);
  const step = stepUp(testbed, changes);
  testbed.assertSound();
  log(`step: ${step.affected} pairs changed, ${step.repeated.length} more than once`);
  return {
    measured: `${noise.length} in ${digits(hours)} h; after a step ${step.affected} pairs, ${step.repeated.length} of them twice or more`,
    holds: noise.length === 0 && step.affected > 0 && step.repeated.length === 0,
    how:
      `132 routes of 12 simulated nodes at the default timers, ${digits(testbed.eventsRun / 1e6)} million events. The step: ` +
      `${STEP.a}-${STEP.b} to ${STEP.milliseconds} ms, noise as before, watched for ${AFTER_STEP_S} s.`,
    values: { hours, noise, step },
  };
}

function noisy(topology) {
  const withNoise = (way) => ({
    ...way,
    jitter: Math.round(way.delay * NOISE),
    loss: LOSS,
  });
  const links = topology.links.map((link) => ({
    ...link,
    forward: withNoise(link.forward),
    backward: withNoise(link.backward),
  }));
  return { ...topology, links };
}

function watch(testbed, changes, hours, log) {
  const before = changes.length;
  const slices = Math.max(1, Math.round(hours));
  for (let i = 0; i < slices; i++) {
    const seen = changes.length;
    testbed.run(seconds((hours * 3600) / slices));
    for (const { at, pair, cause } of changes.slice(seen))
      log(`${digits(at / 3.6e9)} h: ${pair}: ${cause}`);
  }
  return changes.slice(before);
}

function stepUp(testbed, changes) {
  const before = changes.length;
  const delay = milliseconds(STEP.milliseconds);
  testbed.impairLink(STEP.a, STEP.b, { delay, jitter: Math.round(delay * NOISE) });
  testbed.run(seconds(AFTER_STEP_S));
  const counts = new Map();
  for (const { pair } of changes.slice(before)) counts.set(pair, (counts.get(pair) ?? 0) + 1);
  return {
    affected: counts.size,
    repeated: [...counts].filter(([, count]) => count > 1),
  };
}
