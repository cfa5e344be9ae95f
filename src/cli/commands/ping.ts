import type { PingResult } from '../../host/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { print } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { FLOW_FLAGS, type FlowFlags, flowOfFlags } from '../flow-flags.ts';
import { durationMs, nodeArgument, wholeNumber } from '../parameters.ts';
import { pingLine, pingSummaryView, summarizePings } from '../views/ping-view.ts';

interface Flags extends FlowFlags {
  readonly count: number;
  readonly interval: number;
  readonly timeout: number;
  readonly size: number;
}

export const pingCommand: DefinedCommand = defineCommand<Flags, [node: string]>({
  path: 'ping',
  brief: 'Measure the round trip to a node over the overlay',
  usesDaemon: true,
  examples: [
    { line: 'overlane ping LAX', note: 'five echoes, a second apart' },
    { line: 'overlane ping LAX --count 100 --interval 10ms', note: 'a dense look at one second' },
    { line: 'overlane ping LAX --lane voice', note: 'with what the lane does for its packets' },
    { line: 'overlane ping LAX --pinned', note: 'stay on the route of the first packet' },
  ],
  fields: {
    to: 'name of the node',
    results: 'PingResult of the SDK, one an echo',
    summary: 'sent, received, loss (0 to 1), rttMinMs, rttMedianMs, rttMaxMs, jitterMs',
  },
  exits: [[EXIT.negative, 'not a single reply']],
  flags: {
    count: {
      kind: 'parsed',
      parse: wholeNumber(1, 1_000_000),
      default: '5',
      brief: 'How many echoes',
      placeholder: 'n',
    },
    interval: { kind: 'parsed', parse: durationMs, default: '1s', brief: 'Time between two' },
    timeout: { kind: 'parsed', parse: durationMs, default: '2s', brief: 'Wait for a reply' },
    size: {
      kind: 'parsed',
      parse: wholeNumber(0, 1_024),
      default: '56',
      brief: 'Payload bytes',
      placeholder: 'bytes',
    },
    ...FLOW_FLAGS,
  },
  aliases: { c: 'count', i: 'interval' },
  positional: { kind: 'tuple', parameters: [nodeArgument] },
  async run(context, flags, node) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const options = {
      timeoutMs: flags.timeout,
      payloadBytes: flags.size,
      ...flowOfFlags(flags),
      signal: context.signal,
    };
    const results: PingResult[] = [];
    const began = context.elapsedMs();
    for (let i = 0; i < flags.count && !context.signal.aborted; i++) {
      // Against the start, not the echo before: a slow reply does not stretch the series.
      const due = began + i * flags.interval - context.elapsedMs();
      if (due > 0) await context.pause(due, context.signal);
      if (context.signal.aborted) break;
      const result = await daemon.ping(node, options);
      results.push(result);
      if (!flags.json) print(context, pingLine(i + 1, result, context.paint));
    }
    const summary = summarizePings(results);
    return {
      data: { to: node, results, summary },
      text: pingSummaryView(node, summary, context.paint),
      exit: summary.received > 0 ? EXIT.ok : EXIT.negative,
    };
  },
});
