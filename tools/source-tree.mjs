/**
 * Reads the source tree once for all checks, and finds what a file imports. Checks are functions of
 * `{ path -> text }`, so that each one's test can hand it a small tree that must fail.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { blankOut } from './source-text.mjs';

/** Rooms in the order of the layers: a room may import from rooms before it, never after it. */
export const ROOMS = [
  'kernel',
  'wire',
  'security',
  'link',
  'routing',
  'mesh',
  'keyspace',
  'forwarding',
  'sockets',
  'node',
  'impairment',
  'sim',
  'services',
  'underlay',
  'host',
  'gateway',
  'daemon',
  'client',
  'lab',
  'cli',
];

/** Rooms without sockets, timers, promises, ambient time or chance. */
export const PURE_ROOMS = ROOMS.slice(0, ROOMS.indexOf('sim') + 1);

export const isTestFile = (path) => /\.test\.(ts|mjs)$/.test(path);

/** Every file below `root/folder`, as `{ 'folder/a/b.ts' -> text }`; folders in `skip` are left out. */
export function readTree(root, folder, extensions, skip = ['node_modules', 'dist', '.git']) {
  const files = new Map();
  const pending = existsSync(join(root, folder)) ? [folder] : [];
  while (pending.length > 0) {
    const at = pending.pop();
    for (const entry of readdirSync(join(root, at), { withFileTypes: true })) {
      const path = posix.join(at, entry.name);
      if (entry.isDirectory() && !skip.includes(entry.name)) pending.push(path);
      if (entry.isFile() && extensions.some((e) => entry.name.endsWith(e)))
        files.set(path, readFileSync(join(root, path), 'utf8'));
    }
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * `[{ specifier, line, isType }]` of static, dynamic and re-exporting imports. `isType`: nothing of
 * it is left after compilation.
 */
export function importsOf(text) {
  const code = blankOut(text, { strings: false });
  const found = [];
  // 'from' in quotes is a word of somebody's, as in `'from' | 'towards'`.
  const pattern = /(?:(?<!['"])\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"\n]+)\1/g;
  for (const match of code.matchAll(pattern))
    found.push({
      specifier: match[2],
      line: lineOf(code, match.index),
      isType: isTypeClause(code.slice(0, match.index)),
    });
  return found;
}

/** Whether the import or export clause that ends here began with `import type` or `export type`. */
const isTypeClause = (before) =>
  /^(import|export)\s+type\s+(\{|\*|(?!from\b)\w)/.test(
    before.slice(Math.max(before.lastIndexOf('import'), before.lastIndexOf('export'))),
  );

/** The file that a relative import in `path` means. */
export const resolveImport = (path, specifier) =>
  posix.normalize(posix.join(posix.dirname(path), specifier));

/** `src/link/hello.ts` -> `link`; undefined for files that are in no room. */
export const roomOf = (path) => /^src\/([^/]+)\//.exec(path)?.[1];

export const lineOf = (text, index) => text.slice(0, index).split('\n').length;
