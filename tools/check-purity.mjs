/**
 * The pure rooms take time, chance and effects as parameters. Their compiler settings already lack
 * Node and the browser; this scan also catches what ES2023 itself brings (`Date`, `Math.random`,
 * promises) and any import that is not a file of ours. Test files are free.
 */
import { runAsProgram } from './check.mjs';
import { blankOut } from './source-text.mjs';
import { importsOf, isTestFile, lineOf, PURE_ROOMS, readTree, roomOf } from './source-tree.mjs';

const free = '(?<![.\\w$])';
/** What must not be in a pure room, and what to do instead. */
const BANNED = [
  [`${free}Date\\b`, 'time is a parameter: take an Instant or a WallTime'],
  ['\\bMath\\s*\\.\\s*random\\b', 'take a Random and draw from it, or split it'],
  [
    `${free}(setTimeout|setInterval|setImmediate|queueMicrotask)\\b`,
    'timers are fields: report them in nextTimeout()',
  ],
  [`${free}performance\\s*[.[]`, 'time is a parameter: take an Instant'],
  [`${free}process\\s*[.[]`, 'a pure room has no process'],
  [`${free}console\\s*[.[]`, 'a pure room does not log: return a value or count it'],
  [`${free}globalThis\\b`, 'ambient globals are banned'],
  [`${free}(TextEncoder|TextDecoder)\\b`, 'use utf8Encode and utf8Decode of the kernel'],
  [`${free}Promise\\b`, 'a core is synchronous: outputs are returned or go to the sink'],
  [
    `${free}(async|await)\\b(?!\\s*[:?])`,
    'a core is synchronous: outputs are returned or go to the sink',
  ],
];

export function inspectPurity(root) {
  const files = readTree(root, 'src', ['.ts']);
  const pure = [...files.keys()].filter((p) => PURE_ROOMS.includes(roomOf(p)) && !isTestFile(p));
  return { faults: purityFaults(files), looked: `${pure.length} files in pure rooms` };
}

export function purityFaults(files) {
  const faults = [];
  for (const [path, text] of files) {
    if (!PURE_ROOMS.includes(roomOf(path)) || isTestFile(path)) continue;
    for (const { specifier, line } of importsOf(text))
      if (!specifier.startsWith('.'))
        faults.push(`${path}:${line}: a pure room imports only our own files, not '${specifier}'`);
    const code = blankOut(text, { strings: true });
    for (const [pattern, instead] of BANNED)
      for (const match of code.matchAll(new RegExp(pattern, 'g')))
        faults.push(`${path}:${lineOf(code, match.index)}: '${match[0].trim()}': ${instead}`);
  }
  return faults;
}

await runAsProgram(import.meta.url, 'purity', inspectPurity);
