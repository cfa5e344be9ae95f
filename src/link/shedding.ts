/**
 * What a node drops that gets more than it can serve. Left to the system's buffer, which drops whatever
 * comes when it is full, neighbours would lose their hellos to somebody else's files. So the
 * underlay says how full that buffer is (`DatagramBatch.backlog`), each packet says in the clear what it
 * holds (`sealed-packet.ts`), and above a level its kind is dropped before anything is spent on it: taking a
 * packet from the system costs a tenth of what serving it does. Control is always served.
 *
 * The steps leave room to the end of the buffer for what is still wanted, and the queue in front of it short: it
 * is what a prompt packet waits in. A node begins to shed when the buffer goes on filling above a step, and ends below
 * the first. One that was not scheduled for a while, or collected garbage, finds it fuller than a step too, but it empties:
 * nothing is dropped then, unless it is so full that the next pause would fill it.
 *
 * What is dropped here is missing in the packet counters, and is not the link's loss: a route that changed
 * because of it would move the load, not lessen it. The count rests on headers that nobody has
 * authenticated; forging them hides, from a node that is overloaded, that a link loses.
 *
 * A neighbour that calls its files control gets them served, to the harm of others while a node is
 * overloaded, which is how it was for all before.
 */
import type { CounterCell, Counters, Instant } from '../kernel/index.ts';
import { DROP_FIRST, DROP_LATE, DROP_NORMAL, framePriority } from '../wire/index.ts';
import type { Session } from './session.ts';

/** Shares of the receiving buffer above which packets of a precedence are dropped. */
const SHED_ABOVE: readonly (readonly [backlog: number, precedence: number])[] = [
  [0.95, DROP_LATE],
  [0.5, DROP_NORMAL],
  [0.25, DROP_FIRST],
];
/** Above this nobody waits to see whether it empties by itself. */
const ALMOST_FULL = 0.75;
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
  dropPrecedenceOf(framePriority(bytes, at));

export class Shedding {
  private readonly cells: readonly CounterCell[];
  private backlog = 0;
  private isShedding = false;

  constructor(counters: Counters) {
    this.cells = ['control', 'prompt', 'normal', 'bulk'].map((kind) =>
      counters.cell(`link.shed.${kind}`),
    );
  }

  /** The least precedence that is dropped of a batch with this backlog; above all of them: nothing is. */
  from(backlog: number): number {
    return backlog === 0 && this.backlog === 0 ? NOTHING : this.judge(backlog);
  }

  private judge(backlog: number): number {
    const before = this.backlog;
    const wasShedding = this.isShedding;
    this.backlog = backlog;
    const step = SHED_ABOVE.find(([above]) => backlog > above)?.[1] ?? NOTHING;
    const isFilling = before > 0 && backlog > before;
    this.isShedding = step !== NOTHING && (wasShedding || isFilling || backlog > ALMOST_FULL);
    if (!this.isShedding) return NOTHING;
    // What is prompt goes only where the rest has gone and the buffer stays full.
    const isHopeless = wasShedding && backlog >= before;
    return step === DROP_LATE && !isHopeless ? DROP_NORMAL : step;
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
