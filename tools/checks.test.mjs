import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { PROJECT } from './check.mjs';
import { freshnessFault, linkFaults } from './check-docs.mjs';
import { layerFaults } from './check-layers.mjs';
import { nameFaults } from './check-names.mjs';
import { purityFaults } from './check-purity.mjs';
import { LINES_MAX, sizeFaults } from './check-sizes.mjs';

const tree = (files) => new Map(Object.entries(files));

describe('layers', () => {
  test('an arrow to an earlier room through its index passes', () => {
    const faults = layerFaults(
      tree({
        'src/kernel/index.ts': "export * from './heap.ts';\n",
        'src/kernel/heap.ts': 'export const a = 1;\n',
        'src/wire/frame.ts': "import { a } from '../kernel/index.ts';\nexport const b = a;\n",
      }),
    );
    assert.deepEqual(faults, []);
  });

  test('an arrow to a later room fails, even of types only', () => {
    const [fault] = layerFaults(
      tree({ 'src/wire/frame.ts': "\nimport type { A } from '../link/index.ts';\n" }),
    );
    assert.match(fault, /^src\/wire\/frame\.ts:2: wire may not import link/);
  });

  test('reaching past an index fails', () => {
    const [fault] = layerFaults(
      tree({ 'src/wire/frame.ts': "export { a } from '../kernel/heap.ts';\n" }),
    );
    assert.match(fault, /imported through src\/kernel\/index\.ts/);
  });

  test('a dynamic import counts as an arrow', () => {
    const faults = layerFaults(
      tree({ 'src/client/node.ts': "export const a = () => import('../cli/index.ts');\n" }),
    );
    assert.equal(faults.length, 1);
  });

  test('a circle of three files fails once and names the way round', () => {
    const faults = layerFaults(
      tree({
        'src/link/a.ts': "import './b.ts';\n",
        'src/link/b.ts': "import './c.ts';\n",
        'src/link/c.ts': "import './a.ts';\n",
      }),
    );
    assert.deepEqual(faults, [
      'circular import: src/link/a.ts -> src/link/b.ts -> src/link/c.ts -> src/link/a.ts',
    ]);
  });

  test('a circle closed by types alone passes, one closed by a value does not', () => {
    const closedBy = (line) =>
      layerFaults(tree({ 'src/link/a.ts': "import './b.ts';\n", 'src/link/b.ts': line }));
    assert.deepEqual(closedBy("import type { A } from './a.ts';\n"), []);
    assert.deepEqual(closedBy("export type { A } from './a.ts';\n"), []);
    assert.equal(closedBy("import { type A, b } from './a.ts';\n").length, 1);
    assert.equal(closedBy("import {\n  type,\n} from './a.ts';\n").length, 1);
    assert.equal(closedBy("export const f = () => import('./a.ts');\n").length, 1);
  });

  test('code in an index fails', () => {
    assert.equal(layerFaults(tree({ 'src/link/index.ts': 'export const a = 1;\n' })).length, 1);
  });

  test('a folder that is no room fails', () => {
    assert.equal(layerFaults(tree({ 'src/shared/a.ts': 'export const a = 1;\n' })).length, 1);
  });

  test('a test may look at a later room, and an import in a comment is none', () => {
    const faults = layerFaults(
      tree({
        'src/link/a.test.ts': "import { simCrypto } from '../sim/index.ts';\n",
        'src/link/a.ts': "// import { x } from '../cli/index.ts';\nexport const a = 1;\n",
      }),
    );
    assert.deepEqual(faults, []);
  });
});

