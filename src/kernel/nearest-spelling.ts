/**
 * The known word a person most likely meant: the one at the least edit distance (Damerau's, with
 * neighbouring letters swapped counted once), if it is near enough to be worth naming. Case and the
 * difference between `-`, `_` and camel case do not count.
 */
export function nearestSpelling(word: string, known: Iterable<string>): string | undefined {
  const wanted = folded(word);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, folded(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

const WORD_MAX = 64;
const folded = (word: string): string =>
  word.slice(0, WORD_MAX).toLowerCase().replaceAll('-', '').replaceAll('_', '');

/** Optimal string alignment distance; time and space are bounded by `WORD_MAX`. */
function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  const cost = new Uint16Array((a.length + 1) * width);
  for (let i = 0; i <= a.length; i++) cost[i * width] = i;
  for (let j = 0; j <= b.length; j++) cost[j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const at = i * width + j;
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(
        cost[at - width]! + 1,
        cost[at - 1]! + 1,
        cost[at - width - 1]! + change,
      );
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) least = Math.min(least, cost[at - 2 * width - 2]! + 1);
      cost[at] = least;
    }
  }
  return cost[a.length * width + b.length]!;
}
