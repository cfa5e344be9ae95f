/**
 * When the machine could not keep up: times in which processes waited for a processor. What a test
 * that measures time saw then, the network is not to blame for. From the kernel's pressure figures;
 * where there are none (not Linux) the machine counts as idle throughout.
 */
import { readFileSync } from 'node:fs';
import { joined } from './measured-flow.mjs';

const SAMPLE_MS = 100;
/** Of a sample: more is called busy. Twelve daemons, a film and a test by themselves stay below. */
const BUSY_SHARE = 0.6;

export class MachineWatch {
  /** `{ fromMs, toMs, waitedMs }`, in order. */
  #samples = [];
  #last = { atMs: performance.now(), totalMs: totalMs() };
  #timer = setInterval(() => this.#sample(), SAMPLE_MS);

  /** Milliseconds between the two times in which some process waited for a processor. */
  waitedMs(fromMs, toMs) {
    let waited = 0;
    for (const sample of this.#samples) {
      const overlap = Math.min(toMs, sample.toMs) - Math.max(fromMs, sample.fromMs);
      if (overlap > 0) waited += (sample.waitedMs * overlap) / (sample.toMs - sample.fromMs);
    }
    return waited;
  }

  /** Share of the time between the two that was busy. */
  busyShare(fromMs, toMs) {
    const within = this.busy().map((w) => Math.min(toMs, w.toMs) - Math.max(fromMs, w.fromMs));
    return within.reduce((sum, ms) => sum + Math.max(0, ms), 0) / (toMs - fromMs);
  }

  /** Busy times, each with `marginMs` on both sides, joined where they touch. */
  busy(marginMs = 0) {
    const busy = this.#samples.filter((s) => s.waitedMs > BUSY_SHARE * (s.toMs - s.fromMs));
    return joined(busy.map((s) => ({ fromMs: s.fromMs - marginMs, toMs: s.toMs + marginMs })));
  }

  stop() {
    clearInterval(this.#timer);
  }

  #sample() {
    const now = { atMs: performance.now(), totalMs: totalMs() };
    const waitedMs = now.totalMs - this.#last.totalMs;
    this.#samples.push({ fromMs: this.#last.atMs, toMs: now.atMs, waitedMs });
    this.#last = now;
  }
}

function totalMs() {
  try {
    return Number(/some .*total=(\d+)/.exec(readFileSync('/proc/pressure/cpu', 'utf8'))[1]) / 1_000;
  } catch {
    return 0;
  }
}
