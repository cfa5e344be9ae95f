/** No table grows past what its option says. */
import type { Checker, TraceEvent } from '../trace.ts';

export class WithinBounds implements Checker {
  readonly invariant = 'within-bounds';

  event(event: TraceEvent): string | undefined {
    if (event.kind !== 'bound' || event.value <= event.bound) return undefined;
    return `${event.name} is ${event.value}, above its bound of ${event.bound}`;
  }
}
