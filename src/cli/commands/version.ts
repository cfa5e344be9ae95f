import { type DefinedCommand, defineCommand } from '../command.ts';
import { packageFacts } from '../package-facts.ts';
import { facts } from '../views/table.ts';

export const versionCommand: DefinedCommand = defineCommand({
  path: 'version',
  brief: 'Print the version of overlane and of what it runs on',
  examples: [{ line: 'overlane version', note: 'for a bug report' }],
  fields: { version: 'of overlane', node: 'of Node', platform: 'system and processor' },
  run(context) {
    const { version } = packageFacts();
    const node = process.versions.node;
    const platform = `${process.platform} ${process.arch}`;
    const rows = [
      ['overlane', version],
      ['node', node],
      ['platform', platform],
    ] as const;
    const text = facts(rows, context.paint);
    return Promise.resolve({ data: { version, node, platform }, text });
  },
});
