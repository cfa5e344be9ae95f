/**
 * Finds which of three datagram sizes passes a path. A link starts with the smallest, which every
 * underlay must carry, and probes for the largest with padded frames, then for the one between; three
 * probes unanswered while the link lives mean that a size does not pass. The largest is tried again every
 * minute. When it passes it is confirmed every five minutes, and every two seconds while large packets are
 * in use: a hole that opens under traffic is found soon, an idle link pays 40 bit/s. Packetization
 * layer discovery as in RFC 8899, with three sizes instead of a search.
 */
import type { Duration, Instant } from '../kernel/index.ts';

export interface MtuProbeOptions {
  readonly mtuMin: number;
  readonly mtuTunnel: number;
  readonly mtuMax: number;
}

const ATTEMPTS = 3;
const RETRY: Duration = 250_000 as Duration;
const AGAIN_REFUSED: Duration = 60_000_000 as Duration;
const AGAIN_IDLE: Duration = 300_000_000 as Duration;
const AGAIN_IN_USE: Duration = 2_000_000 as Duration;

export class MtuProbe {
  private readonly options: MtuProbeOptions;
  /** Largest first; probed for is `sizes[trying]`. */
  private readonly sizes: readonly number[];
  private trying = 0;
  private attempts = 0;
  private id = 0;
  private largeSent = false;
  private confirmedAt: Instant;
  /** Until then the largest size is not tried again: only what is in use is confirmed. */
  private largestAt = 0 as Instant;
  /** When to send a probe. */
  nextAt: Instant;
  mtu: number;

  constructor(options: MtuProbeOptions, now: Instant) {
    this.options = options;
    this.sizes = [options.mtuMax, options.mtuTunnel];
    this.mtu = options.mtuMin;
    this.nextAt = now;
    this.confirmedAt = now;
  }

  /** A packet larger than the minimum leaves: its size is worth confirming soon. */
  noteLarge(now: Instant): void {
    if (this.largeSent) return;
    this.largeSent = true;
    if (this.attempts > 0) return;
    // Not within a timeout that has looked at the links already.
    const soon = Math.max(now + 1, this.confirmedAt + AGAIN_IN_USE);
    if (soon >= this.nextAt) return;
    this.nextAt = soon as Instant;
    const inUse = this.sizes.indexOf(this.mtu);
    if (inUse > 0 && soon < this.largestAt) this.trying = inUse;
  }

  /**
   * Called when due. Returns the probe to send, or undefined when no larger size passes.
   * State: may lower `mtu`; always moves `nextAt` on.
   */
  probe(rtt: Duration, now: Instant): { id: number; datagramBytes: number } | undefined {
    if (this.attempts === ATTEMPTS) {
      if (this.mtu === this.sizes[this.trying]) this.mtu = this.options.mtuMin;
      if (this.trying === 0) this.largestAt = (now + AGAIN_REFUSED) as Instant;
      this.attempts = 0;
      this.trying++;
      if (this.trying === this.sizes.length) {
        this.finish(now);
        return undefined;
      }
    }
    this.attempts++;
    this.id = (this.id + 1) >>> 0;
    this.nextAt = (now + RETRY + rtt) as Instant;
    return { id: this.id, datagramBytes: this.sizes[this.trying]! };
  }

  /** The peer received a probe of this size. Any of the current series counts. */
  acknowledged(message: { id: number; datagramBytes: number }, now: Instant): void {
    if (this.attempts === 0 || message.datagramBytes !== this.sizes[this.trying]) return;
    if (message.id > this.id || message.id + ATTEMPTS <= this.id) return;
    this.mtu = message.datagramBytes;
    this.finish(now);
  }

  /** The path is another one: start from the safe size. */
  restart(now: Instant): void {
    this.mtu = this.options.mtuMin;
    this.attempts = 0;
    this.trying = 0;
    this.nextAt = now;
  }

  private finish(now: Instant): void {
    this.attempts = 0;
    this.trying = 0;
    this.confirmedAt = now;
    this.largeSent = false;
    const isLargest = this.mtu === this.options.mtuMax;
    this.nextAt = (now + (isLargest ? AGAIN_IDLE : AGAIN_REFUSED)) as Instant;
  }
}
