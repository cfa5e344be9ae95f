/** What a process has cost, by the kernel's own accounting. */
import { readdirSync, readFileSync } from 'node:fs';

/** Nanoseconds on a processor, of all threads of a process; undefined where the kernel does not say. */
export function processorTime(pid) {
  try {
    let total = 0;
    for (const task of readdirSync(`/proc/${pid}/task`))
      total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    return total;
  } catch {
    return undefined;
  }
}

/** Bytes resident. */
export function residentBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN);
}
