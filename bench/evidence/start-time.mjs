/**
 * `npm start` in a fresh clone of this repository until the lab says that the first packet was
 * delivered. Cold: no packages, no build, an empty npm cache. Warm: the same clone again.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seconds } from './measure.mjs';
import { PROJECT, runProgram } from './program.mjs';

const GIVE_UP_MS = 300_000;

export const name = 'start-time';
export const figure = 'clean clone, `npm start` to first delivered packet';
export const bar = '< 120 s cold, < 15 s when installed';
export const reference = '-';

export async function run({ log }) {
  const directory = mkdtempSync(join(tmpdir(), 'overlane-start-'));
  try {
    const clone = join(directory, 'clone');
    await runProgram('git', ['clone', '--quiet', PROJECT, clone], { codes: [0] });
    const env = { npm_config_cache: join(directory, 'npm-cache') };
    const cold = await start(clone, env);
    log(`cold: ${seconds(cold)}`);
    const warm = await start(clone, env);
    log(`warm: ${seconds(warm)}`);
    return {
      measured: `${seconds(cold)} cold, ${seconds(warm)} warm`,
      holds: cold < 120_000 && warm < 15_000,
      how: 'Clone of the last commit in a temporary folder with an empty npm cache; then once more.',
      values: { coldMs: cold, warmMs: warm },
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function start(clone, env) {
  const began = performance.now();
  const child = spawn('npm', ['start', '--', '--plain', '--no-story'], {
    cwd: clone,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = once(child, 'close');
  let text = '';
  const delivered = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no packet delivered: ${text}`)), GIVE_UP_MS);
    const listen = (chunk) => {
      text += chunk;
      if (!/first packet delivered/.test(text)) return;
      clearTimeout(timer);
      resolve(performance.now() - began);
    };
    child.stdout.setEncoding('utf8').on('data', listen);
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    ended.then(() => {
      clearTimeout(timer);
      reject(new Error(`npm start ended: ${text.slice(-800)}`));
    });
  });
  try {
    return await delivered;
  } finally {
    // The whole group of this child: npm passes no signal on to what it has started.
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGINT');
    await ended;
  }
}
