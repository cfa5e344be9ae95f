/**
 * What all commands have in common: `--json` with a versioned schema, `--help` with examples, exit
 * codes, and errors that say their code. A command is described once; help, shell completion and
 * docs/cli.md are made from the description.
 *
 * A command's `run` returns its outcome as data and as text. It prints by itself only what must
 * appear while it runs, and not at all under `--json`.
 */
import {
  buildCommand,
  type Command,
  type FlagParametersForType,
  type TypedCommandParameters,
  type TypedPositionalParameters,
} from '@stricli/core';
import { assert } from '../kernel/index.ts';
import { type CliContext, complain, print } from './context.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { describeFailure } from './failure.ts';

export interface CommonFlags {
  readonly json: boolean;
  /** Control socket of the daemon; only on commands that talk to one. */
  readonly socket?: string | undefined;
}

export interface Outcome {
  /** Everything the text says, for programs. Keys are those of the command's `fields`. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Empty when everything was printed on the way. */
  readonly text: string;
  readonly exit?: ExitCode;
}

export interface Example {
  readonly line: string;
  readonly note: string;
}

export interface CommandDescription {
  /** Words after `overlane`: `link set`. */
  readonly path: string;
  readonly brief: string;
  readonly description?: string;
  readonly examples: readonly Example[];
  /** Top-level fields of the JSON outcome, and what they hold. */
  readonly fields: Readonly<Record<string, string>>;
  /** Raised when a field changes its meaning or goes. Default 1. */
  readonly schemaVersion?: number;
  /** Exit codes that mean something special here. */
  readonly exits?: readonly (readonly [ExitCode, string])[];
  /** Where the outcome goes; `stderr` where standard output is data. Default `stdout`. */
  readonly reportsTo?: 'stderr';
  /** Adds `--socket`. */
  readonly usesDaemon?: boolean;
}

type Flags = Readonly<Record<string, unknown>>;
type NoFlags = Record<never, never>;

export interface CommandSpec<FLAGS extends object, ARGS extends readonly unknown[]>
  extends CommandDescription {
  readonly flags?: FlagParametersForType<FLAGS, CliContext>;
  readonly aliases?: Readonly<Partial<Record<string, keyof FLAGS & string>>>;
  readonly positional?: TypedPositionalParameters<ARGS, CliContext>;
  run(context: CliContext, flags: FLAGS & CommonFlags, ...args: ARGS): Promise<Outcome>;
}

/** A parameter as the documents and completions need it. */
export interface ParameterNote {
  readonly name: string;
  readonly brief: string;
  readonly isOptional: boolean;
  readonly placeholder: string | undefined;
  readonly default: string | undefined;
}

export interface DefinedCommand extends CommandDescription {
  readonly command: Command<CliContext>;
  readonly flagNotes: readonly ParameterNote[];
  readonly argumentNotes: readonly ParameterNote[];
}

const JSON_FLAG = {
  kind: 'boolean',
  default: false,
  withNegated: false,
  brief: 'Print the outcome as one JSON document',
} as const;

const SOCKET_FLAG = {
  kind: 'parsed',
  parse: String,
  optional: true,
  placeholder: 'path',
  brief: 'Control socket of the daemon (default: $OVERLANE_SOCKET, or that of the state directory)',
} as const;

export function defineCommand<FLAGS extends object = NoFlags, ARGS extends readonly unknown[] = []>(
  spec: CommandSpec<FLAGS, ARGS>,
): DefinedCommand {
  const flags = {
    ...spec.flags,
    ...(spec.usesDaemon ? { socket: SOCKET_FLAG } : {}),
    json: JSON_FLAG,
  };
  const shown = Object.fromEntries(Object.entries(flags).map(([k, f]) => [k, quietDefault(f)]));
  const positional = spec.positional ?? { kind: 'tuple', parameters: [] };
  // The builder wants literal flag types; ours are assembled, and checked at `flags` above.
  const parameters = { flags: shown, positional, aliases: spec.aliases ?? {} } as unknown;
  const command = buildCommand<Flags, readonly unknown[], CliContext>({
    parameters: parameters as TypedCommandParameters<Flags, readonly unknown[], CliContext>,
    docs: { brief: spec.brief, fullDescription: fullDescription(spec) },
    async func(this: CliContext, given: Flags, ...args: readonly unknown[]) {
      const typed = { ...switchedOff(flags), ...given } as unknown as FLAGS & CommonFlags;
      this.process.exitCode = await runCommand(this, spec, typed, args as unknown as ARGS);
    },
  });
  return {
    ...spec,
    command,
    flagNotes: Object.entries(flags).map(([name, flag]) => parameterNote(kebab(name), flag)),
    argumentNotes: argumentNotes(positional),
  };
}

