/**
 * What a node drops that gets more than it can serve. Left to the system's buffer, which drops whatever
 * comes when it is full, neighbours would lose their hellos to somebody else's files. So the
 * underlay says how full that buffer is (`DatagramBatch.backlog`), each packet says in the clear what it
 * holds (`sealed-packet.ts`), and above a level its kind is dropped before anything is spent on it: taking a
 * packet from the system costs a tenth of what serving it does. Control is always served.
 *
 * A node begins to shed when the buffer goes on filling above a step, and ends below the first. One that was not
 * scheduled for a while, or collected garbage, finds it fuller than a step too, but it empties: nothing is
 * dropped then, unless it is so full that the next pause would fill it.
 *
 * What is prompt is spared as long as anything else is there to be dropped. It goes where it is itself the most of
 * what comes; so it does in the buffer for what is urgent, of which control is to have a part in any case.
 *
 * What is dropped here is missing in the packet counters, and is not the link's loss: a route that changed
 * because of it would move the load, not lessen it. The count rests on headers that nobody has
 * authenticated; forging them hides, from a node that is overloaded, that a link loses.
 *
 * A neighbour that calls its files control gets them served, to the harm of others while a node is
 * overloaded, which is how it was for all before.
 */
import type { CounterCell, Counters, DatagramBatch, Instant } from '../kernel/index.ts';
import { DROP_FIRST, DROP_LATE, DROP_NORMAL, framePriority } from '../wire/index.ts';
import type { Session } from './session.ts';

type Step = readonly [backlog: number, precedence: number];

/** Shares of the receiving buffer above which packets of a precedence are dropped. */
const STEPS: readonly Step[] = [
  [0.95, DROP_LATE],
  [0.5, DROP_NORMAL],
  [0.25, DROP_FIRST],
];
/** The same for the buffer that only what is urgent comes through. */
const URGENT_STEPS: readonly Step[] = [[0.5, DROP_LATE]];
/** Above this nobody waits to see whether it empties by itself. */
const ALMOST_FULL = 0.75;
const NOTHING = DROP_FIRST + 1;
/** Packets after which what came before counts half. */
const SAMPLE_PACKETS = 256;

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

/** One receiving buffer: whether it is more than a pause that fills it. */
class Buffer {
  /** Packets dropped that were not prompt, of those `seen`. */
  others = 0;
  private readonly steps: readonly Step[];
  private backlog = 0;
  private isShedding = false;
  /** Packets that came while it was shedding. */
  private seen = 0;

  constructor(steps: readonly Step[]) {
    this.steps = steps;
  }

  /** The least precedence that is dropped of a batch; above all of them: nothing is. */
  from({ backlog, count }: DatagramBatch): number {
    return backlog === 0 && this.backlog === 0 ? NOTHING : this.judge(backlog, count);
  }

  private judge(backlog: number, count: number): number {
    const before = this.backlog;
    const wasShedding = this.isShedding;
    this.backlog = backlog;
    const step = this.steps.find(([above]) => backlog > above)?.[1] ?? NOTHING;
    const isFilling = before > 0 && backlog > before;
    this.isShedding = step !== NOTHING && (wasShedding || isFilling || backlog > ALMOST_FULL);
    if (!this.isShedding || !wasShedding) this.seen = this.others = 0;
    if (!this.isShedding) return NOTHING;
    const isMostlyPrompt = 2 * this.others < this.seen;
    if (this.seen >= SAMPLE_PACKETS) {
      this.seen /= 2;
      this.others /= 2;
    }
    this.seen += count;
    return step === DROP_LATE && !isMostlyPrompt ? DROP_NORMAL : step;
  }
}

export class Shedding {
  private readonly cells: readonly CounterCell[];
  private readonly ordinary = new Buffer(STEPS);
  private readonly urgent = new Buffer(URGENT_STEPS);
  private current: Buffer = this.ordinary;

  constructor(counters: Counters) {
    this.cells = ['control', 'prompt', 'normal', 'bulk'].map((kind) =>
      counters.cell(`link.shed.${kind}`),
    );
  }

  /** The least precedence that is dropped of a batch; above all of them: nothing is. */
  from(batch: DatagramBatch): number {
    this.current = batch.isUrgent ? this.urgent : this.ordinary;
    return this.current.from(batch);
  }

  /** State: one packet of the session's is dropped unopened. The link has carried it. */
  shed(session: Session, dropPrecedence: number, now: Instant): void {
    this.cells[dropPrecedence]!.value++;
    if (dropPrecedence > DROP_LATE) this.current.others++;
    session.accounted++;
    session.link?.path.loss.arrivedUnopened(now);
  }
}
