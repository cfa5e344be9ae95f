/**
 * A link of the route turns bad without dying: 30 % loss both ways. Measured is when the last packet
 * was sent that was lost to it. Then noise: +-20 % on every link's delay, for ten minutes of virtual
 * time in the simulator and for a shorter time in the lab; no route may change.
 */
import { seconds as inSeconds, milliseconds } from '../../dist/kernel/index.js';
import { continentPlan, LabCluster } from '../../dist/lab/index.js';
import { CITY_LINKS } from '../../dist/sim/index.js';
import { LabFlow } from './flow.mjs';
import { digits, median, pause, percent } from './measure.mjs';

const FROM = 'ATL';
const TO = 'LAX';
const LOSS = 0.3;
const NOISE = 0.2;
const OBSERVED_MS = 6_000;
const STEADY_MS = 2_000;
const HEALED_MS = 20_000;

export const name = 'degrade';
export const figure = 'link degrades to 30 % loss without dying; noise of +-20 % on all RTTs';
export const bar = 'off it within 3 s, every time; no route change in 10 minutes of noise';
export const reference = 'Zixi up to 25 s';

export async function run({ quick, log }) {
  const cluster = await LabCluster.start(continentPlan());
  let rows;
  let labNoise;
  try {
    await cluster.routed(FROM, TO);
    rows = await episodes(cluster, quick ? 2 : 10, log);
    await forgotten(cluster);
    labNoise = await noiseInLab(cluster, quick ? 15 : 120);
    log(`noise in the lab: ${labNoise.changes} route changes in ${labNoise.seconds} s`);
    for (const change of labNoise.which) log(change);
  } finally {
    await cluster.stop();
  }
  const simNoise = await noiseInSimulator(quick ? 60 : 600);
  log(`noise in the simulator: ${simNoise?.changes ?? 'not measured,'} route changes`);
  return verdict(rows, labNoise, simNoise);
}

async function episodes(cluster, count, log) {
  const flow = await LabFlow.open(cluster, { from: FROM, to: TO });
  const rows = [];
  for (let i = 0; i < count; i++) {
    await flow.steady(STEADY_MS, 30_000);
    const path = [FROM, ...(await cluster.routed(FROM, TO))];
    const hop = i % (path.length - 1);
    const ends = [path[hop], path[hop + 1]];
    const began = flow.now();
    await cluster.impair(...ends, { loss: LOSS });
    await pause(OBSERVED_MS + 1_000);
    const last = flow.lastLoss(began, began + OBSERVED_MS) ?? began;
    const { route } = await cluster.node(FROM).handle.explain(TO);
    const now = [FROM, ...(route?.path ?? [])];
    const isOff = !now.some((node, k) => ends.includes(node) && ends.includes(now[k + 1]));
    rows.push({ offAfterMs: last - began, isOff });
    log(
      `${i + 1}: ${LOSS * 100} % loss on ${ends.join('-')} of ${path.join('-')}: ` +
        `last loss ${Math.round(last - began)} ms later, ${isOff ? 'now' : 'still not'} ${now.join('-')}`,
    );
    await cluster.heal(...ends);
    if (i + 1 < count) await pause(HEALED_MS);
  }
  await flow.close();
  return rows;
}

async function noiseInLab(cluster, duration) {
  for (const { a, b, latencyMilliseconds: delayMs } of CITY_LINKS)
    await cluster.impair(a, b, { delayMs, jitterMs: NOISE * delayMs });
  await pause(5_000);
  const before = await routes(cluster);
  await pause(1_000 * duration);
  const after = await routes(cluster);
  let changes = 0;
  const which = [];
  for (const [pair, route] of after) {
    const more = route.changes - (before.get(pair)?.changes ?? 0);
    changes += more;
    if (more > 0) which.push(`${pair}: ${more}, now by ${route.path.join('-')}, ${route.cause}`);
  }
  return { seconds: duration, changes, which };
}

async function routes(cluster) {
  const found = new Map();
  for (const node of continentPlan().nodes)
    for (const route of (await cluster.node(node).handle.status()).routes)
      found.set(`${node} to ${route.destination}`, route);
  return found;
}

/**
 * Better news is damped: routes go back to what they were long after the links have healed. Waits
 * until no link tells of loss any more and no route has changed for twenty seconds.
 */
async function forgotten(cluster) {
  let last = -1;
  for (let tries = 0; tries < 12; tries++) {
    await pause(HEALED_MS);
    let loss = 0;
    for (const node of continentPlan().nodes)
      for (const link of (await cluster.node(node).handle.status()).links)
        loss = Math.max(loss, link.lossOut, link.lossIn);
    let changes = 0;
    for (const route of (await routes(cluster)).values()) changes += route.changes;
    if (loss < 0.01 && changes === last) return;
    last = changes;
  }
}

/** All links of the twelve cities, every packet's delay uniform within +-20 %. */
async function noiseInSimulator(duration) {
  const { Testbed, continentTopology } = await import('../../dist/sim/index.js');
  if (Testbed === undefined) return undefined;
  const plain = continentTopology();
  const noisy = (way) => ({ ...way, jitter: Math.round(NOISE * way.delay) });
  const links = plain.links.map((l) => ({
    ...l,
    forward: noisy(l.forward),
    backward: noisy(l.backward),
  }));
  const testbed = new Testbed({ seed: 1, topology: { ...plain, links } });
  testbed.start();
  testbed.run(inSeconds(30));
  const before = simulatedChanges(testbed);
  testbed.run(inSeconds(duration));
  const changes = simulatedChanges(testbed) - before;
  return { minutes: milliseconds(duration) / 60_000, changes };
}

const simulatedChanges = (testbed) =>
  testbed.nodes
    .flatMap((node) => node.status()?.routes ?? [])
    .reduce((sum, route) => sum + route.changes, 0);

function verdict(rows, labNoise, simNoise) {
  const offs = rows.map((r) => r.offAfterMs);
  const worst = Math.max(...offs);
  const stayed = rows.filter((r) => !r.isOff).length;
  const simulated =
    simNoise === undefined
      ? 'simulator not measured'
      : `${simNoise.changes} route changes in ${digits(simNoise.minutes)} simulated minutes of noise`;
  return {
    measured:
      `off it after ${digits(median(offs) / 1_000)} s (median), ${digits(worst / 1_000)} s (worst); ${simulated}, ` +
      `${labNoise.changes} in ${labNoise.seconds} s in the lab`,
    holds:
      worst < 3_000 &&
      stayed === 0 &&
      labNoise.changes === 0 &&
      simNoise !== undefined &&
      simNoise.changes === 0,
    how:
      `${rows.length} episodes of ${percent(LOSS)} loss both ways on a link of the route ${FROM} to ${TO}: time from ` +
      `the start of the loss to the sending of the last packet lost; ${stayed} routes stayed. Noise on all 32 links.`,
    values: { offAfterMs: offs.map(Math.round), labNoise, simNoise },
  };
}
