/**
 * Faults drawn over the links and forwarding nodes of the route of the moment, in the lab of twelve
 * real daemons: links are cut both ways, daemons killed with SIGKILL. Measured at the receiver of a flow
 * of 100 packets a second: the longest time without a packet, less the 10 ms between two.
 */
import { Random } from '../../dist/kernel/index.js';
import { continentPlan, LabCluster } from '../../dist/lab/index.js';
import { LabFlow, STALL_MS } from './flow.mjs';
import { digits, median, pause, until } from './measure.mjs';

const FROM = 'ATL';
const TO = 'LAX';
const OBSERVED_MS = 3_000;
const UNRECOVERED_MS = 15_000;
const STEADY_MS = 2_000;
const MEDIAN_MS = 700;
const WORST_MS = 1_500;

export const name = 'reroute';
export const figure = 'gap in a flow of 10 ms when a link is cut or a forwarding daemon killed';
export const bar = 'median < 0.7 s, worst < 1.5 s, none unrecovered, 40 faults';
export const reference = 'RON about 18 s; Spines 1.05 s for detection alone; BGP minutes';

export async function run({ quick, log, seed = 1 }) {
  const count = quick ? 6 : 40;
  const random = new Random(seed);
  const cluster = await LabCluster.start(continentPlan());
  const rows = [];
  try {
    await cluster.routed(FROM, TO);
    const flow = await LabFlow.open(cluster, { from: FROM, to: TO });
    await flow.steady(STEADY_MS, 30_000);
    for (let i = 0; i < count; i++) {
      const row = await strike(cluster, flow, random);
      rows.push(row);
      log(
        `${i + 1}: ${row.what}: ${row.isRecovered ? `${Math.round(row.gapMs)} ms` : 'no recovery'}${row.note}`,
      );
    }
    await flow.close();
  } finally {
    await cluster.stop();
  }
  return verdict(rows);
}

async function strike(cluster, flow, random) {
  // One fault at a time: on a busy machine links go down by themselves.
  await linksUp(cluster);
  const route = await until('there is a route', async () => {
    const { route: best } = await cluster.node(FROM).handle.explain(TO);
    return best !== undefined && best.path.length > 0 ? [FROM, ...best.path] : undefined;
  });
  const inner = route.slice(1, -1);
  const isKill = inner.length > 0 && random.chance(0.5);
  const victim = isKill ? random.pick(inner) : undefined;
  const hop = random.below(route.length - 1);
  const ends = [route[hop], route[hop + 1]];
  flow.stallMs = 0;
  const began = flow.now();
  await (isKill ? cluster.kill(victim) : cluster.cut(...ends));
  await pause(OBSERVED_MS);
  const isRecovered = await flow.steady(1_000, UNRECOVERED_MS);
  const gapMs = flow.longestGap(began, began + OBSERVED_MS + UNRECOVERED_MS);
  const stall = `, this process stood still for ${Math.round(flow.stallMs)} ms`;
  let note = flow.stallMs > STALL_MS ? stall : '';
  if (gapMs > WORST_MS) note += `, ${await linksDown(cluster, victim)}`;
  const healed = flow.now();
  await (isKill ? cluster.restart(victim) : cluster.heal(...ends));
  await linksUp(cluster);
  await flow.steady(STEADY_MS, 30_000);
  const what = isKill
    ? `kill ${victim} of ${route.join('-')}`
    : `cut ${ends.join('-')} of ${route.join('-')}`;
  return { what, isKill, gapMs, isRecovered, note, healingGapMs: flow.longestGap(healed) };
}

const linksUp = (cluster) =>
  until('all links are up again', async () => {
    const plan = continentPlan();
    for (const node of plan.nodes) {
      const wanted = plan.links.filter((l) => l.a === node || l.b === node).length;
      const { links } = await cluster.node(node).handle.status();
      if (links.filter((l) => l.state === 'up').length < wanted) return false;
    }
    return true;
  });

/** What else is wrong, in words: a long gap wants a reason. */
async function linksDown(cluster, victim) {
  const down = [];
  for (const node of continentPlan().nodes) {
    if (node === victim) continue;
    const { links } = await cluster.node(node).handle.status();
    for (const { neighbour, state, reason } of links)
      if (state !== 'up' && neighbour !== victim)
        down.push(`${node}-${neighbour} ${reason ?? state}`);
  }
  const { route } = await cluster.node(FROM).handle.explain(TO);
  return `now ${[FROM, ...(route?.path ?? ['nowhere'])].join('-')}, not up: ${down.join(', ') || 'none'}`;
}

function verdict(rows) {
  const gaps = rows.map((r) => r.gapMs);
  const lost = rows.filter((r) => !r.isRecovered).length;
  const worst = Math.max(...gaps);
  const kills = rows.filter((r) => r.isKill).length;
  const healing = Math.max(...rows.map((r) => r.healingGapMs));
  return {
    measured: `median ${digits(median(gaps) / 1_000)} s, worst ${digits(worst / 1_000)} s, ${lost} unrecovered`,
    holds: median(gaps) < MEDIAN_MS && worst < WORST_MS && lost === 0,
    how:
      `${rows.length} faults in the lab of twelve daemons, ${rows.length - kills} cuts and ${kills} kills, flow ` +
      `${FROM} to ${TO}. Longest gap while healing: ${Math.round(healing)} ms.`,
    values: { gapsMs: gaps.map(Math.round), worstHealingMs: Math.round(healing) },
  };
}
