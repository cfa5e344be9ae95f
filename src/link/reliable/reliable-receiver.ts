/**
 * The receiving half of a link's reliable protocol: when to acknowledge, and what. Which counters came is
 * known already, from the replay window, so nothing is kept per packet: an acknowledgement reads the
 * window from its greatest counter down. One goes out for every few packets, at once when something is
 * missing or a flow is to be held back, and in any case within `ACK_DELAY`.
 */
import type { Instant } from '../../kernel/index.ts';
import { runsDown } from '../../kernel/index.ts';
import type { PausedFlow, ReliableAck } from '../../wire/index.ts';
import { ACK_RUNS_MAX } from '../../wire/index.ts';
import type { Session } from '../session.ts';

const ACK_DELAY = 5_000;
const ACK_EVERY = 4;
/** Counters told of at least, and per packet since the acknowledgement before. */
const SPAN_MIN = 512;
const SPAN_PER_PACKET = 8;
const SPAN_MAX = 2_016;
/** A flow that stays held back is named again this often. */
const PAUSE_AGAIN = 100_000;
/** A sender goes on with a flow that has not been named for this long. */
export const PAUSE_LIFE = 350_000;

export class ReliableReceiver {
  private session: Session | undefined;
  private pending = 0;
  private newestAt: number = 0;
  private ackAt = Number.POSITIVE_INFINITY;
  private pauseAt = Number.POSITIVE_INFINITY;
  private paused: readonly PausedFlow[] = [];

  /** A packet with a frame that must not be lost; `gap`: counters skipped before it, -1 when late. */
  received(session: Session, gap: number, now: Instant): void {
    this.session = session;
    this.pending++;
    this.newestAt = now;
    if (gap !== 0 || this.pending >= ACK_EVERY) this.ackAt = now;
    else if (this.ackAt === Number.POSITIVE_INFINITY) this.ackAt = now + ACK_DELAY;
  }

  /** The flows to be held back from now on. */
  hold(paused: readonly PausedFlow[], now: Instant): void {
    this.paused = paused;
    this.ackAt = now;
    this.pauseAt = now + PAUSE_AGAIN;
  }

  nextTimeout(): number {
    return this.session === undefined
      ? Number.POSITIVE_INFINITY
      : Math.min(this.ackAt, this.pauseAt);
  }

  /** The acknowledgement that is due, if one is, and the session it is about. */
  take(now: Instant): { ack: ReliableAck; session: Session } | undefined {
    const { session } = this;
    if (session === undefined || this.nextTimeout() > now || session.replay.greatest < 0)
      return undefined;
    const { replay } = session;
    const has = (counter: number): boolean => !replay.check(counter);
    const span = Math.min(SPAN_MAX, SPAN_MIN + SPAN_PER_PACKET * this.pending);
    const ack = {
      session: session.remoteIndex,
      greatest: replay.greatest % 2 ** 32,
      delay: this.pending > 0 ? now - this.newestAt : 0,
      runs: runsDown({ greatest: replay.greatest, span, runsMax: ACK_RUNS_MAX, has }),
      paused: this.paused,
    };
    this.pending = 0;
    this.ackAt = Number.POSITIVE_INFINITY;
    this.pauseAt = this.paused.length > 0 ? now + PAUSE_AGAIN : Number.POSITIVE_INFINITY;
    return { ack, session };
  }
}
