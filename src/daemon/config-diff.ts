/**
 * What a reload changes: every key whose value differs, and whether it takes effect now or needs a
 * restart. A key is in force at once only where the daemon can apply it without dropping what runs.
 */
import type { Config } from './config.ts';

export interface ConfigChange {
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly effect: 'now' | 'restart';
}

const APPLIED_NOW: ReadonlySet<keyof Config> = new Set([
  'advertise',
  'neighbours',
  'drain',
  'lanes',
  'log',
  'forwards',
  'expose',
  'processors',
  'impairments',
  'policy',
  'turncoat',
]);

export function diffConfig(before: Config, after: Config): ConfigChange[] {
  const changes: ConfigChange[] = [];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)] as (keyof Config)[]);
  for (const key of [...keys].sort()) {
    const effect = APPLIED_NOW.has(key) ? 'now' : 'restart';
    const [old, fresh] = [before[key], after[key]];
    if (isGroup(old) && isGroup(fresh)) {
      for (const part of [...new Set([...Object.keys(old), ...Object.keys(fresh)])].sort()) {
        if (isSame(old[part], fresh[part])) continue;
        // The log file is opened anew on every reload, so a changed name is too.
        changes.push({ key: `${key}.${part}`, before: old[part], after: fresh[part], effect });
      }
    } else if (!isSame(old, fresh)) {
      changes.push({ key, before: old, after: fresh, effect });
    }
  }
  return changes;
}

/** What runs after a reload: the new config, except for what waits for a restart. */
export function withRestartKeysOf(before: Config, after: Config): Config {
  const kept = Object.entries(before).filter(([key]) => !APPLIED_NOW.has(key as keyof Config));
  return { ...after, ...Object.fromEntries(kept) };
}

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Parsed configs are plain data with keys in the schema's order. */
const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
