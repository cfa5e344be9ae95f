import { type DefinedCommand, defineCommand } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';

interface Flags {
  readonly config?: string;
  readonly state?: string;
  readonly detach: boolean;
}

export const upCommand: DefinedCommand = defineCommand<Flags>({
  path: 'up',
  brief: 'Run the daemon of this node',
  description:
    'Runs in the foreground until SIGTERM or Ctrl-C, then withdraws from the network, drains and ends. With --detach it goes to the background and the command ends when the daemon answers.',
  usesDaemon: true,
  examples: [
    { line: 'overlane up', note: 'in the foreground, as a service manager wants it' },
    { line: 'overlane up --detach', note: 'in the background; overlane down ends it' },
    { line: 'overlane up --config lab/atl.yaml', note: 'with another configuration' },
  ],
  fields: {
    pid: 'with --detach: the process',
    log: 'with --detach: where it logs to',
    socket: 'with --detach: its control socket',
    exit: 'without: exit code of the daemon',
  },
  flags: {
    config: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'file',
      brief: 'Configuration (default: $OVERLANE_CONFIG or the usual place)',
    },
    state: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'dir',
      brief: 'State directory (default: $OVERLANE_STATE or the usual place)',
    },
    detach: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Go to the background when the daemon answers',
    },
  },
  aliases: { d: 'detach' },
  async run(context, flags) {
    const options = {
      config: flags.config,
      state: flags.state,
      socket: flags.socket,
      signal: context.signal,
    };
    if (!flags.detach) {
      const exit = await context.daemons.run(options);
      return { data: { exit }, text: '', exit: exit as ExitCode };
    }
    const started = await context.daemons.start(options);
    return {
      data: { ...started },
      text: `up: process ${started.pid}, control socket ${started.socket}, log ${started.log}`,
    };
  },
});
