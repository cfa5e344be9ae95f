/**
 * A neighbour was heard from another address: has it moved, or has somebody sent a packet of its that
 * was held back? The packet is authentic either way. So the new address is asked before anything else
 * goes there: a hello is sent to it, and a hello that comes back from it and echoes that one proves
 * that the neighbour is there. Until then the path stays where it was, and the new address is sent
 * no more bytes than came from it, so that nobody is flooded by way of us. A neighbour that did move
 * costs one round trip. After QUIC's path validation, RFC 9000 section 8.2.
 */
import type { Duration, Instant, UnderlayAddress } from '../kernel/index.ts';

/** Hellos for an address that does not answer; then it is forgotten. */
const TURNS_MAX = 5;
const AGAIN: Duration = 100_000 as Duration;

export class AddressCheck {
  readonly remote: UnderlayAddress;
  readonly local: number;
  /** When to ask, or to give up. */
  nextAt: Instant;
  private bytesIn = 0;
  private bytesOut = 0;
  private turns = 0;
  private readonly asked: number[] = [];

  constructor(at: { remote: UnderlayAddress; local: number }, now: Instant) {
    this.remote = at.remote;
    this.local = at.local;
    this.nextAt = now;
  }

  /** Whether it has had all its turns to be asked. */
  get isHopeless(): boolean {
    return this.turns >= TURNS_MAX;
  }

  /** An authentic packet came from there. */
  heard(datagramBytes: number): void {
    this.bytesIn += datagramBytes;
  }

  /** Whether so many bytes may be sent there now. State: they count as sent; plans the next time. */
  take(datagramBytes: number, rtt: Duration, now: Instant): boolean {
    this.turns++;
    this.nextAt = (now + AGAIN + rtt) as Instant;
    if (this.bytesOut + datagramBytes > this.bytesIn) return false;
    this.bytesOut += datagramBytes;
    return true;
  }

  /** A hello with this timestamp leaves for there. */
  asks(timestamp: number): void {
    this.asked.push(timestamp);
  }

  /** Whether a hello from there that echoes this timestamp proves that the neighbour is there. */
  isProvenBy(remote: UnderlayAddress, echo: number): boolean {
    return remote.key === this.remote.key && this.asked.includes(echo);
  }
}
