/** Round-trip times of direct, ours and the oracles, of every ordered pair at drawn moments. */

/** Collects samples; `take(matrix, choose)` at each moment. */
export class Score {
  constructor(matrices) {
    this.matrices = matrices;
    this.n = matrices[0].n;
    this.oracles = new Map();
    this.direct = [];
    this.ours = [];
    this.oneHop = [];
    this.anyHop = [];
    this.lost = 0;
    this.noWorse = 0;
    this.relayed = 0;
    /** Pairs without a direct way, and those of them that a relay reached. */
    this.cutOff = 0;
    this.reached = 0;
  }

  take(m, choose) {
    const { n } = this;
    const { rtt } = this.matrices[m];
    const oracle = this.oracleOf(m);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        if (i === j) continue;
        const direct = rtt[i * n + j];
        const relay = choose(i, j);
        const ours = relay < 0 ? direct : viaOf(rtt, n, i, relay, j);
        if (direct === 0) {
          this.cutOff++;
          if (ours > 0) this.reached++;
          continue;
        }
        this.direct.push(direct);
        this.oneHop.push(oracle.oneHop[i * n + j]);
        this.anyHop.push(oracle.anyHop[i * n + j]);
        if (relay >= 0) this.relayed++;
        if (ours === 0) this.lost++;
        else {
          this.ours.push(ours);
          if (ours <= direct) this.noWorse++;
        }
      }
  }

  oracleOf(m) {
    const known = this.oracles.get(m);
    if (known !== undefined) return known;
    const made = oracle(this.matrices[m].rtt, this.n);
    this.oracles.clear();
    this.oracles.set(m, made);
    return made;
  }

  result() {
    const count = this.direct.length;
    return {
      direct: summary(this.direct),
      ours: summary(this.ours),
      oneHop: summary(this.oneHop),
      anyHop: summary(this.anyHop),
      samples: count,
      lost: this.lost / count,
      noWorse: this.noWorse / count,
      relayed: this.relayed / count,
      reached: this.cutOff === 0 ? 1 : this.reached / this.cutOff,
    };
  }
}

function viaOf(rtt, n, i, relay, j) {
  const first = rtt[i * n + relay];
  const second = rtt[relay * n + j];
  return first > 0 && second > 0 ? first + second : 0;
}

function oracle(rtt, n) {
  const cost = Float64Array.from(rtt, (x) => (x > 0 ? x : Number.POSITIVE_INFINITY));
  const oneHop = Float64Array.from(cost);
  for (let i = 0; i < n; i++)
    for (let v = 0; v < n; v++) {
      const first = cost[i * n + v];
      if (v === i || first === Number.POSITIVE_INFINITY) continue;
      for (let j = 0; j < n; j++) {
        const via = first + cost[v * n + j];
        if (via < oneHop[i * n + j]) oneHop[i * n + j] = via;
      }
    }
  const anyHop = Float64Array.from(oneHop);
  for (let v = 0; v < n; v++)
    for (let i = 0; i < n; i++) {
      const first = anyHop[i * n + v];
      for (let j = 0; j < n; j++) {
        const via = first + anyHop[v * n + j];
        if (via < anyHop[i * n + j]) anyHop[i * n + j] = via;
      }
    }
  return { oneHop, anyHop };
}

/** Seconds. */
function summary(list) {
  const sorted = Float64Array.from(list).sort();
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] / 1e6;
  let sum = 0;
  for (const x of sorted) sum += x;
  return { mean: sum / sorted.length / 1e6, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