/** A switch is off by default; help need not say so of every one. */
function quietDefault(flag: object): object {
  const { default: preset, ...rest } = flag as { kind?: string; default?: unknown };
  return rest.kind === 'boolean' && preset === false ? { ...rest, optional: true } : flag;
}

const switchedOff = (flags: object): Flags =>
  Object.fromEntries(
    Object.entries(flags as Record<string, { kind?: string; default?: unknown }>).flatMap(
      ([name, flag]) => (flag.kind === 'boolean' && flag.default === false ? [[name, false]] : []),
    ),
  );

async function runCommand<FLAGS extends object, ARGS extends readonly unknown[]>(
  context: CliContext,
  spec: CommandSpec<FLAGS, ARGS>,
  flags: FLAGS & CommonFlags,
  args: ARGS,
): Promise<ExitCode> {
  const say = spec.reportsTo === 'stderr' ? complain : print;
  try {
    const outcome = await spec.run(context, flags, ...args);
    if (flags.json) {
      for (const key of Object.keys(outcome.data))
        assert(key in spec.fields, `JSON field '${key}' of '${spec.path}' is not documented`);
      say(context, JSON.stringify({ schema: schemaOf(spec), ...outcome.data }));
    } else if (outcome.text !== '') say(context, outcome.text);
    return outcome.exit ?? EXIT.ok;
  } catch (error) {
    const failure = describeFailure(error, context);
    if (flags.json) say(context, JSON.stringify({ schema: 'overlane.error/1', ...failure.data }));
    else complain(context, failure.text);
    return failure.exit;
  }
}

/** `overlane.link-set/1`. */
export const schemaOf = (spec: CommandDescription): string =>
  `overlane.${spec.path.replaceAll(' ', '-')}/${spec.schemaVersion ?? 1}`;

function fullDescription(spec: CommandDescription): string {
  const widest = Math.max(...spec.examples.map((e) => e.line.length));
  const examples = spec.examples.map((e) => `  ${e.line.padEnd(widest)}  ${e.note}`);
  const exits = (spec.exits ?? []).map(([code, meaning]) => `  ${code}  ${meaning}`);
  return [
    `${wrap(spec.description ?? `${spec.brief}.`)}\n`,
    'EXAMPLES',
    ...examples,
    ...(exits.length > 0 ? ['\nEXIT CODES (all others: docs/cli.md)', ...exits] : []),
  ].join('\n');
}

const HELP_COLUMNS = 88;

function wrap(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + word.length >= HELP_COLUMNS) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.join('\n');
}

function argumentNotes(positional: object): ParameterNote[] {
  const shape = positional as {
    parameters?: readonly object[];
    parameter?: object;
    minimum?: number;
  };
  const list = shape.parameters ?? (shape.parameter === undefined ? [] : [shape.parameter]);
  return list.map((parameter, i) => {
    const note = parameterNote(`argument ${i + 1}`, parameter);
    const isMany = shape.parameter !== undefined;
    return {
      ...note,
      isOptional: isMany ? (shape.minimum ?? 0) === 0 : note.isOptional,
      placeholder: isMany ? `${note.placeholder}...` : note.placeholder,
    };
  });
}

function parameterNote(name: string, parameter: object): ParameterNote {
  const p = parameter as {
    brief: string;
    optional?: boolean;
    placeholder?: string;
    default?: unknown;
    kind?: string;
    values?: readonly string[];
    variadic?: unknown;
  };
  return {
    name,
    brief: p.brief,
    isOptional: p.optional === true || p.default !== undefined || p.kind === 'boolean',
    placeholder: p.kind === 'boolean' ? undefined : (p.values?.join('|') ?? p.placeholder),
    default: p.kind === 'boolean' || p.default === undefined ? undefined : String(p.default),
  };
}

export const kebab = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
