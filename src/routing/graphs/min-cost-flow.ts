/**
 * Unit flows of least total cost, one shortest augmenting way at a time (Busacker and Gowen, 1960;
 * for two ways it is Suurballe's problem). Taking back part of an earlier way costs what it cost,
 * negatively, hence Bellman and Ford's algorithm with a queue for each way.
 *
 * Every arc carries one unit at most. A network has up to a few hundred arcs and few units flow, so
 * nothing cleverer pays.
 */
export class MinCostFlow {
  /** Arc `i` and its reverse `i ^ 1`, in one list. */
  private readonly heads: number[] = [];
  private readonly costs: number[] = [];
  private readonly room: number[] = [];
  private readonly leaving: number[][];

  constructor(places: number) {
    this.leaving = Array.from({ length: places }, () => []);
  }

  /** `cost` is not negative. */
  arc(from: number, to: number, cost: number): void {
    this.leaving[from]!.push(this.heads.length);
    this.heads.push(to);
    this.costs.push(cost);
    this.room.push(1);
    this.leaving[to]!.push(this.heads.length);
    this.heads.push(from);
    this.costs.push(-cost);
    this.room.push(0);
  }

  /** Sends one more unit from `source` to `sink`; its cost, infinite when there is no way. */
  augment(source: number, sink: number): number {
    const distance = new Float64Array(this.leaving.length).fill(Number.POSITIVE_INFINITY);
    const arrivedBy = new Int32Array(this.leaving.length).fill(-1);
    const isQueued = new Uint8Array(this.leaving.length);
    const queue = [source];
    distance[source] = 0;
    for (let i = 0; i < queue.length; i++) {
      const at = queue[i]!;
      isQueued[at] = 0;
      for (const arc of this.leaving[at]!) {
        const to = this.heads[arc]!;
        const length = distance[at]! + this.costs[arc]!;
        if (this.room[arc] === 0 || length >= distance[to]!) continue;
        distance[to] = length;
        arrivedBy[to] = arc;
        if (isQueued[to] === 1) continue;
        isQueued[to] = 1;
        queue.push(to);
      }
    }
    if (distance[sink] === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    for (let at = sink; at !== source; at = this.heads[arrivedBy[at]! ^ 1]!) {
      const arc = arrivedBy[at]!;
      this.room[arc] = 0;
      this.room[arc ^ 1] = 1;
    }
    return distance[sink]!;
  }

  /** The places that the units pass, one list for each, from `source` to `sink`. */
  ways(source: number, sink: number): number[][] {
    const isUsed = new Uint8Array(this.heads.length);
    const ways: number[][] = [];
    for (const first of this.leaving[source]!) {
      if (!this.carries(first)) continue;
      const way = [source];
      for (let arc: number | undefined = first; arc !== undefined; ) {
        isUsed[arc] = 1;
        const at: number = this.heads[arc]!;
        way.push(at);
        if (at === sink) break;
        arc = this.leaving[at]!.find((next) => isUsed[next] === 0 && this.carries(next));
      }
      ways.push(way);
    }
    return ways;
  }

  private carries(arc: number): boolean {
    return (arc & 1) === 0 && this.room[arc] === 0;
  }
}
