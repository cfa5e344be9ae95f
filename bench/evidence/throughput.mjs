/** What programs get through daemons in a line, with the SDK at both ends: all on this machine. */
import { benchPackets, PACKET_BENCH_DEFAULTS } from '../../dist/lab/index.js';
import { digits, mbit } from './measure.mjs';

export const name = 'throughput';
export const figure = 'throughput program to program, 1 and 2 hops, 1100 B';
export const bar = '2 hops: best effort >= 5 x, reliable >= 10 x Spines';
export const reference =
  'Spines, unsealed, on a machine of this kind: best effort 603 and 479 Mbit/s, reliable 541 and 96 Mbit/s';

const SPINES = { default: { 1: 603e6, 2: 479e6 }, bulk: { 1: 541e6, 2: 96e6 } };
const BARS = { default: 5, bulk: 10 };
const BYTES = 1_100;
/**
 * Datagrams on their way. With 512 all of them move as one lump from process to process and a processor has nothing
 * to do; with 4096 they fill half of a node's receiving buffer, and it sheds. Spines' figures are of a sender that does
 * not wait at all, at its best rate.
 */
const WINDOW = 2_048;

export async function run({ quick, log }) {
  const rows = [];
  for (const hops of [1, 2]) {
    const report = await benchPackets({
      ...PACKET_BENCH_DEFAULTS,
      lanes: ['default', 'bulk'],
      sizes: [BYTES],
      hops,
      window: WINDOW,
      measureMs: quick ? 1_000 : 10_000,
    });
    for (const row of report.rows) {
      const times = row.bitsPerSecond / SPINES[row.lane][hops];
      rows.push({ ...row, hops, times, underlay: report.underlay });
      log(
        `${hops} hops, ${row.lane}: ${mbit(row.bitsPerSecond)}, ${digits(times)} x Spines, lost ${row.lost}, us a packet: ${spent(row)}`,
      );
    }
  }
  const two = rows.filter((row) => row.hops === 2);
  const text = (row) => `${row.lane} ${mbit(row.bitsPerSecond)} (${digits(row.times)} x)`;
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
      `Microseconds of processor time a packet over 2 hops: ${two.map((row) => `${row.lane} ${spent(row)}`).join('; ')}.`,
    values: { rows },
  };
}

/** Each daemon in order, and the program. */
const spent = ({ processorUs, programUs }) =>
  processorUs === undefined
    ? 'not known here'
    : `daemons ${processorUs.map((us) => digits(us)).join(' + ')}, program ${digits(programUs)}`;
