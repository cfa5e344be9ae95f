/** Parameters that several commands share, with their completions. */
import { NAMED_LANES } from '../forwarding/index.ts';
import { nearestSpelling, OverlayError } from '../kernel/index.ts';
import { parseMetric, SIMPLE_METRICS } from '../routing/index.ts';
import type { CliContext } from './context.ts';

/** A positional parameter in the library's shape. */
export interface ArgumentParameter<T> {
  readonly brief: string;
  readonly placeholder: string;
  readonly parse: (text: string) => T;
  readonly proposeCompletions?: (
    this: CliContext,
    partial: string,
  ) => readonly string[] | Promise<readonly string[]>;
}

const usage = (message: string): OverlayError => new OverlayError('USAGE', message);

/** Names of all members the daemon knows; none when it does not answer quickly. */
export async function memberNames(context: CliContext): Promise<readonly string[]> {
  try {
    const socket = context.daemons.socketPath(undefined);
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(1_000)]);
    await using daemon = await context.daemons.connect(socket, signal);
    const { members } = await daemon.status({ signal });
    return members.map((m) => m.name).sort();
  } catch {
    return [];
  }
}

export async function neighbourNames(context: CliContext): Promise<readonly string[]> {
  try {
    const socket = context.daemons.socketPath(undefined);
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(1_000)]);
    await using daemon = await context.daemons.connect(socket, signal);
    const { links } = await daemon.status({ signal });
    return links.flatMap((l) => l.neighbour ?? []).sort();
  } catch {
    return [];
  }
}

/** The lanes the daemon knows; the named ones when it does not answer quickly. */
export async function laneNames(context: CliContext): Promise<readonly string[]> {
  try {
    const socket = context.daemons.socketPath(undefined);
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(1_000)]);
    await using daemon = await context.daemons.connect(socket, signal);
    return (await daemon.lanes({ signal })).map((l) => l.name);
  } catch {
    return NAMED_LANES.map((l) => l.name);
  }
}

export const nodeArgument: ArgumentParameter<string> = {
  brief: 'Name of a node (or its overlay address)',
  placeholder: 'NODE',
  parse: String,
  proposeCompletions(this: CliContext, _partial: string): Promise<readonly string[]> {
    return memberNames(this);
  },
};

export const neighbourArgument: ArgumentParameter<string> = {
  brief: 'Name of the neighbour at the other end of the link',
  placeholder: 'NEIGHBOUR',
  parse: String,
  proposeCompletions(this: CliContext, _partial: string): Promise<readonly string[]> {
    return neighbourNames(this);
  },
};

/** `14:05`, `14:05:30`: the last such time of day, in UTC. Otherwise a moment in ISO 8601. */
export function momentBefore(text: string, now: Date): Date {
  const clock = /^(?<h>[01]?\d|2[0-3]):(?<m>[0-5]\d)(?::(?<s>[0-5]\d))?$/.exec(text)?.groups;
  if (clock === undefined) {
    const moment = new Date(text);
    if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(moment.getTime()))
      throw usage(`time "${text}", expected such as 14:05, 14:05:30 or 2026-01-31T14:05:00Z`);
    return moment;
  }
  const moment = new Date(now);
  moment.setUTCHours(Number(clock['h']), Number(clock['m']), Number(clock['s'] ?? 0), 0);
  if (moment > now) moment.setUTCDate(moment.getUTCDate() - 1);
  return moment;
}

/** `LAX:7000`. */
export const endpointArgument: ArgumentParameter<{ node: string; port: number }> = {
  brief: 'Node and overlay port, NODE:PORT',
  placeholder: 'NODE:PORT',
  parse: parseEndpoint,
  async proposeCompletions(this: CliContext, _partial: string): Promise<readonly string[]> {
    return (await memberNames(this)).map((name) => `${name}:`);
  },
};

export function parseEndpoint(text: string): { node: string; port: number } {
  const match = /^([^:\s]+):(\d{1,5})$/.exec(text);
  if (match === null) throw usage(`'${text}' is not of the form NODE:PORT`);
  return { node: match[1]!, port: parsePort(match[2]!) };
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw usage(`'${text}' is not a port: 1 to 65535`);
  return port;
}

export const protocolArgument: ArgumentParameter<'tcp' | 'udp'> = {
  brief: 'tcp or udp',
  placeholder: 'tcp|udp',
  parse(text) {
    if (text === 'tcp' || text === 'udp') return text;
    throw usage(`'${text}' is neither tcp nor udp`);
  },
  proposeCompletions: () => ['tcp', 'udp'],
};

/** The words of an id as `list` shows it, `tcp 127.0.0.1:8080`: quoted or not. */
export const ruleIdArguments = (
  list: string,
): { kind: 'array'; minimum: number; maximum: number; parameter: ArgumentParameter<string> } => ({
  kind: 'array',
  minimum: 1,
  maximum: 2,
  parameter: { brief: `Id, as ${list} shows it`, placeholder: 'ID', parse: String },
});

/** `loss`, `app:fetch`, `latency*1+loss*20`. */
export function metricFlag(text: string): string {
  if (parseMetric(text) !== undefined) return text;
  const known = [...SIMPLE_METRICS, 'app:NAME'];
  const nearest = nearestSpelling(text, known);
  const hint = nearest === undefined ? '' : `; did you mean '${nearest}'?`;
  throw usage(`'${text}' is no metric: ${known.join(', ')}, or a sum as latency*1+loss*20${hint}`);
}

/** A whole number within bounds. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw usage(`'${text}' is not a whole number from ${least} to ${most}`);
    return value;
  };

const DURATIONS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const RATES: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };
const SIZES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  KiB: 1024,
  MiB: 1024 * 1024,
};

/** `300ms`, `5s`, `2m`, `24h`, `90d`, in milliseconds. */
export const durationMs = (text: string): number => scaled(text, DURATIONS, 'a duration, as 300ms');
/** `20Mbit`, in bits a second. */
export const rate = (text: string): number => scaled(text, RATES, 'a rate, as 20Mbit');
/** `256KiB`, in bytes. */
export const size = (text: string): number => scaled(text, SIZES, 'a size, as 256KiB');

/** `1.5%`, as a share from 0 to 1. */
export function share(text: string): number {
  const value = scaled(text, { '%': 0.01 }, 'a share, as 1.5%');
  if (value > 1) throw usage(`'${text}' is more than 100%`);
  return value;
}

function scaled(text: string, units: Readonly<Record<string, number>>, wanted: string): number {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z%]+)$/.exec(text);
  const unit = match?.[2] ?? '';
  if (match === null || !Object.hasOwn(units, unit))
    throw usage(`'${text}' is not ${wanted} (units: ${Object.keys(units).join(', ')})`);
  return Number(match[1]) * units[unit]!;
}
