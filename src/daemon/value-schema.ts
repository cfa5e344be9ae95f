/** Values of the config that carry their unit. */
import * as z from 'zod';
import type { Duration } from '../kernel/index.ts';
import {
  DURATION_PATTERN,
  formatDuration,
  parseDuration,
  parseRate,
  parseShare,
  parseSize,
  RATE_PATTERN,
  SHARE_PATTERN,
  SIZE_PATTERN,
} from './units.ts';

/** Written as a text. */
type Value<T> = z.ZodType<T, string>;

/** A duration with its unit, within bounds. */
export const duration = (least: Duration, most: Duration): Value<Duration> =>
  z
    .string('expected a duration with its unit, such as "300ms" or "5m"')
    .regex(new RegExp(DURATION_PATTERN), 'expected a duration with its unit, such as "300ms"')
    .transform((text, context) => {
      const value = parseDuration(text);
      if (value !== undefined && value >= least && value <= most) return value;
      const bounds = `${formatDuration(least)} to ${formatDuration(most)}`;
      context.addIssue(`expected a duration from ${bounds}`);
      return z.NEVER;
    });

const unit = <T>(
  pattern: string,
  parse: (text: string) => T | undefined,
  example: string,
): Value<T> =>
  z
    .string(`expected a value with its unit, such as "${example}"`)
    .regex(new RegExp(pattern), `expected a value with its unit, such as "${example}"`)
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue(`expected a value such as "${example}"`);
      return z.NEVER;
    });

/** Bits a second. */
export const rate: Value<number> = unit(RATE_PATTERN, parseRate, '20Mbit');
/** Bytes. */
export const size: Value<number> = unit(SIZE_PATTERN, parseSize, '256KiB');
/** `"1.5%"`: 0.015. */
export const share: Value<number> = unit(SHARE_PATTERN, parseShare, '1.5%');
export const milliseconds_: Value<number> = unit(
  DURATION_PATTERN,
  (text) => {
    const value = parseDuration(text);
    return value === undefined ? undefined : value / 1_000;
  },
  '20ms',
);
