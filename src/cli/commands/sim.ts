import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';

export const simCommand: DefinedCommand = defineCommand({
  path: 'sim',
  brief: 'Run the same cores in a simulated network, with drawn faults and independent checkers',
  examples: [{ line: 'overlane sim --seeds 300', note: 'three hundred drawn networks' }],
  fields: {},
  run() {
    return Promise.reject(new OverlayError('NOT_BUILT', 'the simulator is not part of this build'));
  },
});
