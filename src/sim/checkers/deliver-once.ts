/**
 * At-most-once delivery, and only of what was sent. For packets: a node delivers one at most once in
 * a life, and only where it is the destination. For messages: a socket hears each at most once, whole,
 * and only those that somebody sent to its node.
 */
import type { Checker, TraceEvent } from '../trace.ts';

export class DeliverOnce implements Checker {
  readonly invariant = 'deliver-once';
  private readonly addressOf = new Map<string, number>();
  /** Node -> packets and messages its present life has taken. */
  private readonly taken = new Map<string, Set<string>>();
  /** Message -> node it was sent to. */
  private readonly sentTo = new Map<string, string>();

  event(event: TraceEvent): string | undefined {
    switch (event.kind) {
      case 'start':
        this.addressOf.set(event.node, event.address);
        this.taken.set(event.node, new Set());
        return undefined;
      case 'packet-delivered': {
        if (event.destination !== this.addressOf.get(event.node))
          return `delivered a packet for ${event.destination}`;
        const name = `${event.source}/${event.epoch}/${event.flow}/${event.sequence}`;
        return this.take(event.node, `packet ${name}`);
      }
      case 'message-sent':
        this.sentTo.set(event.message, event.to);
        return undefined;
      case 'message-received': {
        if (!event.isIntact) return `message ${event.message} was changed on the way`;
        const to = this.sentTo.get(event.message);
        if (to !== event.node) return `message ${event.message} was sent to ${to ?? 'nobody'}`;
        return this.take(event.node, `message ${event.message}`);
      }
      default:
        return undefined;
    }
  }

  private take(node: string, what: string): string | undefined {
    const taken = this.taken.get(node);
    if (taken === undefined) return `${what} reached a node that never started`;
    if (taken.has(what)) return `${what} was delivered twice`;
    taken.add(what);
    return undefined;
  }
}
