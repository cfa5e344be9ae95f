import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ApiErrorCode } from '../host/index.ts';
import type { TrustRefusal } from '../security/index.ts';
import { catalogueEntry, ERROR_CATALOGUE } from './error-catalogue.ts';
import { REFUSAL_REASONS } from './refusal-reasons.ts';

const SOURCE = new URL('../../src/', import.meta.url);

/** Rooms whose upper-case words with an underscore are codes, or one of these. */
const ROOMS_WITH_CODES = /^(host|gateway|daemon|client|lab|cli)\//;
const NO_CODE = /^(ERR_|OVERLANE_|XDG_)|^(STATE_DIRECTORY|NO_COLOR|FORCE_COLOR)$/;

/** `code file` of every code below src, tests left out. */
function codesInSource(): string[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' });
  const found = new Set<string>();
  for (const file of files) {
    if (!file.endsWith('.ts') || /\.test\.ts$|fake-context|loopback-node/.test(file)) continue;
    const text = readFileSync(new URL(file, SOURCE), 'utf8');
    const thrown = text.matchAll(/new OverlayError\(\s*'([A-Z][A-Z_]*)'/g);
    const named = ROOMS_WITH_CODES.test(file) ? text.matchAll(/'([A-Z]+(?:_[A-Z]+)+)'/g) : [];
    for (const [, code] of [...thrown, ...named])
      if (!NO_CODE.test(code!)) found.add(`${code} ${file}`);
  }
  return [...found];
}

test('every code that the source names has an entry', () => {
  const codes = codesInSource();
  assert.ok(codes.length > 30, 'the scan finds codes');
  const missing = codes.filter((c) => !Object.hasOwn(ERROR_CATALOGUE, c.split(' ')[0]!));
  assert.deepEqual(missing, []);
});

test('every reason that link, routing and sockets refuse with has an entry', () => {
  const reasons = new Set<string>();
  for (const file of readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })) {
    if (!/^(link|routing|sockets)\/.*\.ts$/.test(file) || file.endsWith('.test.ts')) continue;
    const text = readFileSync(new URL(file, SOURCE), 'utf8');
    for (const match of text.matchAll(/\brefused?\((?:\w+, )?'([a-z][a-z-]*)'/g))
      reasons.add(match[1]!);
  }
  assert.ok(reasons.size > 10, 'the scan finds reasons');
  const missing = [...reasons].filter((reason) => catalogueEntry(reason) === undefined);
  assert.deepEqual(missing, []);
  assert.equal(catalogueEntry('certificate-expired')?.area, 'refusal');
  assert.equal(catalogueEntry('certificate-whatever'), undefined);
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
