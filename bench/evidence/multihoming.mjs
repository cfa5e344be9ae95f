/**
 * Nodes with two providers each, as real daemons: every link has a path over each. Drawn failures, one at a
 * time: the provider in use of a node on the route goes silent both ways, or a node between is killed with
 * SIGKILL. Measured at the receiver of a flow of 100 packets a second, whose route has another node in it.
 *
 * A provider's failure leaves a second path to the same neighbour: the overlay's routes have no reason to
 * change, and the node has to say that it is the provider. A killed node is no provider's trouble, and is
 * routed around.
 */
import { Random } from '../../dist/kernel/index.js';
import { LabCluster } from '../../dist/lab/index.js';
import { LabFlow, STALL_MS } from './flow.mjs';
import { digits, median, pause, until } from './measure.mjs';

const FROM = 'ATL';
const BETWEEN = 'DFW';
const TO = 'LAX';
const OBSERVED_MS = 2_000;
const SETTLED_MS = 3_000;
const WORST_MS = 1_000;
const KILL_SHARE = 0.2;
const DELAYS_MS = {
  'ATL-DFW': 8,
  'DFW-LAX': 12,
  'ATL-DEN': 12,
  'DEN-LAX': 14,
  'DFW-DEN': 6,
};

export const name = 'multihoming';
export const figure =
  'gap in a flow of 10 ms when the provider in use of a node on its route fails';
export const bar = 'worst < 1 s, no route changes, every failure told as what it is, 30 failures';
export const reference =
  'our bar for a dead link: 1 s; BGP fail-over of a multihomed site takes minutes';

export async function run({ quick, log, seed = 1 }) {
  const count = quick ? 4 : 30;
  const random = new Random(seed);
  const cluster = await LabCluster.start(plan());
  const rows = [];
  try {
    await cluster.routed(FROM, TO);
    const flow = await LabFlow.open(cluster, { from: FROM, to: TO });
    await flow.steady(2_000, 30_000);
    for (let i = 0; i < count; i++) {
      // Kills have a place in every run, however short.
      const isKill = i === 1 || random.chance(KILL_SHARE);
      const row = await (isKill ? kill(cluster, flow) : fail(cluster, flow, random));
      rows.push(row);
      log(`${i + 1}: ${row.what}: ${Math.round(row.gapMs)} ms, ${row.told}${row.note}`);
    }
    await flow.close();
  } finally {
    await cluster.stop();
  }
  return verdict(rows);
}

function plan() {
  const links = Object.entries(DELAYS_MS).map(([pair, delayMs]) => {
    const [a, b] = pair.split('-');
    return { a, b, impairments: { delayMs } };
  });
  return { nodes: [FROM, BETWEEN, 'DEN', TO], links, providers: 2 };
}

async function fail(cluster, flow, random) {
  await settled(cluster, flow);
  const route = [FROM, ...(await routeNow(cluster))];
  const place = random.below(route.length);
  const node = route[place];
  const towards = route[place + 1] ?? route[place - 1];
  const provider = await providerInUse(cluster, node, towards);
  const changes = (await history(cluster)).length;
  flow.stallMs = 0;
  const began = flow.now();
  await cluster.impairProvider(node, provider, { cut: true });
  await pause(OBSERVED_MS);
  const gapMs = flow.longestGap(began);
  const troubled = await troubledProviders(cluster);
  const reroutes = (await history(cluster)).length - changes;
  const note = stallNote(flow);
  await cluster.impairProvider(node, provider, 'none');
  const isTold = troubled.join() === `${node} ${provider}`;
  const told = `${isTold ? 'told' : `told as ${troubled.join(', ') || 'nothing'}`}, ${reroutes} reroutes`;
  return {
    what: `provider ${provider} of ${node}`,
    isKill: false,
    gapMs,
    isTold,
    reroutes,
    told,
    note,
  };
}

