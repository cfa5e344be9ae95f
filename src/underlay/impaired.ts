/**
 * The lab's bad Internet: an underlay around another one that sends each datagram through a
 * `PathModel` of its remote. What comes in is passed on as it is, so a link is impaired in each
 * direction by the node that sends.
 *
 * Held datagrams wait in a heap for one timer that stands at the soonest of them. Node's timers
 * have a grain of 1 ms and come about half a grain late, so the timer is armed for the grain before
 * and whatever is due within one more leaves with it: at 20 ms the mean error measures 0.06 ms, the
 * spread is below the jitter of any real path, and nothing spins. Without impairments nothing is
 * copied and no timer runs.
 *
 * Refused on a network that was not made as a lab: it must not be possible to cut a production
 * link by a slip of the keyboard.
 */

import {
  type Impairments,
  impairmentsProblem,
  type PathDrop,
  PathModel,
} from '../impairment/index.ts';
import {
  DatagramBatch,
  Heap,
  type Instant,
  later,
  milliseconds,
  OverlayError,
  type Random,
  type UnderlayAddress,
} from '../kernel/index.ts';
import type { Clock } from './clock.ts';
import type { ReceiveBatch, Underlay } from './underlay.ts';

export interface ImpairedUnderlayOptions {
  readonly inner: Underlay;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether the network's manifest says that it is a lab; asked at each change. */
  readonly isLab: () => boolean;
  /** Datagrams held at a time. Default 16384; the newest is dropped and counted. */
  readonly heldMax?: number;
}

interface Held {
  readonly due: Instant;
  readonly order: number;
  readonly bytes: Uint8Array;
  readonly remote: UnderlayAddress;
  readonly local: number;
}

/** A grain of the timers: what is due this soon leaves now. */
const EARLY = milliseconds(1);
/** How long `close` lets held datagrams still travel: a goodbye should arrive in a lab too. */
const LINGER_MS = 500;

