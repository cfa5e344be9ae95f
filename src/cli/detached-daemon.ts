/** A daemon that outlives the command that started it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DAEMON_NODE_ARGUMENTS } from '../daemon/index.ts';
import { OverlayError } from '../kernel/index.ts';

export interface DetachOptions {
  /** Arguments after `overlane`. */
  readonly words: readonly string[];
  readonly log: string;
  /** Resolves when the daemon answers, rejects while it does not. */
  readonly probe: () => Promise<unknown>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

const POLL_MS = 50;
const LOG_LINES_TOLD = 5;

/** Its process id, once it answers. Fails with START_FAILED; then nothing is left running. */
export async function startDetached(options: DetachOptions): Promise<number> {
  mkdirSync(dirname(options.log), { recursive: true, mode: 0o700 });
  const from = sizeOf(options.log);
  const log = openSync(options.log, 'a', 0o600);
  const program = fileURLToPath(new URL('main.js', import.meta.url));
  const child = spawn(process.execPath, [...DAEMON_NODE_ARGUMENTS, program, ...options.words], {
    detached: true,
    stdio: ['ignore', log, log],
    // It must not hold the directory somebody may want to unmount or remove.
    cwd: '/',
  });
  closeSync(log);
  try {
    await answering(child, options, from);
  } catch (error) {
    child.kill('SIGTERM');
    throw error;
  }
  child.unref();
  return child.pid!;
}

async function answering(child: ChildProcess, options: DetachOptions, from: number): Promise<void> {
  const failed = (why: string): OverlayError =>
    new OverlayError('START_FAILED', `${why}${lastLines(options.log, from)}`, {
      details: { log: options.log },
    });
  let spawnFault: Error | undefined;
  child.once('error', (error) => {
    spawnFault = error;
  });
  const until = performance.now() + options.timeoutMs;
  while (true) {
    if (spawnFault !== undefined) throw failed(`cannot start: ${spawnFault.message}`);
    if (child.exitCode !== null) throw failed(`the daemon ended with ${child.exitCode}`);
    if (child.signalCode !== null) throw failed(`the daemon ended by ${child.signalCode}`);
    const isUp = await options.probe().then(
      () => true,
      () => false,
    );
    // Somebody else's daemon may be what answers: ours must be alive then.
    if (isUp && child.exitCode === null) return;
    if (options.signal.aborted) throw new OverlayError('ABORTED', 'interrupted');
    if (performance.now() > until) throw failed('the daemon does not answer');
    await delay(POLL_MS);
  }
}

function sizeOf(file: string): number {
  try {
    return readFileSync(file).length;
  } catch {
    return 0;
  }
}

function lastLines(file: string, from: number): string {
  const text = readFileSync(file).subarray(from).toString('utf8').trim();
  return text === '' ? '' : `:\n${text.split('\n').slice(-LOG_LINES_TOLD).join('\n')}`;
}
