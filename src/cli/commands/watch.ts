import type { NodeEvent } from '../../host/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { print } from '../context.ts';
import { eventLine } from '../views/event-view.ts';

export const watchCommand: DefinedCommand = defineCommand({
  path: 'watch',
  brief: 'Print links, routes and refusals as they change',
  usesDaemon: true,
  examples: [
    { line: 'overlane watch', note: 'one line an event, until Ctrl-C' },
    { line: 'overlane watch --json', note: 'one JSON document a line' },
  ],
  fields: {
    event: 'NodeEvent of the SDK; one document for each event',
    events: 'in the last document: how many there were',
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
    for await (const update of daemon.watch('events', { signal: context.signal }))
      if (update.kind !== 'snapshot') show(update);
    return { data: { events }, text: '' };
  },
});
