/**
 * Packets that must not be lost and have no way at the moment: what a link held when it died, and what
 * routing had no next hop for. They are tried again when a link comes up and every `RETRY_INTERVAL`,
 * until routing has found a way or they are older than `STRANDED_LIFE`.
 *
 * Each time a packet is taken back its lap is raised: a node forwards a packet once in each lap, and the
 * new way may lead back over nodes that have passed it on already.
 *
 * Bound: `STRANDED_BYTES_MAX`. Overflow: the newest is dropped (`dropped.stranded-full`).
 */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import { frameLap, writeFrameLap } from '../wire/index.ts';
import type { QueuedPacket } from './packet-line.ts';

export const STRANDED_BYTES_MAX = 16_777_216;
const STRANDED_LIFE = 60_000_000;
const RETRY_INTERVAL = 50_000;
const LAP_MAX = 255;

export interface StrandedOptions {
  readonly resend: (packet: QueuedPacket, now: Instant) => boolean;
  readonly dropped: (packet: QueuedPacket, reason: string) => void;
}

export class Stranded {
  bytes = 0;
  private readonly options: StrandedOptions;
  private packets: QueuedPacket[] = [];
  private retry = 0;

  constructor(options: StrandedOptions) {
    this.options = options;
  }

  get length(): number {
    return this.packets.length;
  }

  bytesOf(source: NodeAddress): number {
    let bytes = 0;
    for (const packet of this.packets) if (packet.source === source) bytes += packet.length;
    return bytes;
  }

  add(packet: QueuedPacket, now: Instant): void {
    const lap = frameLap(packet.frame, 0) + 1;
    if (lap > LAP_MAX) return this.options.dropped(packet, 'laps-used-up');
    if (this.bytes + packet.length > STRANDED_BYTES_MAX)
      return this.options.dropped(packet, 'stranded-full');
    writeFrameLap(packet.frame, 0, lap);
    packet.queuedAt = now;
    if (this.packets.length === 0) this.retry = now + RETRY_INTERVAL;
    this.packets.push(packet);
    this.bytes += packet.length;
  }

  /** Something has changed: try at the next timeout. */
  retryAt(now: Instant): void {
    this.retry = Math.min(this.retry, now);
  }

  nextTimeout(): Instant | undefined {
    return this.packets.length === 0 ? undefined : (this.retry as Instant);
  }

  timeout(now: Instant): void {
    if (this.packets.length === 0 || this.retry > now) return;
    this.retry = now + RETRY_INTERVAL;
    const waiting = this.packets;
    this.packets = [];
    for (const packet of waiting) {
      if (now - packet.queuedAt > STRANDED_LIFE) this.options.dropped(packet, 'stranded-too-long');
      else if (!this.options.resend(packet, now)) {
        this.packets.push(packet);
        continue;
      }
      this.bytes -= packet.length;
    }
  }
}
