/** Which test files to run, and which files in `dist` no longer have a source. */
import { existsSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';

/**
 * Compiled tests of `src`, tests of the tools and of the benches, as paths below `root`. Listed one by one because
 * Node 20 takes directories and Node 22 takes patterns. With filters, only paths that contain one.
 */
export function testFiles(root, filters = []) {
  const compiled = walk(root, 'src')
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => path.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js'));
  const plain = ['tools', 'bench']
    .flatMap((folder) => walk(root, folder))
    .filter((path) => path.endsWith('.test.mjs'));
  const wanted = (path) => filters.length === 0 || filters.some((f) => path.includes(f));
  return [...compiled, ...plain].filter(wanted).sort();
}

/** Outputs of the compiler whose source is gone: they would still be run and imported. */
export function orphanOutputs(root) {
  return walk(root, 'dist').filter((path) => {
    const stem = /^dist\/(.*?)\.(d\.ts|js|js\.map)$/.exec(path)?.[1];
    return stem !== undefined && !existsSync(join(root, 'src', `${stem}.ts`));
  });
}

function walk(root, folder) {
  const found = [];
  const pending = existsSync(join(root, folder)) ? [folder] : [];
  while (pending.length > 0) {
    const at = pending.pop();
    for (const entry of readdirSync(join(root, at), { withFileTypes: true })) {
      const path = posix.join(at, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else found.push(path);
    }
  }
  return found;
}
