/**
 * What a command may use of the world. Commands take everything from here, so that a test can run a
 * whole command line against a fake daemon, fixed clocks and captured output.
 */
import type { Readable, Writable } from 'node:stream';
import type { CommandContext, StricliProcess } from '@stricli/core';
import type { DaemonPort } from './daemon-port.ts';
import type { SimulatorPort } from './simulator-port.ts';
import type { Paint } from './views/paint.ts';

export interface CliContext extends CommandContext {
  readonly process: StricliProcess;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly paint: Paint;
  /** Raw bytes in and out, for `pipe`. */
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly daemons: DaemonPort;
  readonly simulator: SimulatorPort;
  /** What people's clocks say. */
  now(): Date;
  /** Monotonic milliseconds, for spans. */
  elapsedMs(): number;
  /** Resolves after `ms`, or at once when the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Aborted by Ctrl-C and SIGTERM; a second Ctrl-C ends the process at once. */
  readonly signal: AbortSignal;
}

export const print = (context: CliContext, text: string): void =>
  context.process.stdout.write(`${text}\n`);

export const complain = (context: CliContext, text: string): void =>
  context.process.stderr.write(`${text}\n`);
