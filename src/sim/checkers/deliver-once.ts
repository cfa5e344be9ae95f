/**
 * At-most-once delivery, and only of what was sent. For packets: a node delivers one at most once in
 * a life, and only where it is the destination. For messages: a socket hears each at most once, whole,
 * and only those that somebody sent to its node.
 */
import type { Checker, TraceEvent } from '../trace.ts';
import { PacketTable } from './packet-table.ts';

export class DeliverOnce implements Checker {
  readonly invariant = 'deliver-once';
  private readonly addressOf = new Map<string, number>();
  /** By node, what its present life has taken. */
  private readonly packets = new Map<string, PacketTable<true>>();
  private readonly messages = new Map<string, Set<string>>();
  /** Message -> node it was sent to. */
  private readonly sentTo = new Map<string, string>();

  event(event: TraceEvent): string | undefined {
    switch (event.kind) {
      case 'start':
        this.addressOf.set(event.node, event.address);
        this.packets.set(event.node, new PacketTable());
        this.messages.set(event.node, new Set());
        return undefined;
      case 'packet-delivered': {
        if (event.destination !== this.addressOf.get(event.node))
          return `delivered a packet for ${event.destination}`;
        const packets = this.packets.get(event.node);
        if (packets === undefined) return 'delivered a packet before it started';
        if (packets.get(event) === undefined) {
          packets.set(event, true);
          return undefined;
        }
        const { source, epoch, flow, sequence } = event;
        return `packet ${source}/${epoch}/${flow}/${sequence} was delivered twice`;
      }
      case 'message-sent':
        this.sentTo.set(event.message, event.to);
        return undefined;
      case 'message-received': {
        if (!event.isIntact) return `message ${event.message} was changed on the way`;
        const to = this.sentTo.get(event.message);
        if (to !== event.node) return `message ${event.message} was sent to ${to ?? 'nobody'}`;
        const messages = this.messages.get(event.node);
        if (messages === undefined) return 'heard a message before it started';
        if (messages.has(event.message)) return `message ${event.message} was delivered twice`;
        messages.add(event.message);
        return undefined;
      }
      default:
        return undefined;
    }
  }
}
