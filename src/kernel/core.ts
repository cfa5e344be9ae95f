import type { Instant } from './time.ts';

/**
 * A synchronous state machine. Applying an input returns what follows from it; nothing else
 * happens. Timers are fields: the owner asks for the next one and brings it back as a timeout.
 */
export interface Core<Input, Output> {
  /** Applies one input. `now` never goes backwards. Outputs happen in the order returned. */
  handle(input: Input | { readonly kind: 'timeout' }, now: Instant): readonly Output[];
  /**
   * When a timeout is next wanted. Asking has no effect. An early or repeated timeout is a no-op;
   * a due one must make progress, that is, move this to a later instant.
   */
  nextTimeout(): Instant | undefined;
}
