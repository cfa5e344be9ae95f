/**
 * How a check becomes a program: `node tools/check-x.mjs [root]` prints one line per fault and
 * exits 1 when there was one. `npm test` runs all of them.
 */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));

/** `inspect(root)` returns `{ faults, notes?, looked }`. */
export async function runAsProgram(moduleUrl, name, inspect) {
  if (process.argv[1] === undefined || resolve(process.argv[1]) !== fileURLToPath(moduleUrl))
    return;
  const root = resolve(process.argv.slice(2).find((a) => !a.startsWith('--')) ?? PROJECT);
  process.exitCode = report(name, await inspect(root)) ? 0 : 1;
}

/** Prints one check's outcome; true when it passed. */
export function report(name, { faults, notes = [], looked }) {
  for (const note of notes) console.log(`  note: ${note}`);
  for (const fault of faults) console.log(`  ${fault}`);
  const verdict =
    faults.length === 0 ? 'ok' : `${faults.length} fault${faults.length > 1 ? 's' : ''}`;
  console.log(`check ${name}: ${verdict} (${looked})`);
  return faults.length === 0;
}
