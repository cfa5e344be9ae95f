/** Which numbers a window has seen, as lengths of runs from the greatest down: seen, missing, seen ... */

export interface RunsOptions {
  readonly greatest: number;
  /** Numbers looked at, at most. */
  readonly span: number;
  readonly runsMax: number;
  readonly has: (number: number) => boolean;
}

/** Nothing is said of numbers below the last run, which is one that was seen unless `runsMax` cut it off. */
export function runsDown({ greatest, span, runsMax, has }: RunsOptions): number[] {
  const runs: number[] = [];
  const lowest = Math.max(0, greatest - span + 1);
  let isSeen = true;
  let length = 0;
  for (let n = greatest; n >= lowest; n--) {
    if (has(n) === isSeen) {
      length++;
      continue;
    }
    runs.push(length);
    if (runs.length === runsMax) return runs;
    isSeen = !isSeen;
    length = 1;
  }
  if (isSeen) runs.push(length);
  return runs;
}

/** Whether the number that much below the greatest is in a run of those seen. */
export function isInRuns(runs: readonly number[], below: number): boolean {
  if (below < 0) return false;
  let left = below;
  for (let i = 0; i < runs.length; i++) {
    left -= runs[i]!;
    if (left < 0) return i % 2 === 0;
  }
  return false;
}
