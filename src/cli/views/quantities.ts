/** How quantities are shown to people: one spelling for each kind, in every command. */
import { formatRate } from '../../kernel/index.ts';

/** `0.15 ms`, `18.2 ms`, `1250 ms`: about three digits that mean something. */
export function showMs(ms: number): string {
  if (!Number.isFinite(ms)) return '-';
  const digits = ms < 1 ? 2 : ms < 100 ? 1 : 0;
  return `${ms.toFixed(digits)} ms`;
}

/** A share from 0 to 1: `0 %`, `0.04 %`, `2.5 %`, `31 %`. */
export function showShare(share: number): string {
  const percent = share * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.01) return '<0.01 %';
  return `${percent < 1 ? percent.toFixed(2) : percent < 10 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** The two largest units that are not zero: `2 h 3 min`, `12 s`, `0.4 s`. */
export function showSpan(ms: number): string {
  const total = ms / 1_000;
  if (total < 10) return `${total.toFixed(1)} s`;
  const parts: string[] = [];
  let rest = Math.floor(total);
  for (const [name, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${name}`);
    if (parts.length === 2 || (parts.length === 1 && count === 0)) break;
  }
  return parts.join(' ');
}

export function showBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** Bits a second: `9.5 Mbit/s`, `64 kbit/s`; a dash where it is not known. */
export const showRate = (bits: number): string =>
  bits === 0 ? '-' : `${formatRate(bits).replace(/(?=[kMG]?bit$)/, ' ')}/s`;

/** `2027-11-21 (in 365 days)`, `2026-11-20 (1 day ago)`. */
export function showDay(iso: string, now: Date): string {
  const days = Math.round((Date.parse(iso) - now.getTime()) / 86_400_000);
  const count = (n: number): string => `${n} day${n === 1 ? '' : 's'}`;
  const distance = days >= 0 ? `in ${count(days)}` : `${count(-days)} ago`;
  return `${iso.slice(0, 10)} (${days === 0 ? 'today' : distance})`;
}

/** `DFW > LAX`; a dash where there is no way. */
export const showPath = (path: readonly string[]): string =>
  path.length === 0 ? '-' : path.join(' > ');

/** `1 link`, `3 links`. */
export const countOf = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
