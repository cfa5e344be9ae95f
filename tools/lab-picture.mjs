/**
 * Takes the picture in the README: runs the lab, waits until the story has cut a link and the
 * overlay has gone round it, and writes the screen of that moment as docs/lab.svg.
 *
 *   node tools/lab-picture.mjs [seconds into the story]
 */
import { writeFileSync } from 'node:fs';
import { LabShow, renderScreen } from '../dist/lab/index.js';

const SECONDS = Number(process.argv[2] ?? 17);
const COLUMNS = 112;
const CELL = { width: 8.4, height: 18 };
const COLOURS = { 31: '#ff7b72', 32: '#7ee787', 33: '#e3b341' };

const show = await LabShow.start();
await new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
const lines = renderScreen(show.screen(true), { columns: COLUMNS, rows: 36, hasColour: true });
await show.stop();
writeFileSync(new URL('../docs/lab.svg', import.meta.url), svgOf(lines));

/** @param {string[]} lines with terminal colours */
function svgOf(lines) {
  const width = Math.ceil(COLUMNS * CELL.width) + 32;
  const height = lines.length * CELL.height + 32;
  const rows = lines.map(
    (line, i) =>
      `<text x="16" y="${16 + (i + 0.8) * CELL.height}" xml:space="preserve">${spansOf(line)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" rx="8" fill="#0d1117"/>`,
    `<g fill="#c9d1d9" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function spansOf(line) {
  let out = '';
  let style = '';
  for (const part of line.split('\u001b[')) {
    const code = /^(\d+)m/.exec(part);
    if (code !== null) style = styleOf(Number(code[1]), style);
    const text = code === null ? part : part.slice(code[0].length);
    if (text !== '')
      out += style === '' ? escaped(text) : `<tspan ${style}>${escaped(text)}</tspan>`;
  }
  return out;
}

function styleOf(code, before) {
  if (code === 1) return 'font-weight="bold"';
  if (code === 2) return 'fill="#8b949e"';
  if (COLOURS[code] !== undefined) return `fill="${COLOURS[code]}"`;
  return code === 22 || code === 39 ? '' : before;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
