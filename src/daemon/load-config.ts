/**
 * From a YAML file to a `Config`. A mistake is reported with file, line, key, what was expected and,
 * for an unknown key, the known one it most likely means; all mistakes of a file are reported at
 * once.
 *
 * The schema itself is in `config-schema.ts` and loaded when the first config is read, so that
 * programs that only talk to a daemon do not pay for it.
 */
import { readFile } from 'node:fs/promises';
import type { ZodType } from 'zod';
import type { Result } from '../kernel/index.ts';
import { fail, nearestSpelling, OverlayError, ok } from '../kernel/index.ts';
import type { MaximalTopology, Policy } from '../wire/index.ts';
import { type Config, type ConfigProblem, formatConfigProblem } from './config.ts';

/** Fails with CONFIG_INVALID, whose `details.problems` lists all that is wrong, or CONFIG_UNREADABLE. */
export async function loadConfig(file: string): Promise<Config> {
  const parsed = await parseConfig(await readText(file, 'config'), file);
  if (parsed.ok) return parsed.value;
  throw invalid(file, parsed.reason);
}

async function readText(file: string, what: 'config' | 'policy' | 'topology'): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new OverlayError('CONFIG_UNREADABLE', `cannot read the ${what} file ${file}`, {
      details: { file, reason: (cause as NodeJS.ErrnoException).code },
      cause,
    });
  }
}

const invalid = (file: string, problems: readonly ConfigProblem[]): OverlayError =>
  new OverlayError('CONFIG_INVALID', problems.map(formatConfigProblem).join('\n'), {
    details: { file, problems },
  });

/** What a file with nothing in it means. */
export async function defaultConfig(): Promise<Config> {
  const parsed = await parseConfig('', '(default)');
  if (!parsed.ok) throw new Error('the default config does not parse');
  return parsed.value;
}

export async function parseConfig(
  text: string,
  file: string,
): Promise<Result<Config, readonly ConfigProblem[]>> {
  const { configSchema, checkConfig } = await import('./config-schema.ts');
  return parseDocument({ text, file, schema: configSchema, check: checkConfig });
}

/** A policy file. Fails as `loadConfig` does. */
export async function loadPolicy(file: string): Promise<Policy> {
  const text = await readText(file, 'policy');
  const { policySchema } = await import('./policy-schema.ts');
  const parsed = await parseDocument({ text, file, schema: policySchema, check: () => [] });
  if (parsed.ok) return parsed.value;
  throw invalid(file, parsed.reason);
}

/** A file of links for the manifest's topology. Fails as `loadConfig` does. */
export async function loadTopology(file: string): Promise<MaximalTopology> {
  const text = await readText(file, 'topology');
  const { topologySchema } = await import('./topology-schema.ts');
  const parsed = await parseDocument({ text, file, schema: topologySchema, check: () => [] });
  if (parsed.ok) return parsed.value;
  throw invalid(file, parsed.reason);
}

/** What `schema` makes of a YAML text, or everything that is wrong with it and where. */
async function parseDocument<T>(given: {
  text: string;
  file: string;
  schema: ZodType<T>;
  check: (value: T) => { path: PropertyKey[]; message: string; nearest?: string | undefined }[];
}): Promise<Result<T, readonly ConfigProblem[]>> {
  const { text, file, schema, check } = given;
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    return fail(
      document.errors.map((e) => ({
        file,
        ...at(e.pos[0]),
        key: '',
        message: e.message,
        nearest: undefined,
      })),
    );
  }
  const place = (path: readonly PropertyKey[], isKey = false): number =>
    offsetOf(document.contents, path, isKey, yaml);
  const problem = (path: readonly PropertyKey[], message: string): ConfigProblem => ({
    file,
    ...at(place(path)),
    key: formatPath(path),
    message,
    nearest: undefined,
  });

  let value: unknown;
  try {
    // maxAliasCount bounds what a file of nested aliases can grow to.
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    return fail([problem([], (cause as Error).message)]);
  }
  const result = schema.safeParse(value ?? {});
  if (result.success) {
    const further = check(result.data);
    return further.length === 0
      ? ok(result.data)
      : fail(further.map((f) => ({ ...problem(f.path, f.message), nearest: f.nearest })));
  }
  const problems: ConfigProblem[] = [];
  for (const issue of result.error.issues) {
    if (issue.code !== 'unrecognized_keys') {
      problems.push(problem(issue.path, issue.message));
      continue;
    }
    for (const key of issue.keys) {
      problems.push({
        file,
        ...at(place([...issue.path, key], true)),
        key: formatPath(issue.path),
        message: `unknown key "${key}"`,
        nearest: nearestSpelling(key, keysKnownAt(schema, issue.path)),
      });
    }
  }
  return fail(problems.sort((a, b) => a.line - b.line || a.column - b.column));
}

export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}

type YamlModule = typeof import('yaml');

/** Where the value (or its key) stands in the text; the nearest container that exists otherwise. */
function offsetOf(
  root: unknown,
  path: readonly PropertyKey[],
  isKey: boolean,
  yaml: YamlModule,
): number {
  let node = root;
  let offset = rangeStart(node);
  for (let i = 0; i < path.length; i++) {
    const part = path[i]!;
    if (yaml.isMap(node)) {
      const pair = node.items.find((item) => yaml.isScalar(item.key) && item.key.value === part);
      if (pair === undefined) return offset;
      offset = rangeStart(pair.key);
      if (isKey && i === path.length - 1) return offset;
      node = pair.value;
    } else if (yaml.isSeq(node)) {
      node = node.items[Number(part)];
    } else {
      return offset;
    }
    if (yaml.isNode(node) && node.range) offset = node.range[0];
  }
  return offset;
}

const rangeStart = (node: unknown): number =>
  (node as { range?: readonly number[] } | undefined)?.range?.[0] ?? 0;

interface SchemaShape {
  readonly def?: {
    readonly type?: string;
    readonly innerType?: SchemaShape;
    readonly element?: SchemaShape;
    readonly in?: SchemaShape;
    readonly options?: readonly SchemaShape[];
    readonly shape?: Readonly<Record<string, SchemaShape>>;
  };
}

/** The keys an object at `path` may have; empty where the schema has none. */
function keysKnownAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  let here = unwrapped(schema as SchemaShape);
  for (const part of path) {
    const def = here?.def;
    here = unwrapped(typeof part === 'number' ? def?.element : def?.shape?.[String(part)]);
  }
  return Object.keys(here?.def?.shape ?? {});
}

/** Looks through defaults, optionals, pipes and unions to the object or array inside. */
function unwrapped(schema: SchemaShape | undefined): SchemaShape | undefined {
  let here = schema;
  for (let depth = 0; here !== undefined && depth < 16; depth++) {
    const def: SchemaShape['def'] = here.def;
    if (def?.shape !== undefined || def?.element !== undefined) return here;
    here =
      def?.innerType ??
      def?.in ??
      def?.options?.find((o) => unwrappedOnce(o)?.def?.shape ?? unwrappedOnce(o)?.def?.element);
  }
  return here;
}

const unwrappedOnce = (schema: SchemaShape): SchemaShape | undefined =>
  schema.def?.innerType ?? schema.def?.in ?? schema;
