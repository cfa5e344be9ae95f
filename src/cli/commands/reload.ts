import { type DefinedCommand, defineCommand } from '../command.ts';
import { reloadView } from '../views/operation-views.ts';

export const reloadCommand: DefinedCommand = defineCommand({
  path: 'reload',
  brief: 'Read the configuration again, and say what changed',
  description:
    'As SIGHUP does. Says for each changed key whether it is in force now or needs a restart. With a mistake in the file nothing changes.',
  usesDaemon: true,
  examples: [{ line: 'overlane reload', note: 'apply the edited configuration' }],
  fields: { changes: 'list of { key, before, after, effect: now | restart }' },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const report = await daemon.reload();
    return { data: { ...report }, text: reloadView(report, context.paint) };
  },
});
