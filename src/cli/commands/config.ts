/** `overlane config check|show|schema`. */
import { type DefinedCommand, defineCommand } from '../command.ts';

interface Flags {
  readonly state?: string;
}

const STATE_FLAG = {
  kind: 'parsed',
  parse: String,
  optional: true,
  placeholder: 'dir',
  brief: 'State directory, where the configuration may lie',
} as const;

const fileArgument = {
  brief: 'Configuration (default: $OVERLANE_CONFIG or the usual place)',
  placeholder: 'FILE',
  parse: String,
  optional: true,
} as const;

export const configCheckCommand: DefinedCommand = defineCommand<Flags, [file?: string]>({
  path: 'config check',
  brief: 'Check a configuration: every mistake with its line and the nearest right spelling',
  examples: [
    { line: 'overlane config check', note: 'what overlane up would read' },
    { line: 'overlane config check new.yaml && overlane reload', note: 'before a reload' },
  ],
  fields: { file: 'the file', isValid: 'true; mistakes are an error with code CONFIG_INVALID' },
  flags: { state: STATE_FLAG },
  positional: { kind: 'tuple', parameters: [fileArgument] },
  async run(context, flags, file) {
    const path = context.daemons.configFile(file, flags.state);
    await context.daemons.checkConfig(path);
    return { data: { file: path, isValid: true }, text: `${path}: no mistakes` };
  },
});

export const configShowCommand: DefinedCommand = defineCommand<Flags, [file?: string]>({
  path: 'config show',
  brief: 'Show what a configuration means, with all defaults filled in',
  examples: [{ line: 'overlane config show', note: 'what overlane up would use' }],
  fields: { file: 'the file', config: 'its meaning; times in microseconds, rates in bit/s' },
  flags: { state: STATE_FLAG },
  positional: { kind: 'tuple', parameters: [fileArgument] },
  async run(context, flags, file) {
    const path = context.daemons.configFile(file, flags.state);
    const report = await context.daemons.checkConfig(path);
    const { config } = report;
    return { data: { file: path, config }, text: JSON.stringify(config, null, 2) };
  },
});

export const configSchemaCommand: DefinedCommand = defineCommand({
  path: 'config schema',
  brief: 'Print the JSON Schema of the configuration, for editors',
  examples: [{ line: 'overlane config schema > overlane.schema.json', note: 'save it' }],
  fields: { jsonSchema: 'the schema (draft 2020-12)' },
  async run(context) {
    const jsonSchema = await context.daemons.configSchema();
    return { data: { jsonSchema }, text: JSON.stringify(jsonSchema, null, 2) };
  },
});
