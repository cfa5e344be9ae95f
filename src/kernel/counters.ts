/**
 * Named counters, each a plain number: what was dropped or refused and why. Reasons come from our
 * own code, so the set is bounded.
 */
export class Counters {
  private readonly values = new Map<string, number>();

  add(name: string, by = 1): void {
    this.values.set(name, (this.values.get(name) ?? 0) + by);
  }

  value(name: string): number {
    return this.values.get(name) ?? 0;
  }

  /** Sorted by name, so that reports and traces do not depend on order of arrival. */
  snapshot(): Record<string, number> {
    const out: Record<string, number> = {};
    for (const name of [...this.values.keys()].sort()) out[name] = this.values.get(name)!;
    return out;
  }
}
