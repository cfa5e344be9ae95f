/**
 * Recorded matrices of round-trip times: a folder of text files, one matrix each, rows of numbers in seconds
 * parted by blanks; row i, column j is what node i measured of node j; zero is missing. Files are taken in the order
 * of the last number in their names.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PROJECT } from '../evidence/program.mjs';

/** The folder given, or the environment's OVERLANE_RTT_DATA, or the one beside the project. */
export const dataFolder = (given) =>
  resolve(given ?? process.env.OVERLANE_RTT_DATA ?? join(PROJECT, '../shared/data/rtt-seattle'));

export const isThere = (folder) => existsSync(folder) && fileNames(folder).length > 1;

function fileNames(folder) {
  const numberOf = (name) => Number(/(\d+)\D*$/.exec(name)?.[1] ?? Number.NaN);
  return readdirSync(folder)
    .filter((name) => Number.isFinite(numberOf(name)) && !name.startsWith('.'))
    .sort((a, b) => numberOf(a) - numberOf(b));
}

/** `[{ n, rtt }]`: `rtt` is a Float64Array of n rows in microseconds, 0 where missing. */
export function readMatrices(
  folder,
  { from = 1, count = Number.POSITIVE_INFINITY, unit = 1e6 } = {},
) {
  const names = fileNames(folder).slice(from - 1, from - 1 + count);
  const matrices = [];
  for (const name of names) {
    const rows = readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/[\s,]+/))
      .filter((row) => row.length > 1);
    const n = rows.length;
    if (n < 3 || rows.some((row) => row.length !== n)) continue;
    if (matrices.length > 0 && matrices[0].n !== n) continue;
    const rtt = new Float64Array(n * n);
    rows.forEach((row, i) => {
      row.forEach((text, j) => {
        const value = Number(text);
        if (i !== j && value > 0) rtt[i * n + j] = Math.round(value * unit);
      });
    });
    matrices.push({ n, rtt });
  }
  return matrices;
}
