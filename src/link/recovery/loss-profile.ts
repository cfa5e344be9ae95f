/**
 * What the flows on a link ask of recovery at the moment. A packet that did not come cannot say what
 * it asked for, so it is asked for as the most demanding of the packets that did come lately would
 * be; the sender, who has the packet, does what that packet wants or declines.
 */
import type { Duration, Instant } from '../../kernel/index.ts';

/** A flow unseen for this long asks for nothing. */
const ACTIVE: Duration = 2_000_000 as Duration;
const WINDOW: Duration = 500_000 as Duration;

interface Demand {
  slack: number;
  requests: number;
  retransmissions: number;
}

const blank = (): Demand => ({ slack: 0, requests: 0, retransmissions: 0 });

export class LossProfile {
  private realtimeAt = Number.NEGATIVE_INFINITY;
  private deadlineAt = Number.NEGATIVE_INFINITY;
  private now = blank();
  private before = blank();
  private turnedAt = 0;

  realtime(now: Instant): void {
    this.realtimeAt = now;
  }

  /** A deadline packet came with so much time left here. N and M as it says, 0: the link chooses. */
  deadline(
    slack: Duration,
    packet: { requests: number; retransmissions: number },
    at: Instant,
  ): void {
    this.deadlineAt = at;
    if (at - this.turnedAt > WINDOW) {
      const old = this.before;
      this.before = this.now;
      this.now = Object.assign(old, blank());
      this.turnedAt = at;
    }
    const { now } = this;
    if (slack > now.slack) now.slack = slack;
    if (packet.requests > now.requests) now.requests = packet.requests;
    if (packet.retransmissions > now.retransmissions) now.retransmissions = packet.retransmissions;
  }

  isActive(at: Instant): boolean {
    return this.wantsDeadline(at) || at - this.realtimeAt < ACTIVE;
  }

  wantsDeadline(at: Instant): boolean {
    return at - this.deadlineAt < ACTIVE;
  }

  get slack(): Duration {
    return Math.max(this.now.slack, this.before.slack) as Duration;
  }

  get requests(): number {
    return Math.max(this.now.requests, this.before.requests);
  }

  get retransmissions(): number {
    return Math.max(this.now.retransmissions, this.before.retransmissions);
  }
}
