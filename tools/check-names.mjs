/** Files are `kebab-case`, named by the noun inside; names that say nothing are refused. */
import { basename, dirname } from 'node:path';
import { runAsProgram } from './check.mjs';
import { readTree } from './source-tree.mjs';

const EMPTY_WORDS = /(^|-)(utils?|helpers?|common|misc|manager|stuff)(-|$)/;
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export function inspectNames(root) {
  const paths = ['src', 'tools', 'bench', 'e2e', 'examples', 'web'].flatMap((folder) => [
    ...readTree(root, folder, ['.ts', '.mjs', '.js']).keys(),
  ]);
  return { faults: nameFaults(paths), looked: `${paths.length} files` };
}

export function nameFaults(paths) {
  const faults = new Set();
  for (const path of paths) {
    for (const part of [...dirname(path).split('/'), ...basename(path).split('.').slice(0, -1)]) {
      if (part === '') continue;
      if (EMPTY_WORDS.test(part))
        faults.add(`${path}: '${part}' says nothing: name the noun inside`);
      else if (!KEBAB.test(part)) faults.add(`${path}: '${part}' is not kebab-case`);
    }
  }
  return [...faults];
}

await runAsProgram(import.meta.url, 'names', inspectNames);
