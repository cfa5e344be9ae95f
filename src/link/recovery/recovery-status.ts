/** What recovery did on one link since it came up; for status, metrics and tests. */
import type { Duration } from '../../kernel/index.ts';

export interface ProtocolTally {
  /** Packets sent under this protocol, and bytes of their frames. */
  packetsProtected: number;
  bytesProtected: number;
  repairsSent: number;
  /** Datagram bytes of the repairs. */
  repairBytes: number;
  /** Packets that came by a repair only. */
  recovered: number;
}

export interface ParityTally {
  sent: number;
  /** Datagram bytes of the parities. */
  bytes: number;
  /** Packets that came by parities only; counted under their protocol too. */
  recovered: number;
}

export interface RecoveryTally {
  readonly realtime: ProtocolTally;
  readonly deadline: ProtocolTally;
  /** Sent where there is no time to ask. */
  readonly parity: ParityTally;
  /** Packets asked for, each time counted. */
  requests: number;
  /** Bytes of request and decline frames, and of fillers. */
  requestBytes: number;
  /** Missing packets noticed while some flow wanted recovery. */
  missing: number;
  /** Came after all, by themselves. */
  reordered: number;
  /** The neighbour does not have them: nobody asked for their recovery, or they are too old. */
  declined: number;
  /** Asked for as often as planned, or no time to ask, and did not come. */
  givenUp: number;
  /** Repairs that came although the packet was here. */
  duplicates: number;
  /** As sender: asked for too late to be sent again in time. */
  late: number;
  /** As sender: not sent again because the budget was spent. */
  overBudget: number;
  /** Losses or requests beyond the bounds. */
  overflows: number;
}

export interface RecoveryStatus extends Readonly<RecoveryTally> {
  /** Memory of the history. */
  readonly historyBytes: number;
  /** Packets forgotten while they might still have been asked for. */
  readonly evicted: number;
  /** Mean time that losses last at once. */
  readonly burst: Duration;
  /** Wait before a gap counts as a loss: 0 unless the link reorders. */
  readonly reorderWait: Duration;
}

const blankProtocol = (): ProtocolTally => ({
  packetsProtected: 0,
  bytesProtected: 0,
  repairsSent: 0,
  repairBytes: 0,
  recovered: 0,
});

export const blankTally = (): RecoveryTally => ({
  realtime: blankProtocol(),
  deadline: blankProtocol(),
  parity: { sent: 0, bytes: 0, recovered: 0 },
  requests: 0,
  requestBytes: 0,
  missing: 0,
  reordered: 0,
  declined: 0,
  givenUp: 0,
  duplicates: 0,
  late: 0,
  overBudget: 0,
  overflows: 0,
});
