/** Biome: lint rules and formatting, warnings included. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT, runAsProgram } from './check.mjs';

export function inspectStyle(root) {
  const biome = join(PROJECT, 'node_modules/@biomejs/biome/bin/biome');
  if (!existsSync(biome)) return { faults: ['biome is not installed: npm ci'], looked: 'nothing' };
  const args = ['check', '--error-on-warnings', '--colors=off', '--max-diagnostics=40', '.'];
  const run = spawnSync(process.execPath, [biome, ...args], { cwd: root, encoding: 'utf8' });
  if (run.status === 0)
    return { faults: [], looked: /Checked [^.]*/.exec(run.stdout)?.[0] ?? 'biome' };
  const text = `${run.stdout}\n${run.stderr}`.trim();
  return { faults: [text.split('\n').join('\n  ')], looked: 'npm run format repairs most' };
}

await runAsProgram(import.meta.url, 'style', inspectStyle);
