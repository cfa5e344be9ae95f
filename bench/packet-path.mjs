/**
 * The tables of the packet path: what it costs this machine to forward a packet. See docs/performance.md.
 *
 *   npm run bench                          every table; about five minutes
 *   npm run bench -- --quick               a short look
 *   npm run bench -- --underlay portable   one underlay only
 *   npm run bench -- --only 100            cases with that in their name
 *   npm run bench -- --json
 */
import { parseArgs } from 'node:util';
import { measureForwarding } from './packet-path/forwarding.mjs';
import { underlayKinds } from './packet-path/underlays.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    underlay: { type: 'string', multiple: true },
    only: { type: 'string' },
  },
});
const log = (text) => {
  if (!values.json) console.log(`   ${text}`);
};
const report = {};
for (const underlay of values.underlay ?? (await underlayKinds())) {
  log(`forwarding, ${underlay} underlay`);
  report[underlay] = await measureForwarding({ ...values, underlay, log });
  if (!values.json) console.log(table(report[underlay], underlay));
}
if (values.json) console.log(JSON.stringify(report, undefined, 2));

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
