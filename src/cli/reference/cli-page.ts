/** docs/cli.md, from the descriptions of the commands. */
import { COMMANDS } from '../application.ts';
import { type DefinedCommand, type ParameterNote, schemaOf } from '../command.ts';
import { EXIT_MEANINGS } from '../exit-codes.ts';

export function cliPage(): string {
  const contents = COMMANDS.map((c) => `| [\`${c.path}\`](#overlane-${anchor(c)}) | ${c.brief} |`);
  const exits = EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${meaning} |`);
  return `# Commands

Every command takes \`--json\` and then prints one JSON document with a \`schema\` such as
\`overlane.status/1\`; the number goes up when a field changes its meaning or goes away, never when one
is added. Errors under \`--json\` are documents with the schema \`overlane.error/1\` and the fields
\`code\`, \`message\`, \`details\` and \`isRetryable\`. \`--help\` shows examples. Colour appears on a terminal
only, and never when \`NO_COLOR\` is set.

A command finds its daemon by \`--socket\`, else \`$OVERLANE_SOCKET\`, else in the state directory:
\`$OVERLANE_STATE\`, \`/var/lib/overlane\` for root, \`~/.local/state/overlane\` for others.

This page is generated from \`src/cli/commands/\`.

| command | |
|---|---|
${contents.join('\n')}

## Exit codes

| code | meaning |
|---|---|
${exits.join('\n')}

${COMMANDS.map(section).join('\n\n')}
`;
}

const anchor = (command: DefinedCommand): string => command.path.replaceAll(' ', '-');

function section(command: DefinedCommand): string {
  const positional = command.argumentNotes
    .map((a) => (a.isOptional ? ` [${a.placeholder}]` : ` ${a.placeholder}`))
    .join('');
  const parts = [
    `## \`overlane ${command.path}\``,
    command.description ?? `${command.brief}.`,
    `    overlane ${command.path} [options]${positional}`,
    parameterTable(command),
    exampleBlock(command),
  ];
  if (command.exits !== undefined)
    parts.push(
      command.exits.map(([code, meaning]) => `Exit code ${code}: ${meaning}.`).join('  \n'),
    );
  parts.push(jsonTable(command));
  return parts.filter((p) => p !== '').join('\n\n');
}

function parameterTable(command: DefinedCommand): string {
  const row = (name: string, note: ParameterNote): string =>
    `| \`${name}\` | ${cell(note.brief)} | ${note.default === undefined ? '' : `\`${note.default}\``} |`;
  const rows = [
    ...command.argumentNotes.map((a) => row(a.placeholder ?? a.name, a)),
    ...command.flagNotes
      .filter((f) => f.name !== 'json')
      .map((f) => row(`--${f.name}${f.placeholder === undefined ? '' : ` ${f.placeholder}`}`, f)),
  ];
  if (rows.length === 0) return '';
  return ['| | | default |', '|---|---|---|', ...rows].join('\n');
}

const exampleBlock = ({ examples }: DefinedCommand): string =>
  ['```sh', ...examples.flatMap((e) => [`# ${e.note}`, e.line]), '```'].join('\n');

function jsonTable(command: DefinedCommand): string {
  const rows = Object.entries(command.fields).map(
    ([name, what]) => `| \`${name}\` | ${cell(what)} |`,
  );
  const where = command.reportsTo === 'stderr' ? ', on standard error' : '';
  const title = `JSON: \`${schemaOf(command)}\`${where}`;
  return rows.length === 0 ? title : [title, '', '| field | |', '|---|---|', ...rows].join('\n');
}

/** A bar would end the cell, angle brackets would be HTML. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
