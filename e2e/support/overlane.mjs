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

/** The best route from ATL to LAX by the latencies of the plan. */
export const BEST_ROUTE = ['ATL', 'DFW', 'LAX'];

/**
 * The twelve cities, with the route from ATL to LAX the best there is: links measure themselves
 * while twelve daemons start at once, and better news is believed later than worse.
 */
export async function startContinent(t, config) {
  const cluster = await startLab(t, continentPlan(config));
  await until(
    `the route is ${BEST_ROUTE.join(' > ')}`,
    async () => (await routeOf(cluster, 'ATL', 'LAX')).join() === BEST_ROUTE.join(),
    { timeoutMs: 90_000, everyMs: 200 },
  );
  return cluster;
}

/** All nodes of the route of the moment, both ends included. */
export async function routeOf(cluster, from, to) {
  const { route } = await cluster.node(from).handle.explain(to);
  return [from, ...(route?.path ?? [])];
}
