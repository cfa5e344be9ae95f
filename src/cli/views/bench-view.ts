/** `overlane bench`: a row for each lane and size. `overlane profile`: where time goes. */
import type { ProfileReport } from '../../daemon/index.ts';
import type { PacketBenchReport, PacketBenchRow } from '../../lab/index.ts';
import type { Paint } from './paint.ts';
import { showMs, showShare, showSpan } from './quantities.ts';
import { table } from './table.ts';

export function benchView(report: PacketBenchReport, machine: string, paint: Paint): string {
  const { hops, underlay, rows } = report;
  const daemons = hops + 1;
  return [
    `${daemons} daemons in a line on this machine, ${hops} ${hops === 1 ? 'hop' : 'hops'}, ${underlay} underlay, ${machine}`,
    '',
    table({
      paint,
      columns: [
        'lane',
        '>bytes',
        '>packets/s',
        '>Mbit/s',
        '>lost',
        '>us of processor, each daemon',
        '>p50',
        '>p99',
        '>worst',
      ],
      rows: rows.map(benchRow),
    }),
    '',
    'Rates: as many packets as the whole line takes, all processes on this machine. Latency: at a slow, steady rate.',
  ].join('\n');
}

const benchRow = (row: PacketBenchRow): string[] => [
  row.lane,
  String(row.bytes),
  String(Math.round(row.packetsPerSecond)),
  (row.bitsPerSecond / 1e6).toFixed(1),
  showShare(row.lost),
  row.processorUs?.map((us) => us.toFixed(1)).join(' / ') ?? '-',
  showMs(row.latency.p50Ms),
  showMs(row.latency.p99Ms),
  showMs(row.latency.maxMs),
];

const FUNCTIONS_SHOWN = 12;

export function profileView(report: ProfileReport, paint: Paint): string {
  const { file, durationMs, rooms, functions } = report;
  const rows = (of: ProfileReport['rooms']): string[][] =>
    of.map(({ name, share }) => [showShare(share), name]);
  return [
    table({ paint, columns: ['>time', 'room'], rows: rows(rooms) }),
    '',
    table({
      paint,
      columns: ['>time', 'function'],
      rows: rows(functions.slice(0, FUNCTIONS_SHOWN)),
    }),
    '',
    `${showSpan(durationMs)}; the whole profile: ${file}`,
  ].join('\n');
}
