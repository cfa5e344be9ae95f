/** What programs get through daemons in a line, with the SDK at both ends: all on this machine. */
import { benchPackets, PACKET_BENCH_DEFAULTS } from '../../dist/lab/index.js';
import { digits, mbit } from './measure.mjs';
import { spinesFolder, spinesThroughput } from './spines.mjs';

export const name = 'throughput';
export const figure = 'throughput program to program, 1 and 2 hops, 1100 and 100 B';
export const bar = '2 hops: best effort >= 5 x, reliable >= 10 x Spines';
export const reference =
  'Spines 5.7, unsealed, on a machine of this kind: 1100 B best effort 603 and 479, reliable 541 and 96 Mbit/s; 100 B 57.5 and 45.6, 53.4 and 15.8';

/** By lane and bytes: over one hop and over two. Used where Spines itself is not to be had (spines.mjs). */
const SPINES = {
  default: { 1100: [603e6, 479e6], 100: [57.5e6, 45.6e6] },
  bulk: { 1100: [541e6, 96e6], 100: [53.4e6, 15.8e6] },
};
const BARS = { default: 5, bulk: 10 };
const SIZES = [1_100, 100];
/**
 * Datagrams on their way. With 512 all of them move as one lump from process to process and a processor has nothing
 * to do; with 4096 they fill half of a node's receiving buffer, and it sheds. Spines' figures are of a sender that does
 * not wait at all, at its best rate.
 */
const WINDOW = 2_048;

export async function run({ quick, log }) {
  const rows = [];
  for (const hops of quick ? [2] : [1, 2]) {
    const report = await benchPackets({
      ...PACKET_BENCH_DEFAULTS,
      lanes: ['default', 'bulk'],
      sizes: SIZES,
      hops,
      window: WINDOW,
      measureMs: quick ? 1_000 : 10_000,
    });
    for (const row of report.rows) {
      const known = SPINES[row.lane][row.bytes][hops - 1];
      const spines = (await spinesThroughput({ ...row, hops })) ?? known;
      const times = row.bitsPerSecond / spines;
      rows.push({ ...row, hops, spines, times, underlay: report.underlay });
      log(
        `${hops} hops, ${row.bytes} B, ${row.lane}: ${mbit(row.bitsPerSecond)}, ${digits(times)} x Spines (${mbit(spines)}), ` +
          `lost ${row.lost}, us a packet: ${spent(row)}`,
      );
    }
  }
  const two = rows.filter((row) => row.hops === 2);
  const text = (row) =>
    `${row.bytes} B ${row.lane} ${mbit(row.bitsPerSecond)} (${digits(row.times)} x)`;
  const whose =
    spinesFolder() === undefined ? 'of the reference' : 'measured beside each, in the same run';
  return {
    measured: [1, 2]
      .map(
        (hops) =>
          `${hops} hops: ${rows
            .filter((row) => row.hops === hops)
            .map(text)
            .join(', ')}`,
      )
      .join('; '),
    holds: rows.every((row) => row.hops === 1 || row.times >= BARS[row.lane]),
    how:
      `Closed load of ${WINDOW} datagrams on their way, sealed end to end and on every link, between two sockets of the SDK (\`sendMany\`, lent \`batches\`); daemons, ` +
      `program and load share the machine’s processors. ${rows[0].underlay} underlay. Lane \`default\` is best effort, \`bulk\` reliable on every link. ` +
      `Microseconds of processor time a packet over 2 hops: ${two.map((row) => `${row.bytes} B ${row.lane} ${spent(row)}`).join('; ')}. ` +
      `Spines ${whose}: over 2 hops ${two.map((row) => mbit(row.spines)).join(', ')}.`,
    values: { rows },
  };
}

/** Each daemon in order, and the program. */
const spent = ({ processorUs, programUs }) =>
  processorUs === undefined
    ? 'not known here'
    : `daemons ${processorUs.map((us) => digits(us)).join(' + ')}, program ${digits(programUs)}`;
