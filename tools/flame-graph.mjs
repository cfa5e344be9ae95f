/**
 * Draws a `.cpuprofile` (`overlane profile`) as a flame graph: an SVG that needs nothing but a browser.
 *
 *   node tools/flame-graph.mjs PROFILE [OUT.svg]
 *
 * A box is a function in one chain of calls, as wide as its share of the time that was not idle; what it
 * called stands on it. Colours are rooms. What is narrower than a pixel is left out.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { roomOf } from '../dist/daemon/cpu-profile.js';

const WIDTH = 1_200;
const ROW = 18;
const MARGIN = 16;
const HEAD = 40;
const CHARACTER = 6.6;
const COLOURS = {
  underlay: '#e6b86a',
  link: '#e08e6d',
  forwarding: '#9ccf8a',
  routing: '#86c7b8',
  node: '#8fb4e3',
  host: '#b3a4e0',
  wire: '#d59ac4',
  kernel: '#c9c27c',
  native: '#c8c8c8',
};
const OTHER = '#dddddd';

/** @param {import('../dist/daemon/cpu-profile.js').CpuProfile} profile */
export function flameGraph(profile, title) {
  const root = merge(profile);
  const boxes = [];
  const scale = (WIDTH - 2 * MARGIN) / Math.max(1, root.time);
  let depthMax = 0;
  // A list, not recursion: how deep calls nest is not up to this program.
  const left = [{ frame: root, x: MARGIN, depth: 0 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { frame, x, depth } = next;
    const width = frame.time * scale;
    if (width < 1) continue;
    boxes.push({ frame, x, depth, width });
    depthMax = Math.max(depthMax, depth);
    let at = x;
    for (const child of [...frame.children.values()].sort((a, b) => b.time - a.time)) {
      left.push({ frame: child, x: at, depth: depth + 1 });
      at += child.time * scale;
    }
  }
  const height = HEAD + (depthMax + 1) * ROW + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="11">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${MARGIN}" y="24" font-size="14">${escaped(title)}</text>`,
    ...boxes.map((box) => drawn(box, height, root.time)),
    '</svg>',
    '',
  ].join('\n');
}

/** One frame for each chain of calls, with the time of all samples in it. Idle time is left out. */
function merge(profile) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  );
  const root = { name: 'all', room: '', time: 0, children: new Map() };
  const frames = new Map();
  const frameOf = (id) => {
    const chain = [];
    for (let at = id; at !== undefined && !frames.has(at); at = parents.get(at)) chain.push(at);
    for (const at of chain.reverse()) {
      const { functionName, url } = nodes.get(at).callFrame;
      const room = roomOf(functionName, url);
      const name = functionName === '(root)' ? 'all' : functionName || '(anonymous)';
      const above = frames.get(parents.get(at));
      const key = `${room} ${name}`;
      const known = above === undefined ? root : above.children.get(key);
      const frame = known ?? { name, room, time: 0, children: new Map(), above };
      above?.children.set(key, frame);
      frames.set(at, frame);
    }
    return frames.get(id);
  };
  for (const [i, id] of (profile.samples ?? []).entries()) {
    if (!nodes.has(id) || nodes.get(id).callFrame.functionName === '(idle)') continue;
    const time = Math.max(0, profile.timeDeltas?.[i] ?? 0);
    for (let frame = frameOf(id); frame !== undefined; frame = frame.above) frame.time += time;
  }
  return root;
}

function drawn({ frame, x, depth, width }, height, total) {
  const y = height - MARGIN - (depth + 1) * ROW;
  const name = frame.room === '' ? frame.name : `${frame.room}/ ${frame.name}`;
  const share = `${((100 * frame.time) / Math.max(1, total)).toFixed(1)} %`;
  const room = Math.floor((width - 6) / CHARACTER);
  const label = frame.name.length <= room ? frame.name : `${frame.name.slice(0, room - 1)}…`;
  const text =
    room < 3 ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 13}">${escaped(label)}</text>`;
  return (
    `<g><title>${escaped(name)}: ${share}</title>` +
    `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${COLOURS[frame.room] ?? OTHER}"/>${text}</g>`
  );
}

const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [from, to = `${from}.svg`] = process.argv.slice(2);
  if (from === undefined) {
    console.error('node tools/flame-graph.mjs PROFILE [OUT.svg]');
    process.exitCode = 2;
  } else {
    writeFileSync(to, flameGraph(JSON.parse(readFileSync(from, 'utf8')), 'Overlane'));
    console.log(to);
  }
}
