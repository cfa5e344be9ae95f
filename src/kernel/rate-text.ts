/** Rates as people write them; `kbit` is 1000 bits, as everywhere in networking. */
const RATE_UNITS: Readonly<Record<string, number>> = {
  bit: 1,
  kbit: 1e3,
  Mbit: 1e6,
  Gbit: 1e9,
};

export const RATE_PATTERN = '^\\d+(\\.\\d+)?(bit|kbit|Mbit|Gbit)(/s)?$';

/** `"20Mbit"`, `"64kbit/s"`: bits a second; undefined for what is no such text. */
export function parseRate(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]+)(?:\/s)?$/.exec(text);
  const unit = match?.[2] ?? '';
  if (match === null || !Object.hasOwn(RATE_UNITS, unit)) return undefined;
  const value = Number(match[1]) * RATE_UNITS[unit]!;
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** The largest unit that leaves a number people can read: `9.5Mbit`. */
export function formatRate(bits: number): string {
  for (const unit of ['Gbit', 'Mbit', 'kbit'] as const) {
    const size = RATE_UNITS[unit]!;
    if (bits >= size) return `${Number((bits / size).toFixed(1))}${unit}`;
  }
  return `${Math.round(bits)}bit`;
}
