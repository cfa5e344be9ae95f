import { type DefinedCommand, defineCommand } from '../command.ts';
import { processorsView } from '../views/processors-view.ts';

export const processorsCommand: DefinedCommand = defineCommand({
  path: 'processors',
  brief: 'Show the processors of this node and what has come of them',
  description:
    'A processor is a module of yours, named under processors: in the configuration, that takes the flows addressed to its overlay port and sends on what comes of them: transformed, merged, answered or dropped.',
  usesDaemon: true,
  examples: [{ line: 'overlane processors', note: 'state, messages in and out, errors, drops' }],
  fields: { processors: 'list of ProcessorReport, see docs/api.md' },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const processors = await daemon.processors({ signal: context.signal });
    return { data: { processors }, text: processorsView(processors, context.paint) };
  },
});
