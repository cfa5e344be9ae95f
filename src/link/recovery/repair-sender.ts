/**
 * The sending side of recovery on one link: keeps what may be asked for, plans retransmissions at the
 * first request for a packet, and lets the neighbour notice a loss that nothing follows.
 *
 * realtime: one retransmission, at once. deadline: M, spread over what is left of the packet's
 * deadline (`schedule.ts`); a request that left after the first of them should have arrived gets one
 * more at once. What cannot be repaired is declined, so that it is not asked for again.
 *
 * The neighbour finds losses by the counters of what comes later. When nothing does, a filler packet
 * of one byte follows twice the usual interval of kept packets after the last of them, and once more.
 */
import type { Duration, Instant } from '../../kernel/index.ts';
import type { LossReport } from '../../wire/index.ts';
import { addLoss, blankLossReport, RECOVERY_REALTIME } from '../../wire/index.ts';
import type { Session } from '../session.ts';
import { RepairBudget } from './budget.ts';
import type { KeptPacket } from './history.ts';
import { History } from './history.ts';
import type { RecoveryLimits } from './options.ts';
import type { RecoveryTally } from './recovery-status.ts';
import type { LossFigures } from './schedule.ts';
import { planRepairs } from './schedule.ts';

/** Requests for one packet answered beyond its plan. */
const EXTRA_MAX = 4;
/** Requests closer than this after a retransmission are not answered again. */
const EXTRA_AFTER: Duration = 5_000 as Duration;
const TAIL_MIN: Duration = 5_000 as Duration;
const TAIL_MAX: Duration = 60_000 as Duration;
const TAILS = 2;
const NEVER = Number.POSITIVE_INFINITY;

export interface RepairSenderOptions {
  readonly limits: RecoveryLimits;
  readonly tally: RecoveryTally;
  /** Sends the frame again in a packet of its own, `held` after it was kept. Must not call back. */
  readonly repair: (packet: Repairing, frame: Uint8Array, held: Duration, now: Instant) => void;
  readonly decline: (report: LossReport) => void;
  /** A packet under this session that says nothing but its counter. */
  readonly filler: (session: Session, now: Instant) => void;
}

/** The way to the neighbour as it is now. */
export interface Way {
  readonly rtt: Duration;
  readonly loss: Pick<LossFigures, 'out' | 'burst'>;
}

export interface Repairing {
  readonly record: number;
  readonly session: number;
  readonly counter: number;
  readonly protocol: number;
  left: number;
  step: Duration;
  nextAt: number;
  firstAt: number;
  lastAt: number;
  extras: number;
}

export class RepairSender {
  private readonly options: RepairSenderOptions;
  private readonly history: History;
  private readonly budgets: { readonly realtime: RepairBudget; readonly deadline: RepairBudget };
  /** Asked for, by record; those with `left` 0 are remembered for further requests. */
  private readonly asked = new Map<number, Repairing>();
  private readonly declined = blankLossReport();
  private repairsAt = NEVER;
  private keptAt = 0;
  private keptSession: Session | undefined;
  private keptCounter = -1;
  private interval = TAIL_MAX / 2;
  private tailAt = NEVER;
  private tails = 0;
  /** A session left with its last packet unfollowed. */
  private abandoned: Session | undefined;

  constructor(options: RepairSenderOptions) {
    this.options = options;
    const { limits } = options;
    this.history = new History({
      packetsMax: limits.historyPacketsMax,
      bytesMax: limits.historyBytesMax,
    });
    const burstBytes = limits.repairBurstBytes;
    this.budgets = {
      realtime: new RepairBudget({ share: limits.realtimeShareMax, burstBytes }),
      deadline: new RepairBudget({ share: limits.deadlineShareMax, burstBytes }),
    };
  }

  get evicted(): number {
    return this.history.evicted;
  }

  /** Usual time between kept packets, 60 ms at most. */
  get keptInterval(): Duration {
    return Math.round(this.interval) as Duration;
  }

  /** Takes bytes from the budget of a protocol; false when it has not so many. */
  spend(protocol: number, bytes: number): boolean {
    if (this.budgetOf(protocol).spend(bytes)) return true;
    this.options.tally.overBudget++;
    return false;
  }

  get bytesHeld(): number {
    return this.history.bytesHeld;
  }

  /** Copies a packet that asks for recovery, as it is about to be sealed. */
  keep(packet: KeptPacket, session: Session, now: Instant): void {
    this.budgetOf(packet.protocol).earn(packet.length);
    this.history.keep(packet, now);
    if (session !== this.keptSession) {
      if (this.isUnfollowed()) this.abandoned = this.keptSession;
      this.keptSession = session;
    }
    this.keptCounter = packet.counter;
    const interval = Math.min(TAIL_MAX, now - this.keptAt);
    this.interval += (interval - this.interval) / 8;
    this.keptAt = now;
    this.tails = 0;
    if (this.abandoned !== undefined) this.tailAt = now;
    else if (this.tailAt === NEVER) this.tailAt = now + this.tailWait();
  }

