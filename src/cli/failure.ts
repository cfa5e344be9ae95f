/** What a person and a program are told when a command fails. */
import { InvariantError, OverlayError } from '../kernel/index.ts';
import type { CliContext } from './context.ts';
import { catalogueEntry, type ErrorArea } from './error-catalogue.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';

export interface Failure {
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly exit: ExitCode;
}

const EXIT_BY_AREA: Readonly<Record<ErrorArea, ExitCode>> = {
  usage: EXIT.usage,
  daemon: EXIT.noDaemon,
  configuration: EXIT.configuration,
  operation: EXIT.failed,
  refusal: EXIT.failed,
};

export function describeFailure(error: unknown, context: Pick<CliContext, 'paint'>): Failure {
  if (!(error instanceof OverlayError)) return defect(error);
  const { code, message, details, isRetryable } = error;
  const entry = catalogueEntry(code);
  const exit =
    code === 'ABORTED'
      ? EXIT.interrupted
      : entry === undefined
        ? EXIT.failed
        : EXIT_BY_AREA[entry.area];
  const { paint } = context;
  const lines = [`${paint('red', 'error')} ${paint('bold', code)}: ${message}`];
  if (entry !== undefined) lines.push(`  ${entry.remedy}`);
  lines.push(paint('dim', `  more: overlane explain ${code}`));
  return { text: lines.join('\n'), data: { code, message, details, isRetryable }, exit };
}

function defect(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const trace = error instanceof Error && error.stack !== undefined ? error.stack : message;
  const what = error instanceof InvariantError ? 'broken invariant' : 'unexpected error';
  return {
    text: `${what}, a defect in overlane; please report it with this trace:\n${trace}`,
    data: { code: 'INTERNAL', message, details: {}, isRetryable: false },
    exit: EXIT.internal,
  };
}
