/**
 * What a node drops that gets more than it can serve. Left to the system's buffer, which drops whatever
 * comes when it is full, neighbours would lose their hellos to somebody else's files. So the
 * underlay says how full that buffer is (`DatagramBatch.backlog`), each packet says in the clear what it
 * holds (`sealed-packet.ts`), and above a level its kind is dropped before anything is spent on it: taking a
 * packet from the system costs a tenth of what serving it does. Control is always served.
 *
 * The steps leave room to the end of the buffer for what is still wanted, and the queue in front of it short: it
 * is what a prompt packet waits in. A node sheds until its buffer is empty, then serves all again.
 *
 * What is dropped here is missing in the packet counters, and is not the link's loss: a route that changed
 * because of it would move the load, not lessen it. The count rests on headers that nobody has
 * authenticated; forging them hides, from a node that is overloaded, that a link loses.
 *
 * A neighbour that calls its files control gets them served, to the harm of others while a node is
 * overloaded, which is how it was for all before.
 */
import type { CounterCell, Counters, Instant } from '../kernel/index.ts';
import { DATA_RECOVERY_AT, DROP_FIRST, DROP_LATE, DROP_NORMAL } from '../wire/index.ts';
import type { Session } from './session.ts';

/** Shares of the receiving buffer above which packets of a precedence are dropped. */
const SHED_ABOVE: readonly (readonly [backlog: number, precedence: number])[] = [
  [0.95, DROP_LATE],
  [0.5, DROP_NORMAL],
  [0.25, DROP_FIRST],
];
const NOTHING = DROP_FIRST + 1;

/** Lanes are told apart by priority: voice and remote control are above, files below the rest. */
const PRIORITY_LATE = 12;
const PRIORITY_NORMAL = 4;

export function dropPrecedenceOf(priority: number): number {
  if (priority >= PRIORITY_LATE) return DROP_LATE;
  return priority >= PRIORITY_NORMAL ? DROP_NORMAL : DROP_FIRST;
}

/** Of the data frame at `at`. */
export const dropPrecedenceOfFrame = (bytes: Uint8Array, at: number): number =>
  dropPrecedenceOf(bytes[at + DATA_RECOVERY_AT]! & 15);

/** The least precedence that is dropped at this backlog; above all of them: nothing is. */
export function shedsFrom(backlog: number): number {
  if (backlog > 0)
    for (const [above, precedence] of SHED_ABOVE) if (backlog > above) return precedence;
  return NOTHING;
}

export class Shedding {
  private readonly cells: readonly CounterCell[];

  constructor(counters: Counters) {
    this.cells = ['control', 'prompt', 'normal', 'bulk'].map((kind) =>
      counters.cell(`link.shed.${kind}`),
    );
  }

  /** State: one packet of the session's is dropped unopened. The link has carried it. */
  shed(session: Session, dropPrecedence: number, now: Instant): void {
    this.cells[dropPrecedence]!.value++;
    session.shed++;
    session.link?.path.loss.arrivedUnopened(now);
  }

  /** How many of so many missing counters the link has lost. State: the others are accounted for. */
  static lost(session: Session, missing: number): number {
    if (missing === 0 || session.shed === 0) return missing;
    const own = Math.min(missing, session.shed);
    session.shed -= own;
    return missing - own;
  }
}
