/** Relays by fresh measurements on recorded Internet round-trip times: `bench/ron-replay.mjs`. */
import { dataFolder, isThere, measure, readMatrices } from '../ron-replay.mjs';
import { digits, percent } from './measure.mjs';

const MEAN_S = 0.158;
const P99_S = 0.55;
const KBIT_MAX = 100;
const BUDGETS_KBIT = [25, 50, 78];

export const name = 'ron-replay';
export const figure =
  '99 nodes, recorded RTTs: mean and p99 over the chosen relays, at <= 100 kbit/s a node';
export const bar = 'mean <= 0.158 s, p99 <= 0.55 s';
export const reference =
  'direct 0.343 and 2.21 s; relay of the matrix before 0.186 and 0.87; one-hop oracle 0.135 and 0.35';

export async function run({ quick, log }) {
  const folder = dataFolder();
  if (!isThere(folder))
    throw new Error(`there are no matrices in ${folder}: give their folder with OVERLANE_RTT_DATA`);
  const matrices = readMatrices(folder, { count: quick ? 4 : 120 });
  const rows = [];
  for (const kbit of quick ? [78] : BUDGETS_KBIT) {
    const row = measure(matrices, { budget: kbit * 1e3, samples: quick ? 1 : 3 });
    rows.push(row);
    log(`${cost(row)} kbit/s: ${figures(row.ours)}, no worse than direct ${percent(row.noWorse)}`);
  }
  const { direct, oneHop, anyHop } = rows[0];
  log(`direct ${figures(direct)}; one-hop oracle ${figures(oneHop)}; any-hop ${figures(anyHop)}`);
  const best = rows.at(-1);
  return {
    measured: `${figures(best.ours)} at ${cost(best)} kbit/s; no worse than direct in ${percent(best.noWorse)}`,
    holds:
      best.ours.mean <= MEAN_S && best.ours.p99 <= P99_S && best.bitsPerSecond <= KBIT_MAX * 1e3,
    how:
      `${matrices.length} matrices of 15.7 s, ${best.samples} samples at drawn moments; mean, p50, p90, p99 in seconds. ` +
      `${rows
        .slice(0, -1)
        .map((row) => `At ${cost(row)} kbit/s ${figures(row.ours)}.`)
        .join(' ')} ` +
      `Direct ${figures(direct)}; any-hop oracle ${figures(anyHop)}. Lost over a dead second half: ${percent(best.lost)}; ` +
      `pairs without a direct way reached: ${percent(best.reached)}.`,
    values: { rows },
  };
}

const cost = (row) => digits(row.bitsPerSecond / 1e3);
const figures = ({ mean, p50, p90, p99 }) =>
  [mean, p50, p90, p99].map((x) => x.toFixed(3)).join(' / ');
