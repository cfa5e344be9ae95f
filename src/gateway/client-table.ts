/**
 * UDP has no connections, so a client is an address that was heard from lately. Bounded: with
 * `max` clients the longest silent one gives way; one silent for `idleMs` is forgotten.
 */
export interface Client {
  close(): void;
}

interface Entry<T> {
  readonly client: T;
  heardAt: number;
}

export class ClientTable<T extends Client> {
  private readonly max: number;
  private readonly idleMs: number;
  private readonly now: () => number;
  /** In the order last heard from, oldest first. */
  private readonly entries = new Map<string, Entry<T>>();
  private readonly timer: NodeJS.Timeout;
  evictions = 0;

  constructor(options: { max: number; idleMs: number; now?: () => number }) {
    this.max = options.max;
    this.idleMs = options.idleMs;
    this.now = options.now ?? (() => performance.now());
    this.timer = setInterval(() => this.sweep(), Math.max(250, options.idleMs / 4)).unref();
  }

  get size(): number {
    return this.entries.size;
  }

  /** The client of this key, made when there is none; counts as heard from. */
  heard(key: string, make: () => T): T {
    const known = this.entries.get(key);
    this.entries.delete(key);
    const entry = known ?? { client: make(), heardAt: 0 };
    entry.heardAt = this.now();
    this.entries.set(key, entry);
    if (this.entries.size > this.max) {
      this.evictions++;
      this.forget(this.entries.keys().next().value!);
    }
    return entry.client;
  }

  /** Answers keep a client alive too. */
  touch(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    entry.heardAt = this.now();
    this.entries.set(key, entry);
  }

  forget(key: string): void {
    const entry = this.entries.get(key);
    this.entries.delete(key);
    entry?.client.close();
  }

  sweep(): void {
    const limit = this.now() - this.idleMs;
    for (const [key, entry] of this.entries) {
      if (entry.heardAt > limit) break;
      this.forget(key);
    }
  }

  close(): void {
    clearInterval(this.timer);
    for (const key of [...this.entries.keys()]) this.forget(key);
  }
}
