/** The config reference, generated from the schema: `docs/config.schema.json`, `docs/config.md`. */
import { configJsonSchema } from './config-schema.ts';

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
}

export const renderConfigSchema = (): string => `${JSON.stringify(configJsonSchema(), null, 2)}\n`;

export function renderConfigReference(): string {
  const rows: string[] = [];
  const describe = (schema: JsonSchema, path: string, isRequired: boolean): void => {
    rows.push(
      `| \`${path}\` | ${kindOf(schema)} | ${defaultOf(schema, isRequired)} | ${schema.description ?? ''} |`,
    );
    const inner = schema.items ?? schema;
    const prefix = schema.items === undefined ? path : `${path}[]`;
    for (const [key, child] of Object.entries(inner.properties ?? {}))
      describe(child, `${prefix}.${key}`, inner.required?.includes(key) === true);
  };
  const root = configJsonSchema() as JsonSchema;
  for (const [key, child] of Object.entries(root.properties ?? {}))
    describe(child, key, root.required?.includes(key) === true);
  return `# Configuration

One YAML file; every key is optional unless it says required. An unknown key is an error that names
the nearest right spelling and its line. \`overlane reload\` (or \`SIGHUP\`) applies a changed file and
tells what needs a restart. An editor that knows JSON Schema can use \`config.schema.json\`.

Durations are written as \`300ms\`, \`5s\`, \`2m\`, \`24h\`, \`90d\`; rates as \`64kbit\`, \`20Mbit\`; sizes as
\`256KiB\`, \`1MB\`; shares as \`1.5%\`; addresses as \`198.51.100.7:7420\`, \`[2001:db8::7]:7420\`.

This page is generated from \`src/daemon/config-schema.ts\`.

| key | value | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}

function kindOf(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((v) => `\`${String(v)}\``).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(kindOf).join(' or ');
  if (schema.items !== undefined) return `list of ${kindOf(schema.items)}`;
  if (schema.pattern?.includes('ms|s|min') === true) return 'duration';
  if (schema.pattern?.includes('kbit') === true) return 'rate';
  if (schema.pattern?.includes('KiB') === true) return 'size';
  if (schema.pattern?.endsWith('%$') === true) return 'share';
  if (schema.type === 'object') return 'group';
  return schema.type ?? 'text';
}

const defaultOf = (schema: JsonSchema, isRequired: boolean): string => {
  if (isRequired) return 'required';
  if (schema.default === undefined || schema.type === 'object') return '';
  return `\`${JSON.stringify(schema.default)}\``;
};
