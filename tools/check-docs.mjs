/**
 * Documents cannot drift: pages generated from the code are equal to their files, and a relative
 * link in any page leads to a file that exists. `node tools/check-docs.mjs --write` writes the pages.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runAsProgram } from './check.mjs';
import { GENERATED_PAGES } from './generated-pages.mjs';
import { lineOf, readTree } from './source-tree.mjs';

export async function inspectDocs(root, { write = process.argv.includes('--write') } = {}) {
  const faults = [];
  for (const page of GENERATED_PAGES) {
    const text = await render(root, page);
    if (text === undefined) {
      faults.push(`${page.path}: ${page.module} is missing: build first (npm run build)`);
      continue;
    }
    if (write) {
      mkdirSync(dirname(join(root, page.path)), { recursive: true });
      writeFileSync(join(root, page.path), text);
    }
    const fault = freshnessFault(page.path, text, readIfThere(join(root, page.path)));
    if (fault !== undefined) faults.push(fault);
  }
  const pages = readTree(root, '.', ['.md']);
  faults.push(...linkFaults(pages, (path) => existsSync(join(root, path))));
  return { faults, looked: `${GENERATED_PAGES.length} generated pages, ${pages.size} pages` };
}

export function freshnessFault(path, generated, onDisk) {
  if (onDisk === undefined) return `${path}: not there: run node tools/check-docs.mjs --write`;
  if (onDisk !== generated)
    return `${path}: differs from the code: run node tools/check-docs.mjs --write`;
  return undefined;
}

/** Relative links in `pages` that `exists` does not know. */
export function linkFaults(pages, exists) {
  const faults = [];
  for (const [path, text] of pages) {
    const prose = text.replace(/```[\s\S]*?```/g, (block) => block.replace(/[^\n]/g, ' '));
    for (const match of prose.matchAll(/\]\(([^)\s#]+)(#[^)\s]*)?\)/g)) {
      if (/^[a-z]+:/.test(match[1])) continue;
      const target = posix.normalize(posix.join(posix.dirname(path), match[1]));
      if (!exists(target))
        faults.push(`${path}:${lineOf(prose, match.index)}: no such file ${match[1]}`);
    }
  }
  return faults;
}

async function render(root, page) {
  const file = join(root, page.module);
  if (!existsSync(file)) return undefined;
  const module = await import(pathToFileURL(file).href);
  return module[page.export]();
}

const readIfThere = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

await runAsProgram(import.meta.url, 'docs', inspectDocs);
