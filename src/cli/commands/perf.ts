import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { performanceView } from '../views/performance-view.ts';

interface Filter {
  readonly from?: string;
  readonly to?: string;
  readonly metric?: string;
}

const name = (placeholder: string, brief: string) =>
  ({ kind: 'parsed', parse: String, optional: true, placeholder, brief }) as const;

const FILTER_FLAGS = {
  from: name('name', 'Only paths from this node, or whatever was reported as from'),
  to: name('name', 'Only paths to it'),
  metric: name(
    'name',
    "Only this metric: rtt-ms, loss-out, jitter-in-ms, capacity, available, or an application's",
  ),
};

const ROW = 'PerformanceRow of the SDK: count, mean, min, max, median, last, stdev, ageMs';

export const perfShowCommand: DefinedCommand = defineCommand<Filter, []>({
  path: 'perf show',
  brief: 'Show what paths were measured to be like',
  description:
    'Shows the performance database of this node: what it measures of its links, what applications reported here, and what nodes that share it reported. Samples are kept for an hour. An empty database is no error.',
  usesDaemon: true,
  examples: [
    { line: 'overlane perf show', note: 'everything' },
    { line: 'overlane perf show --metric rtt-ms --to LAX', note: 'round-trip times to LAX' },
  ],
  fields: { rows: `${ROW}; by metric, from and to` },
  flags: FILTER_FLAGS,
  positional: { kind: 'tuple', parameters: [] },
  async run(context, { socket, from, to, metric }) {
    await using daemon = await context.daemons.connect(
      context.daemons.socketPath(socket),
      context.signal,
    );
    const rows = await daemon.performance(stated({ from, to, metric }));
    return { data: { rows }, text: performanceView(rows, context.paint) };
  },
});

export const perfQueryCommand: DefinedCommand = defineCommand<
  Pick<Filter, 'metric'>,
  [from: string, to: string]
>({
  path: 'perf query',
  brief: 'Show what is known of one path',
  usesDaemon: true,
  examples: [{ line: 'overlane perf query ATL LAX', note: 'all metrics of that path' }],
  fields: { rows: `${ROW}; by metric` },
  exits: [[EXIT.negative, 'nothing is known of it']],
  flags: { metric: FILTER_FLAGS.metric },
  positional: {
    kind: 'tuple',
    parameters: [
      { parse: String, placeholder: 'FROM', brief: 'Where the path begins' },
      { parse: String, placeholder: 'TO', brief: 'Where it ends' },
    ],
  },
  async run(context, { socket, metric }, from, to) {
    await using daemon = await context.daemons.connect(
      context.daemons.socketPath(socket),
      context.signal,
    );
    const rows = await daemon.performance(stated({ from, to, metric }));
    return {
      data: { rows },
      text: performanceView(rows, context.paint),
      exit: rows.length === 0 ? EXIT.negative : EXIT.ok,
    };
  },
});

export const perfReportCommand: DefinedCommand = defineCommand<
  { readonly from?: string },
  [to: string, metric: string, value: number]
>({
  path: 'perf report',
  brief: 'Report a sample of a metric of your own',
  description:
    'TO is a node or any other name, such as a mirror. The value is in the unit of the metric; less is better unless it is asked for the most. `perf best` and flows with `--metric app:NAME` choose by it.',
  usesDaemon: true,
  examples: [
    { line: 'overlane perf report mirror-2 fetch-ms 340', note: 'a fetch took 340 ms' },
    { line: 'overlane perf report LAX fetch-ms 12.5 --from DFW', note: 'measured from elsewhere' },
  ],
  fields: {
    from: 'as given, or null for this node',
    to: 'as given',
    metric: 'as given',
    value: 'as given',
  },
  flags: { from: name('name', 'Where it was measured from; this node where it is not said') },
  positional: {
    kind: 'tuple',
    parameters: [
      { parse: String, placeholder: 'TO', brief: 'What was measured: a node or another name' },
      { parse: String, placeholder: 'METRIC', brief: 'Name of the metric' },
      { parse: finite, placeholder: 'VALUE', brief: 'A number' },
    ],
  },
  async run(context, { socket, from }, to, metric, value) {
    await using daemon = await context.daemons.connect(
      context.daemons.socketPath(socket),
      context.signal,
    );
    await daemon.reportPerformance({ to, metric, value, ...(from === undefined ? {} : { from }) });
    return {
      data: { from: from ?? null, to, metric, value },
      text: `${metric} to ${to}: ${value}`,
    };
  },
});

export const perfBestCommand: DefinedCommand = defineCommand<
  Omit<Filter, 'metric'> & { readonly most: boolean },
  [metric: string]
>({
  path: 'perf best',
  brief: 'Print which of the reported is best by a metric',
  usesDaemon: true,
  examples: [
    { line: 'overlane perf best fetch-ms', note: 'the mirror with the least median' },
    { line: 'overlane perf best rating --most', note: 'the one with the greatest' },
  ],
  fields: { row: `${ROW}; null where nothing is known` },
  exits: [[EXIT.negative, 'nothing is known by that metric']],
  flags: {
    from: FILTER_FLAGS.from,
    to: FILTER_FLAGS.to,
    most: { kind: 'boolean', default: false, withNegated: false, brief: 'The greatest is best' },
  },
  positional: {
    kind: 'tuple',
    parameters: [{ parse: String, placeholder: 'METRIC', brief: 'Name of the metric' }],
  },
  async run(context, { socket, from, to, most }, metric) {
    await using daemon = await context.daemons.connect(
      context.daemons.socketPath(socket),
      context.signal,
    );
    const row = await daemon.bestPerformance({ ...stated({ from, to }), metric, most });
    const text = row === undefined ? `nothing is known by ${metric}` : row.to;
    return { data: { row: row ?? null }, text, exit: row === undefined ? EXIT.negative : EXIT.ok };
  },
});

function finite(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new OverlayError('USAGE', `"${text}" is no number`);
}

/** Without what was not said. */
function stated(filter: {
  from?: string | undefined;
  to?: string | undefined;
  metric?: string | undefined;
}): Filter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}
