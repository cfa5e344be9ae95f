/**
 * Maximum over a sliding window in constant space: the three best candidates by age, after Kathleen
 * Nichols' estimator as BBR uses it. Exact while values keep coming, never above the true maximum.
 */
export class WindowedMax {
  private readonly window: number;
  private readonly values: [number, number, number] = [0, 0, 0];
  private readonly times: [number, number, number] = [0, 0, 0];

  /** In the unit of the `time` given to `update`. */
  constructor(window: number) {
    this.window = window;
  }

  get value(): number {
    return this.values[0];
  }

  reset(time: number, value: number): void {
    this.values.fill(value);
    this.times.fill(time);
  }

  update(time: number, value: number): void {
    const { values, times, window } = this;
    if (value >= values[0] || time - times[2] > window) {
      this.reset(time, value);
      return;
    }
    if (value >= values[1]) this.place(1, time, value);
    else if (value >= values[2]) this.place(2, time, value);
    if (time - times[0] > window) {
      this.shift(time, value);
      if (time - times[0] > window) this.shift(time, value);
    } else if (times[1] === times[0] && time - times[0] > window / 4) {
      this.place(1, time, value);
    } else if (times[2] === times[1] && time - times[1] > window / 2) {
      this.place(2, time, value);
    }
  }

  private place(from: 1 | 2, time: number, value: number): void {
    for (let i = from; i < 3; i++) {
      this.values[i] = value;
      this.times[i] = time;
    }
  }

  private shift(time: number, value: number): void {
    this.values[0] = this.values[1];
    this.times[0] = this.times[1];
    this.values[1] = this.values[2];
    this.times[1] = this.times[2];
    this.values[2] = value;
    this.times[2] = time;
  }
}
