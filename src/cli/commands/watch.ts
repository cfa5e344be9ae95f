import type { FlowTraffic, NodeEvent, OverlayNodeHandle } from '../../host/index.ts';
import { type CommonFlags, type DefinedCommand, defineCommand } from '../command.ts';
import { type CliContext, print } from '../context.ts';
import { durationMs } from '../parameters.ts';
import { eventLine } from '../views/event-view.ts';
import { flowLine } from '../views/flows-view.ts';

interface Flags {
  readonly flows: boolean;
  readonly every: number;
}

export const watchCommand: DefinedCommand = defineCommand<Flags>({
  path: 'watch',
  brief: 'Print links, routes and refusals as they change',
  usesDaemon: true,
  examples: [
    { line: 'overlane watch', note: 'one line an event, until Ctrl-C' },
    { line: 'overlane watch --json', note: 'one JSON document a line' },
    { line: 'overlane watch --flows', note: 'what each flow did in every second, too' },
  ],
  fields: {
    event: 'NodeEvent of the SDK; one document for each event',
    flow: 'with --flows: FlowTraffic of the SDK, for each flow that moved',
    events: 'in the last document: how many there were',
  },
  flags: {
    flows: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Add flows: lane, graph, recovered, late, dropped, duplicates',
    },
    every: { kind: 'parsed', parse: durationMs, default: '1s', brief: 'With --flows: how often' },
  },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    let events = 0;
    const show = (event: NodeEvent): void => {
      events++;
      const document = JSON.stringify({ schema: 'overlane.watch/1', event });
      print(context, flags.json ? document : eventLine(event, context.paint));
    };
    const ended = flags.flows ? watchFlows(context, daemon, flags) : undefined;
    for await (const update of daemon.watch('events', { signal: context.signal }))
      if (update.kind !== 'snapshot') show(update);
    await ended;
    return { data: { events }, text: '' };
  },
});

/** One line for each flow that moved, until the signal. */
async function watchFlows(
  context: CliContext,
  daemon: OverlayNodeHandle,
  flags: Flags & CommonFlags,
): Promise<void> {
  const { signal, paint } = context;
  const before = new Map<string, FlowTraffic>();
  while (!signal.aborted) {
    const { flows = [] } = await daemon.status({ signal }).catch(() => ({ flows: [] }));
    for (const flow of flows) {
      const key = `${flow.source} ${flow.flow}`;
      const line = flowLine(flow, before.get(key), paint);
      before.set(key, flow);
      if (line === '') continue;
      const time = paint('dim', context.now().toISOString().slice(11, 23));
      const document = JSON.stringify({ schema: 'overlane.watch/1', flow });
      print(context, flags.json ? document : `${time}  ${line}`);
    }
    await context.pause(flags.every, signal);
  }
}
