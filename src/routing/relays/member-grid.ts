/**
 * Who looks for relays on whose behalf, without anybody having to say so: members, ascending by
 * address, fill a grid row by row, and a node's *rendezvous* are all others in its row and its column,
 * about 2 sqrt(n) of them. Any two nodes have one in common, nearly always two: those at the corners
 * where the row of one crosses the column of the other. A node tells only its rendezvous what it
 * measures, so that a mesh of n nodes costs each sqrt(n) messages of n figures instead of n of them.
 *
 * The scheme is that of Sontag, Zhang, Phanishayee, Andersen and Karger, "Scaling all-pairs overlay
 * routing" (CoNEXT 2009). The last row may be short: a column that has no place in it borrows one from
 * the members of the last row, in order, so that every corner is somebody.
 */
import type { NodeAddress } from '../../kernel/index.ts';

export class MemberGrid {
  /** Ascending. */
  readonly members: readonly NodeAddress[];
  /** Tells two lists apart: FNV-1a over the addresses, u32. */
  readonly hash: number;
  private readonly placeOf = new Map<NodeAddress, number>();
  private readonly columns: number;
  private readonly rows: number;

  constructor(members: Iterable<NodeAddress>) {
    this.members = [...new Set(members)].sort((a, b) => a - b);
    this.columns = bestColumns(this.members.length);
    this.rows = Math.ceil(this.members.length / this.columns);
    let hash = 0x811c_9dc5;
    this.members.forEach((address, place) => {
      this.placeOf.set(address, place);
      for (let shift = 24; shift >= 0; shift -= 8)
        hash = Math.imul(hash ^ ((address >>> shift) & 255), 0x0100_0193);
    });
    this.hash = hash >>> 0;
  }

  get size(): number {
    return this.members.length;
  }

  /** -1 for an address that is no member. */
  place(address: NodeAddress): number {
    return this.placeOf.get(address) ?? -1;
  }

  /** Places in the row and the column of `place`, without itself, ascending. */
  rendezvousOf(place: number): number[] {
    const found = new Set<number>();
    const [row, column] = [Math.floor(place / this.columns), place % this.columns];
    for (let c = 0; c < this.columns; c++) this.put(found, row, c);
    for (let r = 0; r < this.rows; r++) this.put(found, r, column);
    for (const lender of this.borrowersOf(place)) this.put(found, lender.row, lender.column);
    found.delete(place);
    return [...found].sort((a, b) => a - b);
  }

  private put(into: Set<number>, row: number, column: number): void {
    const place = row * this.columns + column;
    if (place < this.size) into.add(place);
    else into.add(this.stand(column));
  }

  /** Who stands in the last row for a column that has no place there. */
  private stand(column: number): number {
    const first = (this.rows - 1) * this.columns;
    return first + (column % (this.size - first));
  }

  /** Where `place` stands for others: everybody in those columns has it as a rendezvous. */
  private borrowersOf(place: number): { row: number; column: number }[] {
    const first = (this.rows - 1) * this.columns;
    const found: { row: number; column: number }[] = [];
    if (place < first) return found;
    for (let column = this.size - first; column < this.columns; column++)
      if (this.stand(column) === place)
        for (let row = 0; row < this.rows - 1; row++) found.push({ row, column });
    return found;
  }
}

/** The width with the fewest rendezvous for the busiest node: a last row that is full, or nearly. */
function bestColumns(size: number): number {
  const least = Math.max(1, Math.floor(Math.sqrt(size)));
  let best = least;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (let columns = least; columns <= 2 * least + 1; columns++) {
    const rows = Math.ceil(size / columns);
    const inLast = size - (rows - 1) * columns;
    const borrowed = Math.ceil((columns - inLast) / inLast) * (rows - 1);
    const load = rows + columns + borrowed;
    if (load >= bestLoad) continue;
    bestLoad = load;
    best = columns;
  }
  return best;
}
