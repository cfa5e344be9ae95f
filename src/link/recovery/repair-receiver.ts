/**
 * The receiving side of recovery on one link: which packets are missing, and when to ask for them.
 *
 * A gap in the packet counters is a loss at once on a link that keeps its order. Where packets have
 * been overtaken in the last ten seconds, a gap waits a little longer than the latest of those was
 * late. A realtime link asks once; with deadline flows on it the requests are spread over the time
 * that is left (`schedule.ts`). Asking ends when the packet comes, by itself or repaired, when the
 * neighbour declines it, or when it would be too late.
 */
import type { Duration, Instant } from '../../kernel/index.ts';
import type { LossReport } from '../../wire/index.ts';
import { addLoss, blankLossReport } from '../../wire/index.ts';
import { BurstEstimator } from './burst-estimator.ts';
import { LossProfile } from './loss-profile.ts';
import type { RecoveryLimits } from './options.ts';
import type { RecoveryTally } from './recovery-status.ts';
import { planRequests } from './schedule.ts';

/** A link is held to reorder this long after it did. */
const REORDERS_FOR: Duration = 10_000_000 as Duration;
const REORDER_WAIT_MAX: Duration = 30_000 as Duration;
/** A realtime packet without a deadline is given up after this and two round trips. */
const REALTIME_WAIT: Duration = 200_000 as Duration;
/** Of packets that nobody would ask for so many are remembered, to learn how late such come. */
const UNASKED_MAX = 32;
/** Requests due within this go together. */
const TOGETHER: Duration = 500 as Duration;
const SESSIONS_MAX = 4;
const NEVER = Number.POSITIVE_INFINITY;

interface Missing {
  readonly slot: number;
  readonly counter: number;
  readonly foundAt: number;
  /** When it would have come, had nothing happened. */
  readonly dueAt: number;
  /** When to ask; `NEVER`: not again. */
  nextAt: number;
  left: number;
  step: number;
  giveUpAt: number;
  isPlanned: boolean;
  isHere: boolean;
}

export interface RepairReceiverOptions {
  readonly limits: RecoveryLimits;
  readonly tally: RecoveryTally;
  /** Of the link, each way, 0 .. 1. */
  readonly loss: () => { readonly in: number; readonly out: number };
  readonly ask: (report: LossReport) => void;
}

