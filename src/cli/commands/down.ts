import { type DefinedCommand, defineCommand } from '../command.ts';

export const downCommand: DefinedCommand = defineCommand({
  path: 'down',
  brief: 'Stop the daemon: withdraw, drain, end',
  description:
    'Tells the neighbours, lets open streams finish for as long as drain: in the configuration says, and ends the daemon. Other nodes route around this one at once.',
  usesDaemon: true,
  examples: [{ line: 'overlane down', note: 'stop the daemon of this host' }],
  fields: { name: 'the node that was stopped', pid: 'its process', tookMs: 'how long it took' },
  async run(context, flags) {
    const began = context.elapsedMs();
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const { pid } = await daemon.info();
    await daemon.shutdown();
    const tookMs = Math.round(context.elapsedMs() - began);
    return { data: { name: daemon.name, pid, tookMs }, text: `${daemon.name} is down` };
  },
});
