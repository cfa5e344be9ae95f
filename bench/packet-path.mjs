/**
 * The tables of the packet path: what it costs this machine to forward a packet. See docs/performance.md.
 *
 *   npm run bench                          every table; about five minutes
 *   npm run bench -- --quick               a short look
 *   npm run bench -- --underlay portable   one underlay only
 *   npm run bench -- --only 100            cases with that in their name
 *   npm run bench -- --json
 *   npm run bench -- --flame OUT.svg       no tables: where the time goes while 1200-byte packets pass
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { flameGraph } from '../tools/flame-graph.mjs';
import { measureForwarding, withDaemon } from './packet-path/forwarding.mjs';
import { underlayKinds } from './packet-path/underlays.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    underlay: { type: 'string', multiple: true },
    only: { type: 'string' },
    flame: { type: 'string' },
  },
});
const log = (text) => {
  if (!values.json) console.log(`   ${text}`);
};
if (values.flame === undefined) await tables();
else await flame(values.flame, values.underlay?.[0] ?? (await underlayKinds())[0]);

async function tables() {
  const report = {};
  for (const underlay of values.underlay ?? (await underlayKinds())) {
    log(`forwarding, ${underlay} underlay`);
    report[underlay] = await measureForwarding({ ...values, underlay, log });
    if (!values.json) console.log(table(report[underlay], underlay));
  }
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
}

async function flame(file, underlay) {
  await withDaemon({ underlay }, async ({ run, daemon }) => {
    const load = { bytes: 1_200, burst: 64, window: 512, pid: daemon.pid };
    const running = run({ ...load, warmMs: 2_000, measureMs: 6_000 });
    const profile = await daemon.handle.profile({ durationMs: 6_000 });
    const { nsPerPacket } = await running;
    const us = (nsPerPacket / 1_000).toFixed(2);
    const title = `One daemon, ${underlay} underlay, opening and sealing 1200-byte packets in runs: ${us} us each`;
    writeFileSync(file, flameGraph(JSON.parse(readFileSync(profile.file, 'utf8')), title));
    for (const { name, share } of profile.rooms.filter((r) => r.name !== '(idle)'))
      console.log(`${name.padEnd(24)}${(100 * share).toFixed(1).padStart(6)} %`);
    console.log(file);
  });
}

function table({ plain, cases, rounds }, underlay) {
  const rows = cases.map((row) => {
    const base = cases.find(({ name }) => name === row.ratio?.to);
    const bar =
      row.ratio === undefined
        ? row.bar === undefined
          ? ''
          : `<= ${row.bar} us ${row.us <= row.bar ? 'holds' : 'MISSED'}`
        : base === undefined
          ? ''
          : `${(row.us / base.us).toFixed(2)} of one, bar ${row.ratio.bar}: ${row.us / base.us <= row.ratio.bar ? 'holds' : 'MISSED'}`;
    return `${row.name.padEnd(36)}${row.us.toFixed(2).padStart(8)} us   ${bar}`;
  });
  const c = Object.entries(plain).map(
    ([bytes, us]) => `${`plain C forwarder, ${bytes} B`.padEnd(36)}${us.toFixed(2).padStart(8)} us`,
  );
  return [
    `${underlay} underlay, processor time a packet, median of ${rounds}`,
    ...rows,
    ...c,
    '',
  ].join('\n');
}
