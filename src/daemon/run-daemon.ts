/**
 * A daemon as a process: signals and exit codes around `Daemon`. SIGHUP reloads the config and opens
 * the log file anew, SIGTERM and SIGINT stop in good order, a second one does not wait.
 *
 * The daemon proper is loaded when it is run, so that commands that only talk to one stay quick.
 */
import { readFileSync } from 'node:fs';
import { OverlayError } from '../kernel/index.ts';
import type { Config } from './config.ts';
import type { Daemon } from './daemon.ts';
import type { DaemonOptions } from './daemon-parts.ts';

/**
 * Arguments for Node itself that suit a daemon.
 *
 * - A small young generation. Idle daemons of the lab stay below 75 MB instead of growing to 88 (twelve daemons, 30 s),
 *   for the same processor time.
 * - A collector without threads of its own. On a processor that is busy its four take turns with the daemon, 4 ms
 *   each: packets waited 12 to 25 ms for a heap that is marked in 25 ms, in steps of half a millisecond.
 */
export const DAEMON_NODE_ARGUMENTS: readonly string[] = [
  '--max-semi-space-size=2',
  '--single-threaded-gc',
];

export interface RunOptions extends Pick<DaemonOptions, 'isControlled' | 'logTarget'> {
  readonly config?: string | Config | undefined;
  readonly state?: string | undefined;
  readonly control?: string | undefined;
  /** Stops the daemon as SIGTERM does. */
  readonly signal?: AbortSignal;
  /** Default true: SIGHUP, SIGTERM and SIGINT of this process are the daemon's. */
  readonly isProcess?: boolean;
}

/** sysexits(3): EX_SOFTWARE, for our own bugs. */
const EXIT_BUG = 70;

/** Starts a daemon. Fails as `Daemon.start` does. */
export async function startDaemon(options: RunOptions): Promise<Daemon> {
  const [{ Daemon }, { OverlayNode }] = await Promise.all([
    import('./daemon.ts'),
    import('../node/index.ts'),
  ]);
  const { isProcess, signal: _signal, ...rest } = options;
  return Daemon.start({
    ...rest,
    createNode: OverlayNode.start,
    version: packageVersion(),
    ...(isProcess === false ? {} : { onFatal: () => process.exit(EXIT_BUG) }),
  });
}

/** Runs a daemon until it has stopped; resolves with the exit code. Fails as `Daemon.start` does. */
export async function runDaemon(options: RunOptions = {}): Promise<number> {
  const daemon = await startDaemon(options);
  const stop = (): void => daemon.stop();
  const stopNow = (): void => {
    process.off('SIGTERM', stopNow).off('SIGINT', stopNow);
    process.once('SIGTERM', exitNow).once('SIGINT', exitNow);
    stop();
  };
  const exitNow = (): void => process.exit(1);
  const reload = (): void => {
    daemon.reload().catch((error: unknown) => {
      if (!(error instanceof OverlayError)) throw error;
      daemon.complain(error, 'reload refused: the config before stays in force');
    });
  };
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted === true) stop();
  if (options.isProcess !== false)
    process.on('SIGTERM', stopNow).on('SIGINT', stopNow).on('SIGHUP', reload);
  // Started by a Node program with a channel to it (the lab): ends when that program does.
  process.once('disconnect', stop);
  process.channel?.unref();
  try {
    await daemon.ended;
    return 0;
  } finally {
    process.off('SIGTERM', stopNow).off('SIGINT', stopNow).off('SIGHUP', reload);
    process.off('disconnect', stop);
    process.off('SIGTERM', exitNow).off('SIGINT', exitNow);
  }
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return String((JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }).version);
}
