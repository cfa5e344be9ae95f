/** What docs/recovery.md says that recoveries and routes cost. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../evidence/program.mjs';

const RECOVERY_ROW =
  /^\| `([\w -]+(?:, [\w ]+)?)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) KB \| ([\d.]+) KB \|$/;
const ROUTE_ROW = /^\| ([a-z ]+) \| (\d+) \|$/;

/** By name: `{ header, back, lossForth, lossBack, linkKB, flowKB }`, of a route `{ header }`. */
export function documentedCosts() {
  const stated = new Map();
  for (const line of readFileSync(join(PROJECT, 'docs/recovery.md'), 'utf8').split('\n')) {
    const recovery = RECOVERY_ROW.exec(line);
    const route = ROUTE_ROW.exec(line);
    if (route !== null) stated.set(route[1], { header: Number(route[2]) });
    if (recovery === null) continue;
    const [header, back, lossForth, lossBack, linkKB, flowKB] = recovery.slice(2).map(Number);
    stated.set(recovery[1], { header, back, lossForth, lossBack, linkKB, flowKB });
  }
  return stated;
}
