/** What the experiments share: waiting for a condition, quantiles, and figures in words. */
import { readFileSync } from 'node:fs';

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Polls until `ask` answers with something true; throws with `what` after `withinMs`. */
export async function until(what, ask, { withinMs = 30_000, everyMs = 50 } = {}) {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > deadline) throw new Error(`gave up waiting until ${what}`);
    await pause(everyMs);
  }
}

/** The value that a share of `q` of the list does not exceed (nearest rank). */
export function quantile(list, q) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

export const median = (list) => quantile(list, 0.5);

/** Bytes, by the kernel's own accounting. `field`: VmRSS what is resident, VmHWM its peak so far. */
export const processMemory = (pid, field) =>
  1_024 *
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/** Three significant digits at most: more would claim what a shared machine does not give. */
export const digits = (x) => String(Number(x.toPrecision(3)));
export const seconds = (ms) => `${digits(ms / 1_000)} s`;
export const mbit = (bitsPerSecond) => `${digits(bitsPerSecond / 1e6)} Mbit/s`;
export const percent = (share) => `${digits(100 * share)} %`;
