/**
 * Values as people write them in the config and on the command line: every one carries its unit.
 * Durations come out in microseconds (`Duration`), rates in bits a second, sizes in bytes, shares
 * (`"1.5%"`) from 0 to 1. Undefined means: not such a value.
 */
export {
  DURATION_PATTERN,
  formatDuration,
  parseDuration,
  parseRate,
  RATE_PATTERN,
} from '../kernel/index.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  KiB: 1024,
  MiB: 1024 * 1024,
};

export const SIZE_PATTERN = '^\\d+(\\.\\d+)?(B|kB|MB|KiB|MiB)$';
export const SHARE_PATTERN = '^\\d+(\\.\\d+)?%$';

/** `"256KiB"`, `"1MB"`: bytes. */
export const parseSize = (text: string): number | undefined => scaled(text, SIZE_UNITS);

/** `"1.5%"`: 0.015. Nothing above 100 %. */
export function parseShare(text: string): number | undefined {
  const value = scaled(text, { '%': 0.01 });
  return value === undefined || value > 1 ? undefined : value;
}

function scaled(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z%]+)$/.exec(text);
  const unit = match?.[2] ?? '';
  if (match === null || !Object.hasOwn(units, unit)) return undefined;
  const value = Number(match[1]) * units[unit]!;
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

export interface HostPort {
  /** A host name or a literal address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `"host:port"`, `"1.2.3.4:5"`, `"[::1]:5"`. Port 0 only where the caller allows it. */
export function parseHostPort(
  text: string,
  options: { isPortZeroAllowed?: boolean } = {},
): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port > 65_535 || (port === 0 && options.isPortZeroAllowed !== true)) return undefined;
  return { host: match[1] ?? match[2]!, port };
}

export const formatHostPort = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
