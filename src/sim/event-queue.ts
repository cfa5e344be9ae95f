/**
 * Virtual time: a heap of things to do, ordered by when and then by who asked first, so that a run
 * depends on nothing but its seed. Time jumps from one event to the next.
 */
import type { Duration } from '../kernel/index.ts';
import { assert, Heap } from '../kernel/index.ts';

export interface ScheduledEvent {
  readonly at: number;
  readonly order: number;
  /** Undefined once it ran or was cancelled. */
  run: (() => void) | undefined;
}

const byTime = (a: ScheduledEvent, b: ScheduledEvent): number => a.at - b.at || a.order - b.order;

export class EventQueue {
  private readonly heap = new Heap<ScheduledEvent>(byTime);
  private asked = 0;
  private clock = 0;
  /** Events run since the start. */
  executed = 0;

  /** Virtual time since the start of the simulation. */
  get now(): Duration {
    return this.clock as Duration;
  }

  /** Runs `run` at `at`, or now where that has passed. */
  schedule(at: number, run: () => void): ScheduledEvent {
    const event = { at: Math.max(Math.ceil(at), this.clock), order: this.asked++, run };
    this.heap.push(event);
    return event;
  }

  cancel(event: ScheduledEvent): void {
    event.run = undefined;
  }

  /** When the next event is due; cancelled ones are forgotten on the way. */
  nextAt(): number | undefined {
    for (;;) {
      const next = this.heap.peek();
      if (next === undefined || next.run !== undefined) return next?.at;
      this.heap.pop();
    }
  }

  /** Runs the next event, if one is due by `limit`; otherwise moves time to `limit`. */
  step(limit: number): boolean {
    const at = this.nextAt();
    if (at === undefined || at > limit) {
      this.clock = Math.max(this.clock, limit);
      return false;
    }
    const event = this.heap.pop()!;
    assert(at >= this.clock, 'virtual time went backwards');
    this.clock = at;
    const run = event.run!;
    event.run = undefined;
    this.executed++;
    run();
    return true;
  }
}
