/** Times and bounds of recovery, each for one link. Listed in docs/limits.md. */
import type { Duration } from '../../kernel/index.ts';
import { milliseconds, seconds } from '../../kernel/index.ts';

export interface RecoveryLimits {
  /** Packets kept for sending again. */
  readonly historyPacketsMax: number;
  /** Their bytes. */
  readonly historyBytesMax: number;
  /** How long one may be kept, whatever its deadline. */
  readonly historyTime: Duration;
  /** Losses that are being asked for. */
  readonly missingMax: number;
  /** Retransmissions that wait for their time. */
  readonly repairsPendingMax: number;
  /** Bytes of repairs for each byte protected, realtime. */
  readonly realtimeShareMax: number;
  /** The same, deadline. */
  readonly deadlineShareMax: number;
  /** Bytes of repairs that may go at once, before the share counts. */
  readonly repairBurstBytes: number;
}

export const RECOVERY_LIMITS: RecoveryLimits = {
  historyPacketsMax: 8192,
  historyBytesMax: 4 * 1024 * 1024,
  historyTime: seconds(2),
  missingMax: 1024,
  repairsPendingMax: 1024,
  realtimeShareMax: 0.5,
  deadlineShareMax: 1,
  repairBurstBytes: 65_536,
};

/** A deadline packet that names no deadline is repaired within this. */
export const DEADLINE_DEFAULT: Duration = milliseconds(200);
