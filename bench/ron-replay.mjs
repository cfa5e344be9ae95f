/**
 * What relays chosen by fresh measurements do to recorded Internet round-trip times, and what that costs.
 *
 *   node bench/ron-replay.mjs [--data FOLDER] [--matrices N] [--from N] [--budgets 25,50,100] [--period SECONDS]
 *                             [--unit s|ms] [--samples N] [--seed N] [--json]
 *
 * The folder holds one matrix a file (`ron-replay/matrices.mjs`); without --data it is that of the environment's
 * OVERLANE_RTT_DATA, or ../shared/data/rtt-seattle beside the project. Needs `npm run build` before.
 */
import { parseArgs } from 'node:util';
import { dataFolder, isThere, readMatrices } from './ron-replay/matrices.mjs';
import { backbone } from './ron-replay/mesh-cost.mjs';
import { replay } from './ron-replay/replay.mjs';
import { Score } from './ron-replay/score.mjs';

const PERIOD_S = 15.7;

/** One row of the curve; also what the evidence asks for. */
export function measure(matrices, { budget, period = PERIOD_S, samples = 4, seed = 1, options }) {
  const score = new Score(matrices);
  const matrixUs = Math.round(period * 1e6);
  const cost = replay(
    { matrices, matrixUs, budget, instantsPerMatrix: samples, seed, options },
    (m, choose) => score.take(m, choose),
  );
  // Everything a node sends: the link state of the backbone, refreshed, beside what was counted.
  const bitsPerSecond = cost.bitsPerSecond + backbone(matrices[0].n).bits;
  return { budget, ...cost, bitsPerSecond, ...score.result() };
}

let isHeadPrinted = false;

export { dataFolder, isThere, readMatrices };

if (import.meta.url === `file://${process.argv[1]}`) main();

function main() {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      matrices: { type: 'string', default: '120' },
      from: { type: 'string', default: '1' },
      budgets: { type: 'string', default: '15,25,50,78,150' },
      period: { type: 'string', default: String(PERIOD_S) },
      unit: { type: 'string', default: 's' },
      samples: { type: 'string', default: '4' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const folder = dataFolder(values.data);
  if (!isThere(folder)) {
    console.error(
      `ron-replay: there are no matrices in ${folder}: give their folder with --data or OVERLANE_RTT_DATA`,
    );
    process.exitCode = 2;
    return;
  }
  const unit = values.unit === 'ms' ? 1e3 : 1e6;
  const matrices = readMatrices(folder, {
    from: Number(values.from),
    count: Number(values.matrices),
    unit,
  });
  const rows = values.budgets.split(',').map((kbit) => {
    const row = measure(matrices, {
      budget: Number(kbit) * 1e3,
      period: Number(values.period),
      samples: Number(values.samples),
      seed: Number(values.seed),
    });
    if (!values.json) print(row, matrices);
    return row;
  });
  if (values.json) console.log(JSON.stringify(rows, null, 2));
}

function print(row, matrices) {
  const line = (name, s, rest = '') =>
    console.log(
      `${name.padEnd(22)} ${[s.mean, s.p50, s.p90, s.p99].map((x) => x.toFixed(3)).join('  ')}  ${rest}`,
    );
  if (!isHeadPrinted) {
    isHeadPrinted = true;
    console.log(
      `${matrices.length} matrices of ${matrices[0].n} nodes, ${row.samples} samples; seconds`,
    );
    console.log(`${''.padEnd(22)} mean   p50    p90    p99`);
    line('direct', row.direct);
    line('oracle, one hop', row.oneHop);
    line('oracle, any hops', row.anyHop);
  }
  const kbit = (bits) => (bits / 1e3).toFixed(1);
  line(
    `ours at ${kbit(row.bitsPerSecond)} kbit/s`,
    row.ours,
    `hello each ${(row.intervalMs / 1e3).toFixed(2)} s, round ${(row.roundMs / 1e3).toFixed(2)} s; ` +
      `no worse ${(100 * row.noWorse).toFixed(1)} %, relayed ${(100 * row.relayed).toFixed(0)} %, ` +
      `lost ${(100 * row.lost).toFixed(2)} %, reached without direct way ${(100 * row.reached).toFixed(1)} %`,
  );
}
