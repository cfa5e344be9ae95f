import { type DefinedCommand, defineCommand } from '../command.ts';
import { logLevelsView } from '../views/operation-views.ts';

interface Flags {
  readonly subsystem?: string;
}

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;

export const logLevelCommand: DefinedCommand = defineCommand<
  Flags,
  [level?: (typeof LEVELS)[number]]
>({
  path: 'log level',
  brief: 'Show or change what the daemon logs, while it runs',
  description:
    'Without a LEVEL: shows the levels. With one: sets it, for all subsystems or for one, until the daemon ends or reloads its configuration.',
  usesDaemon: true,
  examples: [
    { line: 'overlane log level', note: 'what is in force' },
    { line: 'overlane log level debug --subsystem link', note: 'watch the links closely' },
  ],
  fields: { level: 'level of subsystems not named', subsystems: 'levels that differ' },
  flags: {
    subsystem: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'name',
      brief: 'Only this one: link, route, flow, session, api, gateway, underlay, daemon',
    },
  },
  positional: {
    kind: 'tuple',
    parameters: [
      {
        brief: `One of ${LEVELS.join(', ')}`,
        placeholder: 'LEVEL',
        optional: true,
        parse(text: string) {
          const level = LEVELS.find((l) => l === text);
          if (level === undefined) throw new Error(`one of ${LEVELS.join(', ')}`);
          return level;
        },
        proposeCompletions: () => LEVELS,
      },
    ],
  },
  async run(context, flags, level) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const levels =
      level === undefined
        ? await daemon.logLevels()
        : await daemon.setLogLevel(level, flags.subsystem);
    return { data: { ...levels }, text: logLevelsView(levels, context.paint) };
  },
});
