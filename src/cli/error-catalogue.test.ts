import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ApiErrorCode } from '../host/index.ts';
import type { TrustRefusal } from '../security/index.ts';
import { ERROR_CATALOGUE, REFUSAL_REASONS } from './error-catalogue.ts';

const SOURCE = new URL('../../src/', import.meta.url);

/** `[code, file]` of every `new OverlayError('CODE', ...)` below src, tests left out. */
function thrownCodes(): [code: string, file: string][] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.ts') && !/\.test\.ts$|fake-context|loopback-node/.test(file))
    .flatMap((file) => {
      const text = readFileSync(new URL(file, SOURCE), 'utf8');
      const found = text.matchAll(/new OverlayError\(\s*'([A-Z][A-Z_]*)'/g);
      return [...found].map((match): [string, string] => [match[1]!, file]);
    });
}

test('every code that the source throws has an entry', () => {
  const thrown = thrownCodes();
  assert.ok(thrown.length > 10, 'the scan finds codes');
  const missing = thrown.filter(([code]) => !Object.hasOwn(ERROR_CATALOGUE, code));
  assert.deepEqual(missing, []);
});

test('every code of the API and every refusal of a certificate has an entry', () => {
  // Compile-time: a code without an entry does not index the catalogue.
  const api = (code: ApiErrorCode): string => ERROR_CATALOGUE[code].meaning;
  const trust = (reason: TrustRefusal): string => REFUSAL_REASONS[reason].meaning;
  assert.ok(api('UNREACHABLE') && trust('expired'));
});

test('entries are sentences, and remedies say something else than the meaning', () => {
  for (const [code, entry] of Object.entries({ ...ERROR_CATALOGUE, ...REFUSAL_REASONS })) {
    assert.match(entry.meaning, /^[A-Z].*\.$/s, code);
    assert.match(entry.remedy, /\.$/, code);
    assert.notEqual(entry.meaning, entry.remedy);
  }
});
