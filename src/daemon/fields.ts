/**
 * Reads the fields of a request, from JSON or a query string. Everything a person or program can get
 * wrong is BAD_ARGUMENT, naming the field, what was expected and the nearest right spelling.
 */
import { nearestSpelling, OverlayError } from '../kernel/index.ts';
import { type HostPort, parseHostPort } from './units.ts';

export class Fields {
  private readonly values: Readonly<Record<string, unknown>>;

  /** Fails with BAD_ARGUMENT when there is a field that is not in `known`. */
  constructor(values: unknown, known: readonly string[]) {
    if (typeof values !== 'object' || values === null || Array.isArray(values))
      throw bad('expected a JSON object', {});
    this.values = values as Record<string, unknown>;
    for (const key of Object.keys(this.values)) {
      if (known.includes(key)) continue;
      const nearest = nearestSpelling(key, known);
      const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
      throw bad(`unknown field "${key}"${hint}`, { field: key, nearest });
    }
  }

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value === 'string' && value !== '' && value.length <= 4_096) return value;
    throw bad(`${name}: expected a text`, { field: name });
  }

  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined;
  }

  choice<const T extends string>(name: string, choices: readonly T[]): T {
    const value = this.values[name] as T;
    if (choices.includes(value)) return value;
    throw bad(`${name}: expected one of ${choices.join(', ')}`, {
      field: name,
      nearest: typeof value === 'string' ? nearestSpelling(value, choices) : undefined,
    });
  }

  /** A number, or digits where it comes from a query string. */
  number(name: string, bounds: { min: number; max: number; isWhole?: boolean }): number {
    const given = this.values[name];
    const value = typeof given === 'string' && given !== '' ? Number(given) : given;
    const isSound =
      typeof value === 'number' &&
      value >= bounds.min &&
      value <= bounds.max &&
      (bounds.isWhole !== true || Number.isInteger(value));
    if (isSound) return value;
    throw bad(`${name}: expected a number from ${bounds.min} to ${bounds.max}`, { field: name });
  }

  optionalNumber(
    name: string,
    bounds: { min: number; max: number; isWhole?: boolean },
  ): number | undefined {
    return this.has(name) ? this.number(name, bounds) : undefined;
  }

  port(name: string): number {
    return this.number(name, { min: 1, max: 65_535, isWhole: true });
  }

  optionalFlag(name: string): boolean | undefined {
    const value = this.values[name];
    if (!this.has(name) || typeof value === 'boolean') return value as boolean | undefined;
    // In a query everything is a text.
    if (value === 'true' || value === 'false') return value === 'true';
    throw bad(`${name}: expected true or false`, { field: name });
  }

  texts(name: string, most = 256): string[] {
    const value = this.values[name];
    const isSound =
      Array.isArray(value) &&
      value.length <= most &&
      value.every((item) => typeof item === 'string' && item !== '' && item.length <= 256);
    if (isSound) return value as string[];
    throw bad(`${name}: expected a list of texts`, { field: name });
  }

  hostPort(name: string, options: { isPortZeroAllowed?: boolean } = {}): HostPort {
    const value = parseHostPort(this.text(name), options);
    if (value !== undefined) return value;
    throw bad(`${name}: expected "host:port"`, { field: name });
  }

  /** The raw value, for a field with fields of its own. */
  value(name: string): unknown {
    return this.values[name];
  }
}

const bad = (message: string, details: Record<string, unknown>): OverlayError =>
  new OverlayError('BAD_ARGUMENT', message, { details });
