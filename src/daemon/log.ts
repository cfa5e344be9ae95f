/**
 * Structured logs: one JSON object a line, one logger a subsystem, levels changeable while running.
 * What peers do wrong is counted and logged at debug only, so that nobody outside can fill a disk.
 */
import pino from 'pino';
import { OverlayError } from '../kernel/index.ts';
import type { LogLevel, LogSubsystem } from './config.ts';
import { LOG_LEVELS, LOG_SUBSYSTEMS, type LogConfig } from './config.ts';

export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  trace(fields: object, message: string): void;
}

export interface LogChange {
  /** Absent: every subsystem. */
  readonly subsystem?: LogSubsystem | undefined;
  readonly level: LogLevel;
  /** After this many milliseconds the configured level is back. Absent: until the next change. */
  readonly forMs?: number | undefined;
}

/** Where lines go; standard output, a file, or a test. */
export interface LogTarget {
  write(line: string): unknown;
  reopen?(): void;
  flushSync?(): void;
}

export class Logs {
  private config: LogConfig;
  private readonly target: LogTarget;
  private readonly loggers = new Map<LogSubsystem, pino.Logger>();
  private readonly resets = new Map<LogSubsystem, NodeJS.Timeout>();

  constructor(config: LogConfig, options: { name?: string; target?: LogTarget } = {}) {
    this.config = config;
    this.target =
      options.target ??
      pino.destination({ dest: config.file ?? 1, mkdir: true, sync: config.file === undefined });
    const root = pino(
      {
        level: 'trace',
        base: options.name === undefined ? {} : { node: options.name },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        messageKey: 'message',
        errorKey: 'error',
      },
      this.target as pino.DestinationStream,
    );
    for (const subsystem of LOG_SUBSYSTEMS) {
      const level = config.subsystems[subsystem] ?? config.level;
      this.loggers.set(subsystem, root.child({ subsystem }, { level }));
    }
  }

  for(subsystem: LogSubsystem): Logger {
    return this.loggers.get(subsystem)!;
  }

  levels(): Record<LogSubsystem, LogLevel> {
    return Object.fromEntries(
      LOG_SUBSYSTEMS.map((name) => [name, this.loggers.get(name)!.level]),
    ) as Record<LogSubsystem, LogLevel>;
  }

  /** Fails with BAD_ARGUMENT. State: a later change to the same subsystem ends an earlier `forMs`. */
  change(change: LogChange): void {
    const subsystems = change.subsystem === undefined ? LOG_SUBSYSTEMS : [change.subsystem];
    if (!LOG_LEVELS.includes(change.level) || subsystems.some((s) => !LOG_SUBSYSTEMS.includes(s)))
      throw new OverlayError('BAD_ARGUMENT', 'no such log level or subsystem', {
        details: { levels: LOG_LEVELS, subsystems: LOG_SUBSYSTEMS },
      });
    for (const subsystem of subsystems) {
      clearTimeout(this.resets.get(subsystem));
      this.resets.delete(subsystem);
      this.loggers.get(subsystem)!.level = change.level;
      if (change.forMs === undefined) continue;
      const reset = setTimeout(() => this.restore(subsystem), change.forMs).unref();
      this.resets.set(subsystem, reset);
    }
  }

  /** A new config replaces what was changed by hand. */
  reconfigure(config: LogConfig): void {
    this.config = config;
    for (const subsystem of LOG_SUBSYSTEMS) this.restore(subsystem);
  }

  /** For log rotation: the file is opened anew under its name. */
  reopen(): void {
    if (this.config.file !== undefined) this.target.reopen?.();
  }

  close(): void {
    for (const reset of this.resets.values()) clearTimeout(reset);
    this.resets.clear();
    try {
      this.target.flushSync?.();
    } catch {
      // A file that was never opened has nothing to flush.
    }
  }

  private restore(subsystem: LogSubsystem): void {
    clearTimeout(this.resets.get(subsystem));
    this.resets.delete(subsystem);
    const level = this.config.subsystems[subsystem] ?? this.config.level;
    this.loggers.get(subsystem)!.level = level;
  }
}
