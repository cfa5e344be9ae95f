import { cpus } from 'node:os';
import { NAMED_LANES } from '../../forwarding/index.ts';
import { nearestSpelling, OverlayError } from '../../kernel/index.ts';
import { benchPackets, PACKET_BENCH_DEFAULTS, PACKET_BYTES_MIN } from '../../lab/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { print } from '../context.ts';
import { wholeNumber } from '../parameters.ts';
import { benchView } from '../views/bench-view.ts';

interface Flags {
  readonly lane: readonly string[];
  readonly size: readonly number[];
  readonly hops: number;
  readonly seconds: number;
  readonly window: number;
}

const BYTES_MAX = 60_000;
const laneNames = NAMED_LANES.map((lane) => lane.name);

export const benchCommand: DefinedCommand = defineCommand<Flags>({
  path: 'bench',
  brief: 'Measure what this machine does for packets: rates, latency, processor time',
  description:
    'Starts daemons in a line on this machine and sends datagrams from the first to the last, for each lane and size once at a slow steady rate, for latency, and once as fast as the line takes them. Processor time is what the kernel accounts to each daemon, divided by the packets that arrived. Needs no network and leaves nothing behind. docs/performance.md says what to make of the figures.',
  examples: [
    { line: 'overlane bench', note: 'three lanes, two sizes, about half a minute' },
    { line: 'overlane bench --lane video --size 1200 --seconds 10', note: 'one of them, longer' },
    { line: 'overlane bench --hops 1 --json', note: 'two daemons only; figures for a program' },
  ],
  fields: {
    machine: 'processor model, number of processors, version of Node',
    hops: 'links between the first and the last daemon',
    underlay: '`portable` or `fast`',
    rows: 'list of { lane, bytes, packetsPerSecond, bitsPerSecond, lost, processorUs, programUs, latency: { packets, p50Ms, p99Ms, maxMs } }',
  },
  flags: {
    lane: {
      kind: 'parsed',
      parse: laneList,
      default: PACKET_BENCH_DEFAULTS.lanes.join(','),
      placeholder: 'names',
      brief: 'Lanes, with commas',
      proposeCompletions: () => laneNames,
    },
    size: {
      kind: 'parsed',
      parse: sizeList,
      default: PACKET_BENCH_DEFAULTS.sizes.join(','),
      placeholder: 'bytes',
      brief: 'Payload sizes, with commas',
    },
    hops: {
      kind: 'parsed',
      parse: wholeNumber(1, 8),
      default: String(PACKET_BENCH_DEFAULTS.hops),
      placeholder: 'n',
      brief: 'Links between the ends',
    },
    seconds: {
      kind: 'parsed',
      parse: wholeNumber(1, 600),
      default: String(PACKET_BENCH_DEFAULTS.measureMs / 1_000),
      placeholder: 'n',
      brief: 'How long each is measured, twice',
    },
    window: {
      kind: 'parsed',
      parse: wholeNumber(1, 16_384),
      default: String(PACKET_BENCH_DEFAULTS.window),
      placeholder: 'n',
      brief: 'Packets on their way at one time at full load',
    },
  },
  async run(context, flags) {
    if (!flags.json) print(context, `starting ${flags.hops + 1} daemons ...`);
    const report = await benchPackets({
      ...PACKET_BENCH_DEFAULTS,
      lanes: flags.lane,
      sizes: flags.size,
      hops: flags.hops,
      measureMs: 1_000 * flags.seconds,
      window: flags.window,
      signal: context.signal,
      onRow: ({ lane, bytes }) => {
        if (!flags.json) print(context, `measured ${lane}, ${bytes} bytes`);
      },
    });
    const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'} x ${cpus().length}, Node ${process.versions.node}`;
    return { data: { machine, ...report }, text: `\n${benchView(report, machine, context.paint)}` };
  },
});

function laneList(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (laneNames.includes(name)) continue;
    const nearest = nearestSpelling(name, laneNames);
    const hint =
      nearest === undefined ? `one of ${laneNames.join(', ')}` : `did you mean ${nearest}?`;
    throw new OverlayError('USAGE', `no lane is called ${name || '(nothing)'}: ${hint}`);
  }
  return names;
}

function sizeList(text: string): readonly number[] {
  return text.split(',').map((part) => {
    const bytes = Number(part.trim());
    if (Number.isInteger(bytes) && bytes >= PACKET_BYTES_MIN && bytes <= BYTES_MAX) return bytes;
    throw new OverlayError(
      'USAGE',
      `a payload size is a whole number from ${PACKET_BYTES_MIN} to ${BYTES_MAX}, not ${part || '(nothing)'}`,
    );
  });
}
