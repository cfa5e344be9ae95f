import { type DefinedCommand, defineCommand } from '../command.ts';
import { durationMs } from '../parameters.ts';
import { profileView } from '../views/bench-view.ts';

interface Flags {
  readonly for: number;
}

export const profileCommand: DefinedCommand = defineCommand<Flags>({
  path: 'profile',
  brief: 'See where the daemon spends its processor time, while it runs',
  description:
    'Samples the daemon a thousand times a second and shows the time by room of the code and by function. The whole profile is a file in the state directory that the developer tools of Chrome, or any other reader of .cpuprofile files, show as a flame graph. Costs a few per cent of a processor while it lasts. docs/performance.md says how to read it.',
  usesDaemon: true,
  examples: [
    { line: 'overlane profile', note: 'ten seconds' },
    { line: 'overlane profile --for 1m --json', note: 'a minute; the shares for a program' },
  ],
  fields: {
    file: "the profile, on the daemon's host",
    durationMs: 'how long it was looked at',
    rooms: 'list of { name, share } of the time, greatest first',
    functions: 'the same by function, the first thirty',
  },
  flags: {
    for: {
      kind: 'parsed',
      parse: durationMs,
      default: '10s',
      placeholder: 'time',
      brief: 'How long to look',
    },
  },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const report = await daemon.profile({ durationMs: flags.for, signal: context.signal });
    return { data: { ...report }, text: profileView(report, context.paint) };
  },
});
