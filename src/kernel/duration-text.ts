/**
 * Durations as people write them, each with its unit: in the config, on the command line, in an
 * option of the SDK.
 */
import type { Duration } from './time.ts';
import { microseconds } from './time.ts';

const DURATION_UNITS: Readonly<Record<string, number>> = {
  us: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  min: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

export const DURATION_PATTERN = '^\\d+(\\.\\d+)?(us|ms|s|min|m|h|d)$';

/** `"300ms"`, `"1.5s"`, `"5m"`, `"24h"`, `"365d"`; undefined for what is no such text. */
export function parseDuration(text: string): Duration | undefined {
  const match = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(text);
  const unit = match?.[2] ?? '';
  if (match === null || !Object.hasOwn(DURATION_UNITS, unit)) return undefined;
  const value = Number(match[1]) * DURATION_UNITS[unit]!;
  return value <= Number.MAX_SAFE_INTEGER ? microseconds(value) : undefined;
}

/** The largest unit that leaves a number people can read: `90s` is `1.5m`, 86400 s is `1d`. */
export function formatDuration(duration: number): string {
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const size = DURATION_UNITS[unit]!;
    if (duration >= size) return `${Number((duration / size).toFixed(1))}${unit}`;
  }
  return `${Math.round(duration)}us`;
}