export class RepairReceiver {
  readonly profile: LossProfile = new LossProfile();
  private readonly options: RepairReceiverOptions;
  /** By counter and slot of the session, oldest first. */
  private readonly missing = new Map<number, Missing>();
  private readonly sessions: number[] = [];
  private nextSlot = 0;
  private readonly report = blankLossReport();
  private readonly due: Missing[] = [];
  private askAt = NEVER;
  private readonly bursts = new BurstEstimator();
  private reorderWaitNow = 0;
  private reorderedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RepairReceiverOptions) {
    this.options = options;
  }

  get burst(): Duration {
    return this.bursts.burst(this.options.loss().in);
  }

  reorderWait(now: Instant): Duration {
    return (now - this.reorderedAt < REORDERS_FOR ? this.reorderWaitNow : 0) as Duration;
  }

  /**
   * `gap` counters before this one were skipped; `silence`: since the packet before it.
   * State: they are missing, and asked for at the next `timeout`.
   */
  lost(
    packet: { session: number; counter: number; gap: number; silence: Duration },
    now: Instant,
  ): void {
    const { limits, tally } = this.options;
    const { session, counter, gap, silence } = packet;
    this.bursts.lost(gap, silence);
    const isActive = this.profile.isActive(now);
    const slot = this.slotOf(session);
    const nextAt = now + this.reorderWait(now);
    // Of a long gap the newest: the oldest are the first to be too late.
    const room = Math.min(gap, isActive ? limits.missingMax : UNASKED_MAX);
    if (isActive) {
      tally.missing += gap;
      tally.overflows += gap - room;
    }
    for (let lost = counter - room; lost < counter; lost++) {
      this.makeRoom();
      const dueAt = now - Math.round((silence * (counter - lost)) / (gap + 1));
      const entry = missingPacket({ slot, counter: lost, foundAt: now, dueAt, nextAt });
      this.missing.set(this.key(slot, lost), entry);
    }
    if (nextAt < this.askAt) this.askAt = nextAt;
  }

  /** A packet came behind one that was sent after it. */
  arrivedLate(session: number, counter: number, now: Instant): void {
    const entry = this.find(session, counter);
    if (entry === undefined) return;
    const late = Math.min(REORDER_WAIT_MAX, 1.25 * (now - entry.foundAt) + 100);
    this.reorderWaitNow = Math.round(Math.max(this.reorderWait(now), late));
    this.reorderedAt = now;
    if (entry.isHere) return;
    this.options.tally.reordered++;
    this.settle(entry);
  }

  /** A repair came. False: the packet was here already. */
  repaired(session: number, counter: number): boolean {
    const entry = this.find(session, counter);
    if (entry?.isHere === true) return false;
    if (entry !== undefined) this.settle(entry);
    return true;
  }

  /** The neighbour will not send these again. */
  declined(report: LossReport): void {
    for (let run = 0; run < report.runs; run++) {
      for (let i = 0; i < report.lengths[run]!; i++) {
        const entry = this.find(report.session, report.starts[run]! + i);
        if (entry === undefined || entry.isHere) continue;
        this.options.tally.declined++;
        this.missing.delete(this.key(entry.slot, entry.counter));
      }
    }
  }

  /** Asks for what is due. */
  timeout(rtt: Duration, now: Instant): void {
    if (this.askAt > now) return;
    const { due } = this;
    due.length = 0;
    const isActive = this.profile.isActive(now);
    for (const [key, entry] of this.missing) {
      if (entry.isHere || !isActive || entry.giveUpAt <= now) {
        if (entry.giveUpAt > now && isActive) continue;
        if (!entry.isHere && isActive) this.options.tally.givenUp++;
        this.missing.delete(key);
      } else if (entry.nextAt <= now + TOGETHER) this.prepare(entry, rtt, now);
    }
    this.ask();
    this.planWake();
  }

  nextTimeout(): number {
    return this.askAt;
  }

  private settle(entry: Missing): void {
    entry.isHere = true;
    entry.nextAt = NEVER;
    // Kept until it would be too late: a second repair is known for what it is.
    if (entry.giveUpAt === NEVER) entry.giveUpAt = entry.foundAt + REALTIME_WAIT;
  }

  /** State: the entry is planned, and put down to be asked for or given up. */
  private prepare(entry: Missing, rtt: Duration, now: Instant): void {
    if (!entry.isPlanned) this.plan(entry, rtt, now);
    if (entry.left === 0) {
      entry.nextAt = NEVER;
      return;
    }
    entry.left--;
    entry.nextAt = entry.left === 0 ? NEVER : now + entry.step;
    this.due.push(entry);
  }

  private plan(entry: Missing, rtt: Duration, now: Instant): void {
    const { profile } = this;
    if (!profile.wantsDeadline(now)) {
      entry.left = 1;
      entry.giveUpAt = entry.foundAt + REALTIME_WAIT + 2 * rtt;
    } else {
      const slack = (profile.slack - (now - entry.dueAt)) as Duration;
      const { requests, retransmissions } = profile;
      const loss = { ...this.options.loss(), burst: this.burst };
      const plan = planRequests({ slack, rtt, loss, requests, retransmissions });
      entry.left = plan.count;
      entry.step = plan.step;
      entry.giveUpAt = now + Math.max(slack, rtt);
    }
    // With no time to ask, parities may still bring it: it is given up when it would be too late.
    entry.isPlanned = true;
  }

  private ask(): void {
    const { due, report, options } = this;
    if (due.length === 0) return;
    if (due.length > 1) due.sort((a, b) => a.slot - b.slot || a.counter - b.counter);
    report.runs = 0;
    let packets = 0;
    let slot = -1;
    for (const entry of due) {
      const hasRoom = packets < 1024 && entry.slot === slot && addLoss(report, entry.counter);
      if (!hasRoom) {
        if (report.runs > 0) options.ask(report);
        report.runs = 0;
        report.session = this.sessions[entry.slot]!;
        report.burst = this.burst;
        slot = entry.slot;
        packets = 0;
        addLoss(report, entry.counter);
      }
      packets++;
      options.tally.requests++;
    }
    options.ask(report);
    due.length = 0;
  }

  private planWake(): void {
    let next = NEVER;
    for (const { nextAt, giveUpAt, isHere } of this.missing.values())
      next = Math.min(next, nextAt, isHere ? NEVER : giveUpAt);
    this.askAt = next;
  }

  private makeRoom(): void {
    const { missing, options } = this;
    if (missing.size < options.limits.missingMax) return;
    for (const [key, entry] of missing) {
      if (!entry.isHere && entry.isPlanned) options.tally.overflows++;
      missing.delete(key);
      return;
    }
  }

  private find(session: number, counter: number): Missing | undefined {
    const slot = this.sessions.indexOf(session);
    return slot < 0 ? undefined : this.missing.get(this.key(slot, counter));
  }

  private slotOf(session: number): number {
    const known = this.sessions.indexOf(session);
    if (known >= 0) return known;
    const slot = this.nextSlot;
    this.nextSlot = (slot + 1) % SESSIONS_MAX;
    for (const [key, entry] of this.missing) if (entry.slot === slot) this.missing.delete(key);
    this.sessions[slot] = session;
    return slot;
  }

  private key(slot: number, counter: number): number {
    return counter * SESSIONS_MAX + slot;
  }
}

const missingPacket = (
  found: Pick<Missing, 'slot' | 'counter' | 'foundAt' | 'dueAt' | 'nextAt'>,
): Missing => ({
  ...found,
  left: 0,
  step: 0,
  giveUpAt: NEVER,
  isPlanned: false,
  isHere: false,
});
