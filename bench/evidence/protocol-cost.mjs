/**
 * What each recovery and each form of route costs on a link, in bytes and in memory, and whether
 * docs/recovery.md says so. Bytes are counted in virtual time and the same on every machine; memory
 * is what the garbage collector gives back when a forwarding node goes.
 */

import { memoryCosts, recoveryCosts, routeCosts } from '../protocol-cost/costs.mjs';
import { documentedCosts } from '../protocol-cost/documented.mjs';

const PACKETS = 60_000;
const ROUNDS = 5;
/** A loss costs what its burst makes of it; memory is a matter of what is collected when. */
const LOSS_TOLERANCE = 0.1;
const MEMORY_TOLERANCE = 0.35;
const NOISE = { linkKB: 40, lossForth: 20, lossBack: 5 };

export const name = 'protocol-cost';
export const figure =
  'each recovery: bytes on the wire a packet and a loss, memory a link and a flow';
export const bar = 'as the table of docs/recovery.md states';
export const reference = '-';

export async function run({ quick, log }) {
  const bytes = recoveryCosts({ packets: quick ? 5_000 : PACKETS });
  const memory = memoryCosts({ rounds: quick ? 1 : ROUNDS });
  const rows = bytes.map((row, i) => ({
    ...row,
    linkKB: Math.max(0, Math.round(memory.rows[i].linkBytes / 1_000)),
    flowKB: Number((memory.rows[i].flowBytes / 1_000).toFixed(1)),
  }));
  const routes = routeCosts({ packets: 1_000 });
  for (const row of rows) log(tableRow(row));
  for (const { name, header } of routes) log(`| ${name} | ${header} |`);
  const faults = quick ? [] : differences(rows, routes, documentedCosts());
  for (const fault of faults) log(fault);
  const idleKB = Math.round(memory.idleLinkBytes / 1_000);
  return {
    measured: rows.slice(1).map(inWords).join('; '),
    holds: !quick && faults.length === 0,
    how:
      `Three real nodes in virtual time, ${PACKETS} messages of 1000 bytes, one each millisecond; losses of 2 % both ways at 66 % burstiness on the counted link. ` +
      `Every packet: ${rows[0].header} bytes beyond its payload${routes
        .map(({ name, header }) => `, ${name} ${header - rows[0].header} more`)
        .slice(1)
        .join('')}. ` +
      `Memory of the node between, median of ${ROUNDS}: an idle link ${idleKB} KB; a link that carries 8 Mbit/s of a recovery, beyond best effort; a further flow. ` +
      (faults.length === 0 ? '' : `Otherwise than documented: ${faults.join('; ')}.`),
    values: { rows, routes, idleKB },
  };
}

const tableRow = (row) =>
  `| \`${row.name}\` | ${row.header} | ${row.back} | ${row.lossForth} | ${row.lossBack} | ${row.linkKB} KB | ${row.flowKB} KB |`;

const inWords = (row) =>
  `${row.name}: ${row.back} B back a packet, ${row.lossForth + row.lossBack} B a loss, ${row.linkKB} KB a link, ${row.flowKB} KB a flow`;

/** What the documents say otherwise, in words. */
function differences(rows, routes, stated) {
  const tolerance = { linkKB: MEMORY_TOLERANCE, flowKB: MEMORY_TOLERANCE };
  const faults = [];
  for (const row of [...rows, ...routes]) {
    const said = stated.get(row.name);
    if (said === undefined) faults.push(`${row.name} is not documented`);
    for (const [key, value] of Object.entries(said ?? {})) {
      const allowed = (tolerance[key] ?? LOSS_TOLERANCE) * Math.abs(row[key]);
      if (Math.abs(row[key] - value) > Math.max(allowed, NOISE[key] ?? 1))
        faults.push(`${row.name}, ${key}: ${row[key]}, documented ${value}`);
    }
  }
  return faults;
}
