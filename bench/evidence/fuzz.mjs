/** The fuzzer in a process of its own: see `bench/fuzz.mjs`. */
import { runProgram } from './program.mjs';

export const name = 'fuzz';
export const figure = 'fuzzed inputs over every decoder, the handshake and whole nodes';
export const bar = '10 million without a throw';
export const reference = '-';

export async function run({ quick, log }) {
  const wanted = quick ? 200_000 : 10_000_000;
  const { output } = await runProgram(process.execPath, [
    'bench/fuzz.mjs',
    '--inputs',
    String(wanted),
    '--json',
  ]);
  const { inputs, seconds, faults, rows } = JSON.parse(output);
  log(`${inputs} inputs in ${Math.round(seconds)} s`);
  return {
    measured: `${(inputs / 1e6).toFixed(1)} million in ${Math.round(seconds)} s, ${faults.length} throws or stalls`,
    holds: faults.length === 0 && inputs >= 10_000_000,
    how: `${rows.length} targets, from single decoders to a node that a certified member sends sealed rubbish.`,
    values: { inputs, seconds, faults: faults.length },
  };
}