describe('purity', () => {
  const banned = [
    'const t = Date.now();',
    'const d = new Date();',
    'const r = Math.random();',
    'setTimeout(f, 1);',
    'setInterval(f, 1);',
    'const p = performance.now();',
    'const e = process.env;',
    "console.log('x');",
    'const p = Promise.resolve();',
    'async function f() {}',
    'const g = async () => {};',
    "import { createHash } from 'node:crypto';",
    "import { z } from 'zod';",
    'const e = new TextEncoder();',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the checked source is a template.
    'const s = `at ${Date.now()}`;',
  ];
  for (const line of banned)
    test(`refuses ${line}`, () => {
      const faults = purityFaults(tree({ 'src/link/hello.ts': `\n${line}\n` }));
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0], /^src\/link\/hello\.ts:2: /);
    });

  test('words in comments, strings and names are no fault', () => {
    const text = [
      '// Date.now() and setTimeout are banned here; await nothing.',
      "const note = 'a Promise of new Date()';",
      '/* console.log(process.env) */',
      'const pattern = /Date|Promise/;',
      'this.process(batch); const performance = 1; update(performance);',
    ].join('\n');
    assert.deepEqual(purityFaults(tree({ 'src/sim/a.ts': text })), []);
  });

  test('rooms with sockets, and tests, are free', () => {
    const text = 'export const now = Date.now();\n';
    const files = tree({ 'src/underlay/clock.ts': text, 'src/link/a.test.ts': text });
    assert.deepEqual(purityFaults(files), []);
  });
});

describe('sizes', () => {
  const lines = (n) => 'x\n'.repeat(n);

  test('one line too many fails, the last allowed one does not', () => {
    const { faults } = sizeFaults(
      tree({ 'src/link/a.ts': lines(LINES_MAX), 'src/link/b.ts': lines(LINES_MAX + 1) }),
    );
    assert.equal(faults.length, 1);
    assert.match(faults[0], /^src\/link\/b\.ts: 601 lines/);
  });

  test('a long file is noted, tests are free', () => {
    const { faults, notes } = sizeFaults(
      tree({ 'src/link/a.ts': lines(401), 'src/link/a.test.ts': lines(900) }),
    );
    assert.deepEqual(faults, []);
    assert.equal(notes.length, 1);
  });
});

describe('names', () => {
  test('empty words and other cases fail, nouns pass', () => {
    const bad = ['src/link/utils.ts', 'src/helpers/a.ts', 'src/link/link-manager.ts'];
    const cased = ['src/link/replayWindow.ts'];
    const good = ['src/link/replay-window.ts', 'src/link/replay-window.test.ts', 'e2e/path.mjs'];
    assert.equal(nameFaults([...bad, ...cased, ...good]).length, 4);
    assert.deepEqual(nameFaults(good), []);
  });
});

describe('docs', () => {
  test('a page that differs from what the code generates fails, and so does a missing one', () => {
    assert.equal(freshnessFault('docs/errors.md', 'a', 'a'), undefined);
    assert.match(freshnessFault('docs/errors.md', 'a', 'b'), /differs/);
    assert.match(freshnessFault('docs/errors.md', 'a', undefined), /not there/);
  });

  test('a link to nowhere fails; web links, anchors and code blocks do not', () => {
    const pages = tree({
      'docs/a.md': '[x](b.md) [y](../README.md#top) [z](https://example.org) [t](#top)\n',
      'docs/c.md': '\n[x](missing.md)\n```\n[x](also-missing.md)\n```\n',
    });
    const there = ['docs/b.md', 'README.md'];
    assert.deepEqual(
      linkFaults(pages, (path) => there.includes(path)),
      ['docs/c.md:2: no such file missing.md'],
    );
  });
});

describe('every check as a program', () => {
  const bad = {
    layers: { 'src/wire/a.ts': "import '../cli/index.ts';\n" },
    purity: { 'src/wire/a.ts': 'export const now = Date.now();\n' },
    sizes: { 'src/wire/a.ts': 'x\n'.repeat(601) },
    names: { 'src/wire/utils.ts': '' },
    docs: { 'README.md': '[x](missing.md)\n' },
    style: { 'a.ts': 'var x = 1; debugger\n' },
  };
  for (const [name, files] of Object.entries(bad))
    test(`check-${name} exits 1 on a tree with a fault and says where`, () => {
      const root = mkdtempSync(join(tmpdir(), 'overlane-check-'));
      try {
        for (const [path, text] of Object.entries(files)) {
          mkdirSync(dirname(join(root, path)), { recursive: true });
          writeFileSync(join(root, path), text);
        }
        const program = join(PROJECT, `tools/check-${name}.mjs`);
        const run = spawnSync(process.execPath, [program, root], { encoding: 'utf8' });
        assert.equal(run.status, 1, run.stdout + run.stderr);
        assert.match(run.stdout, /a\.ts|utils\.ts|README\.md/);
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    });
});
