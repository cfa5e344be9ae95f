/**
 * What a packet asks of every link on its way: how losses are repaired, what goes first where there is
 * not room for all, and how long it may take. It travels in the packet's header, so that a node which
 * has just restarted, or whose configuration knows no such lane, serves the packet as its source
 * meant it.
 */
import type { Duration } from '../kernel/index.ts';

/** How a link repairs losses; four bits. Append-only. */
export const RECOVERY_NONE = 0;
export const RECOVERY_RELIABLE = 1;
export const RECOVERY_REALTIME = 2;
export const RECOVERY_DEADLINE = 3;
/** Newest highest-priority messages first, fair between sources (intrusion-tolerant). */
export const RECOVERY_PRIORITY = 4;
/** No loss, fair between source-destination pairs, back-pressure (intrusion-tolerant). */
export const RECOVERY_FAIR_RELIABLE = 5;

/** Whether a packet with this recovery is kept until the next node has it. */
export const isReliable = (recovery: number): boolean =>
  recovery === RECOVERY_RELIABLE || recovery === RECOVERY_FAIR_RELIABLE;

export interface PacketService {
  /** One of the numbers above, 0 .. 15. */
  recovery: number;
  /** 0 .. 15; the greater goes first among packets of one source. */
  priority: number;
  /** Requests for a lost packet, 0 .. 15; 0: the link chooses. */
  requests: number;
  /** Retransmissions on the first request, 0 .. 15; 0: the link chooses. */
  retransmissions: number;
  /** From the source to the destination, in steps of 100 us up to 6.5 s; 0: none. */
  deadline: Duration;
  /** At its source: it is to be signed, so that no node takes another's packet for it. */
  isSigned?: boolean;
}

/** Priority of what states none: above bulk, below everything that somebody waits for. */
export const PRIORITY_DEFAULT = 4;
export const PRIORITY_MAX = 15;

/** Best effort. */
export const SERVICE_DEFAULT: Readonly<PacketService> = {
  recovery: RECOVERY_NONE,
  priority: PRIORITY_DEFAULT,
  requests: 0,
  retransmissions: 0,
  deadline: 0 as Duration,
};
