import type { LogLevel, LogSubsystem } from '../../daemon/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { durationMs } from '../parameters.ts';
import { logLevelsView } from '../views/operation-views.ts';

interface Flags {
  readonly subsystem?: (typeof SUBSYSTEMS)[number];
  readonly for?: number;
}

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const satisfies LogLevel[];
const SUBSYSTEMS = [
  'link',
  'route',
  'flow',
  'session',
  'api',
  'gateway',
  'underlay',
  'daemon',
] as const satisfies LogSubsystem[];

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
    { line: 'overlane log level trace --for 1m', note: 'everything, for a minute' },
  ],
  fields: { level: 'the default level', subsystems: 'the level of each subsystem' },
  flags: {
    subsystem: {
      kind: 'enum',
      values: SUBSYSTEMS,
      optional: true,
      brief: 'Only this one',
    },
    for: {
      kind: 'parsed',
      parse: durationMs,
      optional: true,
      placeholder: 'time',
      brief: 'Only for so long; then the configured level is back',
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
        : await daemon.setLogLevel({ level, subsystem: flags.subsystem, forMs: flags.for });
    return { data: { ...levels }, text: logLevelsView(levels, context.paint) };
  },
});
