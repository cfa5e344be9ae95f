import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';

export const labCommand: DefinedCommand = defineCommand({
  path: 'lab',
  brief: 'Run a twelve-city overlay on this machine and watch it reroute',
  examples: [{ line: 'overlane lab', note: 'what npm start runs' }],
  fields: {},
  run() {
    return Promise.reject(new OverlayError('NOT_BUILT', 'the lab is not part of this build'));
  },
});
