/** Files stay readable: 600 lines at most, and those above 400 are named. Tests and data are free. */
import { runAsProgram } from './check.mjs';
import { isTestFile, readTree } from './source-tree.mjs';

export const LINES_MAX = 600;
export const LINES_NOTED = 400;

export function inspectSizes(root) {
  const files = new Map(
    ['src', 'tools', 'bench', 'e2e', 'examples', 'web'].flatMap((folder) => [
      ...readTree(root, folder, ['.ts', '.mjs', '.js']),
    ]),
  );
  return { ...sizeFaults(files), looked: `${files.size} files, at most ${LINES_MAX} lines` };
}

export function sizeFaults(files) {
  const faults = [];
  const notes = [];
  for (const [path, text] of files) {
    if (isTestFile(path) || path.includes('/vectors/') || path.includes('.generated.')) continue;
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    if (lines > LINES_MAX) faults.push(`${path}: ${lines} lines, more than ${LINES_MAX}: split it`);
    else if (lines > LINES_NOTED) notes.push(`${path}: ${lines} lines, more than ${LINES_NOTED}`);
  }
  return { faults, notes };
}

await runAsProgram(import.meta.url, 'sizes', inspectSizes);
