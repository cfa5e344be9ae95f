/** The `overlane` program as a person runs it, and labs of many daemons. */
import { fileURLToPath } from 'node:url';
import { continentPlan, LabCluster } from '../../dist/lab/index.js';
import { mustRun, run, start, until } from './bounded.mjs';

export const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs a command; resolves with its exit code and output. */
export const overlane = (args, options) => run(process.execPath, [PROGRAM, ...args], options);

/** Starts a command that goes on, such as `up`. */
export const startOverlane = (args, options) =>
  start(process.execPath, [PROGRAM, ...args], options);

/** Runs a command with `--json` that must end with 0; resolves with the document. */
export async function overlaneJson(args, options) {
  const { stdout } = await mustRun(process.execPath, [PROGRAM, ...args, '--json'], options);
  return JSON.parse(stdout);
}

/** A lab that ends with the test. */
export async function startLab(t, plan, options = {}) {
  const cluster = await LabCluster.start(plan, options);
  t.after(() => cluster.stop());
  return cluster;
}

/** The shortest route from ATL to LAX by the latencies of the plan. */
const BEST_ROUTE = ['ATL', 'DFW', 'LAX'];
/** A route stays until another is 15 % better (docs/margins.md), and a busy machine measures the rest too long. */
const NEAR_BEST = 1.25;
const DELAYS = new Map(
  continentPlan().links.flatMap(({ a, b, impairments: { delayMs } }) => [
    [`${a}-${b}`, delayMs],
    [`${b}-${a}`, delayMs],
  ]),
);
const delayOf = (route) =>
  route.slice(1).reduce((sum, node, i) => sum + DELAYS.get(`${route[i]}-${node}`), 0);

/**
 * Until the route from ATL to LAX is as good as the best, to within the margins: links measure
 * themselves while twelve daemons start at once, and better news is believed later than worse.
 */
export const untilRouteIsGood = (cluster) =>
  until(
    'the route from ATL to LAX is near the best',
    async () => {
      const route = await routeOf(cluster, 'ATL', 'LAX');
      return route.length > 1 && delayOf(route) <= NEAR_BEST * delayOf(BEST_ROUTE);
    },
    { timeoutMs: 90_000, everyMs: 200 },
  );

/** The twelve cities, with a good route. */
export async function startContinent(t, config) {
  const cluster = await startLab(t, continentPlan(config));
  await untilRouteIsGood(cluster);
  return cluster;
}

/** All nodes of the route of the moment, both ends included. */
export async function routeOf(cluster, from, to) {
  const { route } = await cluster.node(from).handle.explain(to);
  return [from, ...(route?.path ?? [])];
}
