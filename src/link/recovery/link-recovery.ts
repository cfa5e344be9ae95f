/** Recovery on one link: both sides of it, and what it did. Made when there is something to do. */
import type { Instant } from '../../kernel/index.ts';
import { RECOVERY_REALTIME } from '../../wire/index.ts';
import type { RecoveryLimits } from './options.ts';
import type { ProtocolTally, RecoveryStatus, RecoveryTally } from './recovery-status.ts';
import { blankTally } from './recovery-status.ts';
import type { RepairReceiverOptions } from './repair-receiver.ts';
import { RepairReceiver } from './repair-receiver.ts';
import type { RepairSenderOptions } from './repair-sender.ts';
import { RepairSender } from './repair-sender.ts';

type Outlets = Pick<RepairSenderOptions, 'repair' | 'decline' | 'filler'> &
  Pick<RepairReceiverOptions, 'ask' | 'loss'>;

export class LinkRecovery {
  readonly tally: RecoveryTally = blankTally();
  readonly receiver: RepairReceiver;
  private readonly limits: RecoveryLimits;
  private readonly outlets: Outlets;
  private made: RepairSender | undefined;

  constructor(limits: RecoveryLimits, outlets: Outlets) {
    this.limits = limits;
    this.outlets = outlets;
    this.receiver = new RepairReceiver({ limits, tally: this.tally, ...outlets });
  }

  /** Made with its history when first wanted: most links only receive such flows, or have none. */
  get sender(): RepairSender {
    const { limits, tally, outlets } = this;
    this.made ??= new RepairSender({ limits, tally, ...outlets });
    return this.made;
  }

  tallyOf(protocol: number): ProtocolTally {
    return protocol === RECOVERY_REALTIME ? this.tally.realtime : this.tally.deadline;
  }

  nextTimeout(): number {
    const asking = this.receiver.nextTimeout();
    return this.made === undefined ? asking : Math.min(asking, this.made.nextTimeout());
  }

  status(now: Instant): RecoveryStatus {
    return {
      ...this.tally,
      realtime: { ...this.tally.realtime },
      deadline: { ...this.tally.deadline },
      historyBytes: this.made?.bytesHeld ?? 0,
      evicted: this.made?.evicted ?? 0,
      burst: this.receiver.burst,
      reorderWait: this.receiver.reorderWait(now),
    };
  }
}
