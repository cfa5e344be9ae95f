/**
 * The layer arrows of the house (docs/adr/0001): a room imports only rooms before it, and those only
 * through their `index.ts`; no file loads itself round a circle; an `index.ts` only re-exports.
 * An arrow of types is an arrow, but a circle closed by types alone is none: nothing is loaded by it.
 *
 * Test files may look at any room, because nothing is built on them.
 */
import { runAsProgram } from './check.mjs';
import { blankOut } from './source-text.mjs';
import { importsOf, isTestFile, ROOMS, readTree, resolveImport, roomOf } from './source-tree.mjs';

export function inspectLayers(root) {
  const files = readTree(root, 'src', ['.ts']);
  return { faults: layerFaults(files), looked: `${files.size} files, ${ROOMS.length} rooms` };
}

export function layerFaults(files) {
  const faults = [];
  const arrows = new Map();
  for (const [path, text] of files) {
    const room = roomOf(path);
    if (room === undefined || !ROOMS.includes(room)) {
      faults.push(`${path}: not in a known room (${ROOMS.join(', ')})`);
      continue;
    }
    if (path === `src/${room}/index.ts`) faults.push(...indexFaults(path, text));
    if (isTestFile(path)) continue;
    arrows.set(path, []);
    for (const { specifier, line, isType } of importsOf(text)) {
      if (!specifier.startsWith('.')) continue;
      const target = resolveImport(path, specifier);
      if (!isType) arrows.get(path).push(target);
      const fault = arrowFault(room, target);
      if (fault !== undefined) faults.push(`${path}:${line}: ${fault}`);
    }
  }
  return [...faults, ...new Set(circles(arrows))];
}

function arrowFault(room, target) {
  if (isTestFile(target)) return `imports the test ${target}`;
  if (!target.endsWith('.ts') && !target.endsWith('.json'))
    return `import of ${target} needs '.ts'`;
  const other = roomOf(target);
  if (other === room) return undefined;
  if (other === undefined || !ROOMS.includes(other))
    return `imports ${target}, which is in no room`;
  if (ROOMS.indexOf(other) > ROOMS.indexOf(room))
    return `${room} may not import ${other}: arrows point from later rooms to earlier ones`;
  if (target !== `src/${other}/index.ts`)
    return `imports ${target}; other rooms are imported through src/${other}/index.ts`;
  return undefined;
}

function indexFaults(path, text) {
  const code = blankOut(text, { strings: true }).replace(
    /export\s+(type\s+)?(\*(\s+as\s+\w+)?|\{[^}]*\})\s+from\s+'[^']*'\s*;?/g,
    '',
  );
  return code.trim() === '' ? [] : [`${path}: an index only re-exports, here is code besides`];
}

/** One fault per circle found by walking the arrows depth first; without recursion. */
export function circles(arrows) {
  const faults = [];
  const state = new Map();
  for (const start of arrows.keys()) {
    if (state.has(start)) continue;
    const walk = [{ path: start, next: 0 }];
    state.set(start, 'open');
    while (walk.length > 0) {
      const top = walk.at(-1);
      const target = arrows.get(top.path)?.[top.next++];
      if (target === undefined) {
        state.set(top.path, 'done');
        walk.pop();
      } else if (state.get(target) === 'open') {
        const from = walk.findIndex((w) => w.path === target);
        const round = walk.slice(from).map((w) => w.path);
        faults.push(`circular import: ${[...round, target].join(' -> ')}`);
      } else if (!state.has(target) && arrows.has(target)) {
        state.set(target, 'open');
        walk.push({ path: target, next: 0 });
      }
    }
  }
  return faults;
}

await runAsProgram(import.meta.url, 'layers', inspectLayers);
