import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { renderConfigReference, renderConfigSchema } from './config-reference.ts';

/** `UPDATE_DOCS=1` writes the page instead of comparing. */
function assertFresh(name: string, rendered: string): void {
  const file = new URL(`../../docs/${name}`, import.meta.url);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, rendered);
  assert.equal(readFileSync(file, 'utf8'), rendered, `${name} is stale: run with UPDATE_DOCS=1`);
}

test('the JSON Schema in docs is the schema of the code', () => {
  assertFresh('config.schema.json', renderConfigSchema());
});

test('the config reference in docs is generated from the code', () => {
  assertFresh('config.md', renderConfigReference());
});
