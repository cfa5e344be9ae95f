/**
 * The daemon's configuration as the program sees it, and the way from a YAML file to it. Every
 * value that has a unit is written with it and read into the one unit of its type (`units.ts`).
 * A mistake is reported with file, line, key, what was expected and, for an unknown key, the known
 * one it most likely means; all mistakes of a file are reported at once.
 *
 * The schema itself is in `config-schema.ts` and loaded when the first config is read, so that
 * programs that only talk to a daemon do not pay for it.
 */
import { readFile } from 'node:fs/promises';
import type { Duration, Result } from '../kernel/index.ts';
import { fail, nearestSpelling, OverlayError, ok } from '../kernel/index.ts';
import type { HostPort } from './units.ts';

export const LOG_SUBSYSTEMS = [
  'link',
  'route',
  'flow',
  'session',
  'api',
  'gateway',
  'underlay',
  'daemon',
] as const;
export type LogSubsystem = (typeof LOG_SUBSYSTEMS)[number];
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Config {
  /** Absent: the caller's choice, then the place usual for this user. */
  readonly state: string | undefined;
  /** Path of the control socket. Absent: `control.sock` in the state directory. */
  readonly control: string | undefined;
  readonly controlMode: number;
  readonly listen: readonly HostPort[];
  readonly advertise: readonly HostPort[];
  readonly acceptLinks: 'members' | 'configured';
  /** Absent: the node this one joined through. */
  readonly neighbours: readonly NeighbourConfig[] | undefined;
  readonly timers: TimersConfig;
  readonly limits: LimitsConfig;
  readonly drain: Duration;
  readonly log: LogConfig;
  readonly forwards: readonly ForwardConfig[];
  readonly expose: readonly ExposeConfig[];
  readonly impairments: readonly ImpairmentConfig[];
}

export interface NeighbourConfig {
  readonly name: string;
  readonly addresses: readonly HostPort[];
  /** Index into `listen`; absent: the first of the address family. */
  readonly local: number | undefined;
}

export interface TimersConfig {
  readonly hello?: Duration | undefined;
  readonly deadAfter?: Duration | undefined;
  readonly refresh?: Duration | undefined;
  readonly rekey?: Duration | undefined;
}

export interface LimitsConfig {
  readonly neighbours?: number | undefined;
  readonly members?: number | undefined;
  readonly flows?: number | undefined;
  readonly sockets?: number | undefined;
  readonly streams?: number | undefined;
  readonly controlConnections: number;
  readonly forwardConnections: number;
  readonly udpClients: number;
}

export interface LogConfig {
  readonly level: LogLevel;
  /** Absent: standard output. */
  readonly file: string | undefined;
  readonly subsystems: Readonly<Partial<Record<LogSubsystem, LogLevel | undefined>>>;
}

/** A port of this host that leads to an overlay port of another node. */
export interface ForwardConfig {
  readonly protocol: 'tcp' | 'udp';
  readonly listen: HostPort;
  /** Member name of the node it leads to. */
  readonly to: string;
  /** Overlay port there, for which that node has an `expose` rule. */
  readonly port: number;
  /** `pinned` stays on the first route for ever, as an unprotected path would. */
  readonly routing: 'best' | 'pinned';
  /** UDP: a client that says nothing for this long is forgotten. */
  readonly idle: Duration;
}

/** An overlay port of this node that leads to an address near it. Nothing is exposed by default. */
export interface ExposeConfig {
  readonly protocol: 'tcp' | 'udp';
  /** Overlay port. */
  readonly port: number;
  readonly to: HostPort;
  /** Member names that may use it, or `any`. */
  readonly from: readonly string[] | 'any';
  readonly idle: Duration;
}

/** What a lab does to packets from this node to one neighbour. */
export interface ImpairmentConfig {
  readonly neighbour: string;
  readonly impairments: Impairments;
}

/** Times in milliseconds and shares from 0 to 1, as on the control API. */
export interface Impairments {
  readonly delayMs?: number | undefined;
  readonly jitterMs?: number | undefined;
  readonly loss?: number | undefined;
  /** Probability that a loss is followed by another (p11 of the Gilbert model). */
  readonly burst?: number | undefined;
  /** Bits a second; 0 is without limit. */
  readonly rate?: number | undefined;
  readonly queueBytes?: number | undefined;
  readonly reorder?: number | undefined;
  readonly duplicate?: number | undefined;
  readonly cut?: boolean | undefined;
  /** 0 is without limit. */
  readonly mtu?: number | undefined;
}

export interface ConfigProblem {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
  /** `neighbours[0].addresses`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
  readonly nearest: string | undefined;
}

/** `overlane.yaml:12: neighbours[0]: unknown key "adresses"; did you mean "addresses"?` */
export function formatConfigProblem(problem: ConfigProblem): string {
  const where = problem.key === '' ? '' : ` ${problem.key}:`;
  const nearest = problem.nearest === undefined ? '' : `; did you mean "${problem.nearest}"?`;
  return `${problem.file}:${problem.line}:${where} ${problem.message}${nearest}`;
}

/** Fails with CONFIG_INVALID, whose `details.problems` lists all that is wrong, or CONFIG_UNREADABLE. */
export async function loadConfig(file: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new OverlayError('CONFIG_UNREADABLE', `cannot read the config file ${file}`, {
      details: { file, reason: (cause as NodeJS.ErrnoException).code },
      cause,
    });
  }
  const parsed = await parseConfig(text, file);
  if (parsed.ok) return parsed.value;
  const problems = parsed.reason;
  throw new OverlayError('CONFIG_INVALID', problems.map(formatConfigProblem).join('\n'), {
    details: { file, problems },
  });
}

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
  const [yaml, { configSchema, checkConfig }] = await Promise.all([
    import('yaml'),
    import('./config-schema.ts'),
  ]);
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
  const result = configSchema.safeParse(value ?? {});
  if (result.success) {
    const further = checkConfig(result.data);
    return further.length === 0
      ? ok(result.data)
      : fail(further.map((f) => problem(f.path, f.message)));
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
        nearest: nearestSpelling(key, keysKnownAt(configSchema, issue.path)),
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