/** The node between dies: every path to it is silent, by whatever provider. */
async function kill(cluster, flow) {
  await settled(cluster, flow);
  const [victim] = await routeNow(cluster);
  flow.stallMs = 0;
  const began = flow.now();
  await cluster.kill(victim);
  await pause(OBSERVED_MS);
  const gapMs = flow.longestGap(began);
  const troubled = await troubledProviders(cluster, victim);
  const { links } = await cluster.node(FROM).handle.status();
  const isDown = links.find(({ neighbour }) => neighbour === victim)?.state !== 'up';
  const note = stallNote(flow);
  await cluster.restart(victim);
  const isTold = isDown && troubled.length === 0;
  const told = isTold ? 'told as the node' : `told as ${troubled.join(', ') || 'nothing'}`;
  return { what: `kill ${victim}`, isKill: true, gapMs, isTold, reroutes: 0, told, note };
}

/**
 * All paths of all links up, the way through the node between in use and packets coming. After a kill that
 * takes the end of a probation: the route that comes back then is no answer to the next failure.
 */
async function settled(cluster, flow) {
  const isReady = async () => {
    for (const node of plan().nodes) {
      const { links } = await cluster.node(node).handle.status();
      const isUp = ({ state, paths }) =>
        state === 'up' && paths.filter((path) => path.state === 'up').length === 2;
      if (!links.every(isUp)) return false;
    }
    const { route } = await cluster.node(FROM).handle.explain(TO);
    return route?.path[0] === BETWEEN && route.sinceMs > SETTLED_MS;
  };
  await until('all paths are up and the best is the route', isReady, { withinMs: 120_000 });
  await flow.steady(1_500, 30_000);
}

const history = (cluster) => cluster.node(FROM).handle.routeHistory({ node: TO });

async function routeNow(cluster) {
  const { route } = await cluster.node(FROM).handle.explain(TO);
  return route?.path ?? [];
}

async function providerInUse(cluster, node, neighbour) {
  const { links } = await cluster.node(node).handle.status();
  const link = links.find((one) => one.neighbour === neighbour);
  return link.paths.find(({ isInUse }) => isInUse).local;
}

/** "NODE provider", of all nodes that run and see one in trouble. */
async function troubledProviders(cluster, except) {
  const found = new Set();
  for (const node of plan().nodes) {
    if (node === except) continue;
    const { links } = await cluster.node(node).handle.status();
    for (const { paths } of links)
      for (const { isProviderTrouble, local } of paths)
        if (isProviderTrouble) found.add(`${node} ${local}`);
  }
  return [...found];
}

const stallNote = ({ stallMs }) =>
  stallMs > STALL_MS ? `, this process stood still for ${Math.round(stallMs)} ms` : '';

function verdict(rows) {
  const failures = rows.filter(({ isKill }) => !isKill);
  const kills = rows.filter(({ isKill }) => isKill);
  const gaps = failures.map(({ gapMs }) => gapMs);
  const worst = Math.max(...gaps);
  const reroutes = failures.reduce((sum, row) => sum + row.reroutes, 0);
  const untold = rows.filter(({ isTold }) => !isTold).length;
  return {
    measured: `median ${digits(median(gaps) / 1_000)} s, worst ${digits(worst / 1_000)} s, ${reroutes} route changes, ${untold} mistaken`,
    holds: worst < WORST_MS && reroutes === 0 && untold === 0,
    how:
      `${failures.length} failures of the provider in use of a node on ${FROM}-${BETWEEN}-${TO}, four daemons with two providers each; ` +
      `and ${kills.length} kills of the node between, worst gap ${digits(Math.max(...kills.map(({ gapMs }) => gapMs)) / 1_000)} s. ` +
      'Mistaken: a provider blamed for a dead node, or not blamed for its own silence.',
    values: {
      gapsMs: gaps.map(Math.round),
      killGapsMs: kills.map(({ gapMs }) => Math.round(gapMs)),
    },
  };
}
