#!/usr/bin/env node
/** The `overlane` program: a command line in, an exit code out. */
import { setTimeout as delay } from 'node:timers/promises';
import { runCommandLine } from './application.ts';
import type { CliContext } from './context.ts';
import { realDaemons } from './daemon-adapter.ts';
import { EXIT } from './exit-codes.ts';
import { describeFailure } from './failure.ts';
import { realSimulator } from './simulator-adapter.ts';
import { choosePaint } from './views/paint.ts';

function realContext(): CliContext {
  const stop = new AbortController();
  const onSignal = (): void => {
    // Asked a second time, we do not wait for anything any more.
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const paint = choosePaint({ isTerminal: process.stdout.isTTY === true, env: process.env });
  return {
    process: {
      stdout: { write: (text) => void process.stdout.write(text), getColorDepth: () => 1 },
      stderr: { write: (text) => void process.stderr.write(text), getColorDepth: () => 1 },
      env: process.env as Readonly<Record<string, string>>,
      exitCode: null,
    },
    env: process.env,
    paint,
    stdin: process.stdin,
    stdout: process.stdout,
    daemons: realDaemons(process.env),
    simulator: realSimulator(),
    now: () => new Date(),
    elapsedMs: () => performance.now(),
    pause: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
    signal: stop.signal,
  };
}

// A reader that went away (`overlane status | head -1`) is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

const context = realContext();
try {
  await runCommandLine(process.argv.slice(2), context);
  process.exitCode = Number(context.process.exitCode ?? EXIT.ok);
} catch (error) {
  const failure = describeFailure(error, context);
  process.stderr.write(`${failure.text}\n`);
  process.exitCode = failure.exit;
}
// `pipe` may have left standard input open, which would hold the process.
process.stdin.unref?.();
