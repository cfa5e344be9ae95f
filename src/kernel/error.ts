/**
 * The one error class that callers of the API see. `code` is stable and append-only (docs/errors.md,
 * `overlane explain CODE`); branch on it, never on the text.
 */
export class OverlayError extends Error {
  override readonly name = 'OverlayError';
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly isRetryable: boolean;

  constructor(
    code: string,
    message: string,
    options: { details?: Record<string, unknown>; isRetryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.isRetryable = options.isRetryable ?? false;
  }
}