  /** The neighbour misses these. State: retransmissions are planned, the first of them sent. */
  requested(report: LossReport, way: Way, now: Instant): void {
    const { declined } = this;
    declined.runs = 0;
    declined.session = report.session;
    declined.burst = 0 as Duration;
    for (let run = 0; run < report.runs; run++) {
      const start = report.starts[run]!;
      const end = start + report.lengths[run]!;
      for (let counter = start; counter < end; counter++) {
        const record = this.history.find(report.session, counter);
        if (record < 0) addLoss(declined, counter);
        else this.requestedOne(record, { session: report.session, counter }, way, now);
      }
    }
    if (declined.runs > 0) this.options.decline(declined);
    this.planWake();
  }

  timeout(now: Instant): void {
    if (this.repairsAt <= now) this.sendDue(now);
    if (this.tailAt <= now) this.tail(now);
  }

  nextTimeout(): number {
    return Math.min(this.repairsAt, this.tailAt);
  }

  private requestedOne(
    record: number,
    packet: { session: number; counter: number },
    way: Way,
    now: Instant,
  ): void {
    const { tally, limits } = this.options;
    const known = this.asked.get(record);
    if (known !== undefined) return this.requestedAgain(known, way.rtt, now);
    this.forgetOld();
    if (this.asked.size >= limits.repairsPendingMax) {
      tally.overflows++;
      return;
    }
    const protocol = this.history.protocol(record);
    const left = (this.history.wantedUntil(record) - now) as Duration;
    const retransmissions = protocol === RECOVERY_REALTIME ? 1 : this.askedFor(record);
    const plan = planRepairs({ left, loss: way.loss, retransmissions });
    if (plan.count === 0) {
      tally.late++;
      return;
    }
    const repairing: Repairing = {
      record,
      ...packet,
      protocol,
      left: plan.count,
      step: plan.step,
      nextAt: now,
      firstAt: now,
      lastAt: now,
      extras: 0,
    };
    this.asked.set(record, repairing);
    this.send(repairing, now);
  }

  /** M as the packet says; 0: the link chooses. */
  private askedFor(record: number): number {
    return this.history.frame(record)[25]! & 15;
  }

  private requestedAgain(repairing: Repairing, rtt: Duration, now: Instant): void {
    if (repairing.protocol === RECOVERY_REALTIME || repairing.extras >= EXTRA_MAX) return;
    if (now - repairing.firstAt < rtt || now - repairing.lastAt < EXTRA_AFTER) return;
    repairing.extras++;
    repairing.left++;
    this.send(repairing, now);
  }

  private send(repairing: Repairing, now: Instant): void {
    const { history, options } = this;
    repairing.left--;
    repairing.lastAt = now;
    repairing.nextAt = now + repairing.step;
    const { record } = repairing;
    if (!history.has(record) || history.wantedUntil(record) < now) {
      repairing.left = 0;
      options.tally.late++;
      return;
    }
    const frame = history.frame(record);
    if (!this.spend(repairing.protocol, frame.length)) return;
    options.repair(repairing, frame, history.heldFor(record, now), now);
  }

  private sendDue(now: Instant): void {
    for (const repairing of this.asked.values())
      if (repairing.left > 0 && repairing.nextAt <= now) this.send(repairing, now);
    this.planWake();
  }

  private planWake(): void {
    let next = NEVER;
    for (const { left, nextAt } of this.asked.values())
      if (left > 0 && nextAt < next) next = nextAt;
    this.repairsAt = next;
  }

  /** Those whose packets are gone; the map is in the order of the first requests. */
  private forgetOld(): void {
    for (const [record, { left }] of this.asked) {
      if (left > 0 || (this.history.has(record) && this.asked.size < this.roomForDone)) return;
      this.asked.delete(record);
    }
  }

  private get roomForDone(): number {
    return this.options.limits.repairsPendingMax / 2;
  }

  private budgetOf(protocol: number): RepairBudget {
    return protocol === RECOVERY_REALTIME ? this.budgets.realtime : this.budgets.deadline;
  }

  private isUnfollowed(): boolean {
    const { keptSession } = this;
    return (
      keptSession !== undefined &&
      !keptSession.isClosed &&
      keptSession.nextCounter === this.keptCounter + 1
    );
  }

  private tail(now: Instant): void {
    const { abandoned } = this;
    this.abandoned = undefined;
    if (abandoned !== undefined && !abandoned.isClosed) this.options.filler(abandoned, now);
    const dueAt = this.keptAt + this.tailWait();
    if (dueAt > now) {
      this.tailAt = dueAt;
      return;
    }
    if (!this.isUnfollowed() && this.tails === 0) {
      this.tailAt = NEVER;
      return;
    }
    this.options.filler(this.keptSession!, now);
    this.tails++;
    this.tailAt = this.tails >= TAILS ? NEVER : now + this.tailWait();
  }

  private tailWait(): number {
    return Math.round(Math.min(TAIL_MAX, Math.max(TAIL_MIN, 2 * this.interval)));
  }
}
