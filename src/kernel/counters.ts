export interface CounterCell {
  value: number;
}

/**
 * Named counters, each a plain number: what was dropped or refused and why. Reasons come from our
 * own code, so the set is bounded.
 */
export class Counters {
  private readonly cells = new Map<string, CounterCell>();

  add(name: string, by = 1): void {
    this.cell(name).value += by;
  }

  /** The counter itself, for what is counted with every packet. */
  cell(name: string): CounterCell {
    let cell = this.cells.get(name);
    if (cell === undefined) {
      cell = { value: 0 };
      this.cells.set(name, cell);
    }
    return cell;
  }

  value(name: string): number {
    return this.cells.get(name)?.value ?? 0;
  }

  /** Sorted by name, so that reports and traces do not depend on order of arrival. */
  snapshot(): Record<string, number> {
    const out: Record<string, number> = {};
    for (const name of [...this.cells.keys()].sort()) {
      const { value } = this.cells.get(name)!;
      if (value !== 0) out[name] = value;
    }
    return out;
  }
}
