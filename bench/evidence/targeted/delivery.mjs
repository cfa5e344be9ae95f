/**
 * The share of packets that a set of links delivers in time, exactly, for given losses and latencies.
 *
 * Each link repairs losses as the realtime protocol does, once, in the model of the paper: a packet
 * arrives after T with 1 - p, and after 3T + 2 ms when it was lost, but neither the request on its way
 * back (loss q) nor the repair: p (1 - q) (1 - p); never otherwise. With q = p that is the published
 * p - 2p^2 + p^3. Losses of different links and packets are independent given their rates.
 *
 * The links that lose are tried one after the other, each fast, slow or lost; a branch ends as soon as
 * those already known decide it.
 */
const RECOVERY_EXTRA_MS = 2;
const LOST = Number.POSITIVE_INFINITY;

/** `links`: { from, to, latency (ms), loss, back: loss of the other direction }. Result: 0 .. 1 not delivered within `deadline` ms. */
export function undelivered(links, { source, destination, deadline }) {
  const best = links.map(({ latency }) => latency);
  const worst = links.map(({ latency, loss }) => (loss > 0 ? LOST : latency));
  const lossy = links.map((_, i) => i).filter((i) => links[i].loss > 0);
  const isInTime = (delays) => arrival(links, delays, source, destination) <= deadline;
  const descend = (depth) => {
    if (isInTime(worst)) return 0;
    if (depth === lossy.length || !isInTime(best)) return 1;
    const i = lossy[depth];
    const { loss: p, back: q, latency } = links[i];
    const repaired = p * (1 - q) * (1 - p);
    const slow = 3 * latency + RECOVERY_EXTRA_MS;
    const outcomes = [
      [1 - p, latency],
      [repaired, slow],
      [p - repaired, LOST],
    ];
    const [bestBefore, worstBefore] = [best[i], worst[i]];
    let missed = 0;
    for (const [share, delay] of outcomes) {
      if (share <= 0) continue;
      best[i] = delay;
      worst[i] = delay;
      missed += share * descend(depth + 1);
    }
    best[i] = bestBefore;
    worst[i] = worstBefore;
    return missed;
  };
  return descend(0);
}

function arrival(links, delays, source, destination) {
  const at = new Map([[source, 0]]);
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (let i = 0; i < links.length; i++) {
      const begun = at.get(links[i].from);
      if (begun === undefined || delays[i] === LOST) continue;
      const done = begun + delays[i];
      if (done >= (at.get(links[i].to) ?? LOST)) continue;
      at.set(links[i].to, done);
      isChanged = true;
    }
  }
  return at.get(destination) ?? LOST;
}
