/** Recovery on one link: both sides of it, and what it did. Made when there is something to do. */
import type { Duration, Instant } from '../../kernel/index.ts';
import { RECOVERY_REALTIME } from '../../wire/index.ts';
import type { RecoveryLimits } from './options.ts';
import { ParityReceiver } from './parity-receiver.ts';
import type { ParitySenderOptions } from './parity-sender.ts';
import { ParitySender } from './parity-sender.ts';
import type { ProtocolTally, RecoveryStatus, RecoveryTally } from './recovery-status.ts';
import { blankTally } from './recovery-status.ts';
import type { RepairReceiverOptions } from './repair-receiver.ts';
import { RepairReceiver } from './repair-receiver.ts';
import type { RepairSenderOptions } from './repair-sender.ts';
import { RepairSender } from './repair-sender.ts';

interface ParityOutlet {
  readonly parity: ParitySenderOptions['send'];
}

type Outlets = ParityOutlet &
  Pick<RepairSenderOptions, 'repair' | 'decline' | 'filler'> &
  Pick<RepairReceiverOptions, 'ask' | 'loss'>;

export class LinkRecovery {
  readonly tally: RecoveryTally = blankTally();
  readonly receiver: RepairReceiver;
  /** Memory of the losses towards the neighbour, as it last told; until then, of those from it. */
  private burstTold: Duration | undefined;
  private readonly limits: RecoveryLimits;
  private readonly outlets: Outlets;
  private made: RepairSender | undefined;
  private madeParities: ParitySender | undefined;
  private madeRegaining: ParityReceiver | undefined;

  constructor(limits: RecoveryLimits, outlets: Outlets) {
    this.limits = limits;
    this.outlets = outlets;
    this.receiver = new RepairReceiver({ limits, tally: this.tally, ...outlets });
  }

  get burstOut(): Duration {
    return this.burstTold ?? this.receiver.burst;
  }

  tellBurst(burst: Duration): void {
    this.burstTold = burst;
  }

  /** Made with its history when first wanted: most links only receive such flows, or have none. */
  get sender(): RepairSender {
    const { limits, tally, outlets } = this;
    this.made ??= new RepairSender({ limits, tally, ...outlets });
    return this.made;
  }

  /** Made when there is first no time to ask. */
  get parities(): ParitySender {
    const { loss, parity } = this.outlets;
    this.madeParities ??= new ParitySender({
      loss: () => ({ out: loss().out, burst: this.burstOut }),
      send: parity,
    });
    return this.madeParities;
  }

  /** Made when the neighbour first sends a parity. */
  get regaining(): ParityReceiver {
    this.madeRegaining ??= new ParityReceiver();
    return this.madeRegaining;
  }

  isRegaining(now: Instant): boolean {
    return this.madeRegaining?.isActive(now) === true;
  }

  /** State: sends what is due. */
  timeout(rtt: Duration, now: Instant): void {
    this.made?.timeout(now);
    this.madeParities?.timeout(now);
    this.receiver.timeout(rtt, now);
  }

  tallyOf(protocol: number): ProtocolTally {
    return protocol === RECOVERY_REALTIME ? this.tally.realtime : this.tally.deadline;
  }

  nextTimeout(): number {
    let next = this.receiver.nextTimeout();
    if (this.made !== undefined) next = Math.min(next, this.made.nextTimeout());
    if (this.madeParities !== undefined) next = Math.min(next, this.madeParities.nextTimeout());
    return next;
  }

  status(now: Instant): RecoveryStatus {
    return {
      ...this.tally,
      realtime: { ...this.tally.realtime },
      deadline: { ...this.tally.deadline },
      parity: { ...this.tally.parity },
      overflows: this.tally.overflows + (this.madeParities?.overflows ?? 0),
      historyBytes: this.made?.bytesHeld ?? 0,
      evicted: this.made?.evicted ?? 0,
      burst: this.receiver.burst,
      reorderWait: this.receiver.reorderWait(now),
    };
  }
}