export class ImpairedUnderlay implements Underlay {
  private readonly inner: Underlay;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly isLab: () => boolean;
  private readonly heldMax: number;
  private readonly paths = new Map<string, PathModel>();
  private readonly held = new Heap<Held>((a, b) => a.due - b.due || a.order - b.order);
  private readonly outgoing = new DatagramBatch({ capacity: 128, slabBytes: 256 * 1024 });
  private order = 0;
  /** From then on the shim's own counters are shown. */
  private wasImpaired = false;
  private heldOverflows = 0;
  private readonly pastDrops: Record<PathDrop, number> = { cut: 0, mtu: 0, queue: 0, loss: 0 };
  private timer: NodeJS.Timeout | undefined;
  private timerDue: Instant | undefined;
  private onEmpty: (() => void) | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: ImpairedUnderlayOptions) {
    this.inner = options.inner;
    this.clock = options.clock;
    this.random = options.random;
    this.isLab = options.isLab;
    this.heldMax = options.heldMax ?? 16_384;
  }

  get kind(): string {
    return this.inner.kind;
  }

  get locals(): readonly UnderlayAddress[] {
    return this.inner.locals;
  }

  get buffers(): { readonly receiveBytes: number; readonly sendBytes: number } {
    return this.inner.buffers;
  }

  /**
   * Changes what happens to datagrams sent to `remote` (a `host:port` key) and returns what is in
   * force. Fails with NOT_A_LAB, BAD_ARGUMENT.
   */
  impair(remote: string, changes: Partial<Impairments>): Impairments {
    this.assertLab();
    const problem = impairmentsProblem(changes);
    if (problem !== undefined) throw new OverlayError('BAD_ARGUMENT', problem);
    let path = this.paths.get(remote);
    if (path === undefined) {
      path = new PathModel({ random: this.random.split(remote) });
      this.paths.set(remote, path);
    }
    this.wasImpaired = true;
    path.change(changes);
    return path.impairments;
  }

  /** Takes every impairment off the way to `remote`. Datagrams held still arrive when due. */
  restore(remote: string): void {
    this.assertLab();
    const path = this.paths.get(remote);
    if (path === undefined) return;
    for (const reason of DROP_REASONS) this.pastDrops[reason] += path.drops[reason];
    this.paths.delete(remote);
  }

  /** What is in force, by remote. */
  impairments(): ReadonlyMap<string, Impairments> {
    return new Map([...this.paths].map(([remote, path]) => [remote, path.impairments]));
  }

  start(receive: ReceiveBatch): void {
    this.inner.start((batch) => {
      if (this.closing === undefined) receive(batch);
    });
  }

  send(batch: DatagramBatch): void {
    if (this.paths.size === 0) {
      this.inner.send(batch);
      return;
    }
    const now = this.clock.now();
    for (let i = 0; i < batch.count; i++) {
      const remote = batch.remotes[i]!;
      const path = this.paths.get(remote.key);
      const local = batch.locals[i]!;
      if (path === undefined) this.pass(batch.view(i), remote, local);
      else {
        const times = path.offer(batch.lengths[i]!, now);
        for (let n = 0; n < times; n++)
          this.hold(path.arrivals[n]!, now, batch.view(i), remote, local);
      }
    }
    this.flush();
    this.arm(now);
  }

  counters(): Record<string, number> {
    const out = this.inner.counters();
    if (!this.wasImpaired) return out;
    const drops = { ...this.pastDrops };
    for (const path of this.paths.values())
      for (const reason of DROP_REASONS) drops[reason] += path.drops[reason];
    for (const reason of DROP_REASONS) out[`impaired.${reason}`] = drops[reason];
    out['impaired.held'] = this.held.length;
    out['impaired.held-overflow'] = this.heldOverflows;
    return out;
  }

  close(): Promise<void> {
    this.closing ??= this.linger().then(() => {
      clearTimeout(this.timer);
      return this.inner.close();
    });
    return this.closing;
  }

  private async linger(): Promise<void> {
    if (this.held.length === 0) return;
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, LINGER_MS);
      this.onEmpty = (): void => {
        clearTimeout(limit);
        resolve();
      };
    });
  }

  private hold(
    due: Instant,
    now: Instant,
    bytes: Uint8Array,
    remote: UnderlayAddress,
    local: number,
  ): void {
    if (due <= later(now, EARLY)) this.pass(bytes, remote, local);
    else if (this.held.length >= this.heldMax) this.heldOverflows++;
    else this.held.push({ due, order: this.order++, bytes: bytes.slice(), remote, local });
  }

  private pass(bytes: Uint8Array, remote: UnderlayAddress, local: number): void {
    if (!this.outgoing.hasRoom(bytes.length)) this.flush();
    this.outgoing.push(bytes, remote, local);
  }

  private flush(): void {
    if (this.outgoing.count === 0) return;
    this.inner.send(this.outgoing);
    this.outgoing.clear();
  }

  private arm(now: Instant): void {
    const next = this.held.peek()?.due;
    if (next === undefined || (this.timerDue !== undefined && this.timerDue <= next)) return;
    clearTimeout(this.timer);
    this.timerDue = next;
    this.timer = setTimeout(this.release, Math.max(1, Math.floor((next - now) / 1_000)));
  }

  private readonly release = (): void => {
    this.timerDue = undefined;
    const now = this.clock.now();
    const until = later(now, EARLY);
    for (let next = this.held.peek(); next !== undefined; next = this.held.peek()) {
      if (next.due > until) break;
      this.held.pop();
      this.pass(next.bytes, next.remote, next.local);
    }
    this.flush();
    this.arm(now);
    if (this.held.length === 0) this.onEmpty?.();
  };

  private assertLab(): void {
    if (this.isLab()) return;
    throw new OverlayError(
      'NOT_A_LAB',
      'this network was not made as a lab; links stay as they are',
    );
  }
}

const DROP_REASONS: readonly PathDrop[] = ['cut', 'mtu', 'queue', 'loss'];
