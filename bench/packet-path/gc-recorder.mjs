/**
 * Loaded into a daemon with `--import`: appends when each garbage collection began and how long it took to the
 * file that OVERLANE_GC_FILE names. Milliseconds of the system's monotonic clock, which other processes read too.
 */
import { appendFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';

const file = process.env.OVERLANE_GC_FILE;
const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
if (file !== undefined)
  new PerformanceObserver((list) => {
    const lines = list.getEntries().map((e) => `${e.startTime + offset} ${e.duration}\n`);
    appendFileSync(file, lines.join(''));
  }).observe({ entryTypes: ['gc'] });
