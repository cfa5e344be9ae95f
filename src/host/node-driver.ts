/**
 * Runs one overlay node on real time: brings datagrams and timeouts in, carries batches out, and
 * keeps the rule that nothing calls into the node from inside the node.
 *
 * What the node tells its sink about sockets and streams becomes an effect. Effects run when the
 * outermost call into the node has returned, in order, so that an application's handler may call
 * back at once. They are bounded by what one input can cause.
 *
 * There is one timer, armed for the node's next timeout and left alone while that moves to later:
 * an early timer only looks and arms itself again. So an idle node wakes as often as its core has
 * something to do and no packet costs a timer. Local calls gather packets; they leave in the check
 * phase of the event loop, several calls to a batch, or as soon as the program's own turn is over where calls
 * are many: the next node can then work at the first packets while this one still takes in the last.
 *
 * An exception out of the core is a bug of ours: the driver stops for good and hands it to
 * `onFatal`, which by default lets the process die of it.
 */
import { assert, type DatagramBatch, type Instant, type WallTime } from '../kernel/index.ts';
import type { NodeInput, NodeSink, OverlayNodeApi } from '../node/index.ts';
import type { Clock, Underlay } from '../underlay/index.ts';

export type SinkAbove = Omit<NodeSink, 'transmit'>;

export interface NodeDriverOptions {
  readonly underlay: Underlay;
  readonly clock: Clock;
  /** Makes the rest of the sink; `transmit` is the driver's. */
  readonly sink: (driver: NodeDriver) => SinkAbove;
  readonly createNode: (sink: NodeSink, now: Instant) => OverlayNodeApi;
  readonly onFatal: (error: unknown) => void;
}

/** setTimeout takes no more than 2^31-1 ms; a look once an hour is as good as never. */
const TIMER_MS_MAX = 3_600_000;
/** How often the wall clock is compared, while the node is awake anyway. */
const CLOCK_CHECK_MS = 1_000;
/** Local calls that are enough for a batch. A daemon's call brings about 16 KiB of a program's. */
const CALLS_TOGETHER_MAX = 16;

export class NodeDriver {
  readonly node: OverlayNodeApi;
  private readonly underlay: Underlay;
  private readonly clock: Clock;
  private readonly onFatal: (error: unknown) => void;
  private depth = 0;
  private effects: (() => void)[] = [];
  private isRunningEffects = false;
  private timer: NodeJS.Timeout | undefined;
  private armedFor: Instant | undefined;
  private isFlushScheduled = false;
  private callsGathered = 0;
  private clockCheckedAt: Instant;
  private isStopped = false;

  constructor(options: NodeDriverOptions) {
    this.underlay = options.underlay;
    this.clock = options.clock;
    this.onFatal = options.onFatal;
    const now = this.clock.now();
    this.clockCheckedAt = now;
    const above = options.sink(this);
    const sink = { ...above, transmit: (batch: DatagramBatch) => this.underlay.send(batch) };
    this.node = options.createNode(sink, now);
  }

  /** Tells the node what the wall clock says and lets datagrams in. */
  start(): void {
    this.handle({ kind: 'wall-clock', wall: this.clock.wall() });
    this.underlay.start((batch) => this.datagrams(batch));
  }

  get isRunning(): boolean {
    return !this.isStopped;
  }

  now(): Instant {
    return this.clock.now();
  }

  wall(): WallTime {
    return this.clock.wall();
  }

  /** Applies an input and sends what follows from it. */
  handle(input: NodeInput): void {
    this.enter((now) => this.node.handle(input, now));
  }

  /**
   * Makes a local call. What it wants sent leaves with the next flush. After the driver has
   * stopped the call is not made and `otherwise` is the answer.
   */
  call<T>(operation: (node: OverlayNodeApi, now: Instant) => T, otherwise: T): T {
    let answer = otherwise;
    this.enter((now) => {
      answer = operation(this.node, now);
    });
    if (++this.callsGathered === CALLS_TOGETHER_MAX) queueMicrotask(this.flush);
    else this.scheduleFlush();
    return answer;
  }

  /** Reads from the node; nothing is sent and no timer moves. */
  read<T>(operation: (node: OverlayNodeApi, now: Instant) => T): T {
    return operation(this.node, this.clock.now());
  }

  /** Runs `effect` as soon as the node is not in the middle of a call. For sink methods. */
  effect(effect: () => void): void {
    this.effects.push(effect);
  }

  /** No input reaches the node any more. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.armedFor = undefined;
  }

  private datagrams(batch: DatagramBatch): void {
    this.handle({ kind: 'datagrams', batch });
  }

  private enter(operation: (now: Instant) => void): void {
    if (this.isStopped) return;
    assert(this.depth === 0, 'the node was called from inside itself');
    this.depth++;
    try {
      operation(this.clock.now());
    } catch (error) {
      this.fail(error);
    } finally {
      this.depth--;
    }
    this.arm();
    this.runEffects();
  }

  /** Effects may call into the node and so add effects; the outermost loop runs those too. */
  private runEffects(): void {
    if (this.isRunningEffects) return;
    this.isRunningEffects = true;
    while (this.effects.length > 0) {
      const due = this.effects;
      this.effects = [];
      for (const effect of due) {
        try {
          effect();
        } catch (error) {
          throwLater(error);
        }
      }
    }
    this.isRunningEffects = false;
  }

  private arm(): void {
    if (this.isStopped) return;
    const next = this.node.nextTimeout();
    if (next === undefined) return;
    if (this.armedFor !== undefined && this.armedFor <= next) return;
    clearTimeout(this.timer);
    this.armedFor = next;
    const waitMs = Math.ceil((next - this.clock.now()) / 1_000);
    this.timer = setTimeout(this.fire, Math.min(Math.max(waitMs, 1), TIMER_MS_MAX));
  }

  private readonly fire = (): void => {
    this.armedFor = undefined;
    this.checkClock();
    const now = this.clock.now();
    const due = this.node.nextTimeout();
    if (due === undefined || due > now) {
      this.arm();
      return;
    }
    this.enter((at) => {
      this.node.handle({ kind: 'timeout' }, at);
      const next = this.node.nextTimeout();
      assert(next === undefined || next > due, `a due timeout made no progress at ${due}`);
    });
  };

  private checkClock(): void {
    const now = this.clock.now();
    if (now - this.clockCheckedAt < CLOCK_CHECK_MS * 1_000) return;
    this.clockCheckedAt = now;
    if (this.clock.stepped()) this.handle({ kind: 'wall-clock', wall: this.clock.wall() });
  }

  private scheduleFlush(): void {
    if (this.isFlushScheduled || this.isStopped) return;
    this.isFlushScheduled = true;
    setImmediate(this.flushScheduled);
  }

  private readonly flushScheduled = (): void => {
    this.isFlushScheduled = false;
    if (this.callsGathered > 0) this.flush();
  };

  /** Sends what local calls have gathered. */
  readonly flush = (): void => {
    this.callsGathered = 0;
    this.enter((now) => this.node.flush(now));
  };

  private fail(error: unknown): void {
    this.stop();
    this.onFatal(error);
  }
}

/** An application's handler threw. That is its uncaught exception, not the node's. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
