/** Pauses of a daemon's garbage collector, and how many packets were on their way during one. */
import { existsSync, readFileSync } from 'node:fs';

/** [begin, end] in milliseconds, in order. */
export function readPauses(file) {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ').map(Number))
    .map(([begin, took]) => [begin, begin + took])
    .sort((a, b) => a[0] - b[0]);
}

/**
 * The latencies of packets that met no pause. `arrivals` and `latencies` belong together and are in order of
 * arrival.
 */
export function undisturbed(arrivals, latencies, pauses) {
  const kept = [];
  let next = 0;
  for (let i = 0; i < arrivals.length; i++) {
    const arrived = arrivals[i];
    const left = arrived - latencies[i];
    // What waited behind a pause arrives soon after it; a pause that ended before this packet left is over.
    while (next < pauses.length && pauses[next][1] < left) next++;
    const pause = pauses[next];
    if (pause === undefined || pause[0] > arrived) kept.push(latencies[i]);
  }
  return kept;
}
