/** What the second phase of a scenario requires has to come true by its deadline. */
import type { Checker, TraceEvent } from '../trace.ts';

export class Heals implements Checker {
  readonly invariant = 'heals';

  event(event: TraceEvent): string | undefined {
    if (event.kind !== 'expected' || event.isMet) return undefined;
    return `${event.what}: ${event.text}`;
  }
}
