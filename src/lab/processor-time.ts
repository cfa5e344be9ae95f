/** What a process has cost so far, by the kernel's own accounting. Linux; elsewhere nothing is known. */
import { readdirSync, readFileSync } from 'node:fs';

/** Nanoseconds on a processor, of all threads of a process; undefined where the system does not say. */
export function processorTime(pid: number): number | undefined {
  try {
    let total = 0;
    for (const task of readdirSync(`/proc/${pid}/task`))
      total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    return total;
  } catch {
    return undefined;
  }
}
