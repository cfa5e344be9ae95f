/**
 * Fuzzes everything that reads what others wrote: all decoders of `wire/`, the whole receive path of
 * a node from outside and from inside the network, configuration and control channel.
 *
 *   node bench/fuzz.mjs [--inputs 10000000] [--seed 1] [--only NAME] [--json]
 *
 * Prints rate and count, every finding with the seed and number that repeat it, and exits 1 when
 * there is one. Simulated cryptography stands in where real one would only slow it down.
 */
import { parseArgs } from 'node:util';
import { runFuzz } from './fuzz/run.mjs';
import { allTargets } from './fuzz/targets.mjs';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const targets = (await allTargets()).filter(
  (t) => values.only === undefined || t.name === values.only,
);
if (targets.length === 0) {
  console.error(`no target is called '${values.only}'`);
  process.exit(2);
}
const outcome = await runFuzz({
  targets,
  inputs: Number(values.inputs),
  seed: Number(values.seed),
  onTarget: (row) =>
    values.json ||
    console.log(
      `${row.name.padEnd(24)} ${String(row.inputs).padStart(9)} inputs ` +
        `${(row.inputs / row.seconds / 1_000).toFixed(0).padStart(6)} k/s  ${row.faults} faults`,
    ),
});
const { inputs, seconds, faults } = outcome;
if (values.json) console.log(JSON.stringify(outcome));
else {
  console.log(`${inputs} inputs in ${seconds.toFixed(1)} s, ${faults.length} faults`);
  for (const { target, seed, number, fault, input } of faults.slice(0, 5))
    console.log(`\n${target}, seed ${seed}, input ${number}\n${fault}\n${input.slice(0, 400)}`);
}
process.exitCode = faults.length > 0 ? 1 : 0;
