import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { installNeed, nodeVersionFault } from './install-state.mjs';
import { orphanOutputs, testFiles } from './test-files.mjs';

const lock = {
  packages: {
    '': { name: 'overlane' },
    'node_modules/@scope/a': { version: '1.2.3' },
    'node_modules/for-other-machines': { version: '1.0.0', optional: true },
  },
};

test('an install is needed when nothing is there, something is missing or of another version', () => {
  assert.equal(installNeed(lock, undefined), 'node_modules is not there');
  assert.equal(installNeed(lock, { packages: {} }), '@scope/a is missing');
  const older = { packages: { 'node_modules/@scope/a': { version: '1.2.2' } } };
  assert.equal(installNeed(lock, older), '@scope/a is 1.2.2 and should be 1.2.3');
});

test('no install is needed when only optional packages of other machines are absent', () => {
  const installed = { packages: { 'node_modules/@scope/a': { version: '1.2.3' } } };
  assert.equal(installNeed(lock, installed), undefined);
});

test('a Node below the floor is refused with both versions named', () => {
  assert.match(nodeVersionFault('20.19.9', '>=20.20.0'), /20\.19\.9.*20\.20\.0/);
  assert.equal(nodeVersionFault('20.20.0', '>=20.20.0'), undefined);
  assert.equal(nodeVersionFault('22.1.0', '>=20.20.0'), undefined);
});

test('tests are found by their sources, and outputs without a source are orphans', () => {
  const root = mkdtempSync(join(tmpdir(), 'overlane-files-'));
  const put = (path) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), '');
  };
  try {
    for (const p of ['src/a/x.ts', 'src/a/x.test.ts', 'tools/y.test.mjs', 'tools/y.mjs']) put(p);
    for (const p of ['dist/a/x.js', 'dist/a/x.test.js', 'dist/a/gone.test.js', 'dist/a/gone.d.ts'])
      put(p);
    assert.deepEqual(testFiles(root), ['dist/a/x.test.js', 'tools/y.test.mjs']);
    assert.deepEqual(testFiles(root, ['tools/']), ['tools/y.test.mjs']);
    assert.deepEqual(orphanOutputs(root).sort(), ['dist/a/gone.d.ts', 'dist/a/gone.test.js']);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
