/**
 * No forwarding loop: in one life a node forwards a packet once. It may send copies to several
 * neighbours, as a dissemination graph has it, but all in the same instant and never two to one. A
 * source does not forward what it sent itself. A packet that a node took back from a dead link begins a
 * new lap, which its hops end: it is not looked at here.
 */
import type { Checker, TraceEvent } from '../trace.ts';
import { PacketTable } from './packet-table.ts';

type Forwarded = Extract<TraceEvent, { kind: 'packet-forwarded' }>;

export class ForwardOnce implements Checker {
  readonly invariant = 'forward-once';
  /** By node, for its present life: when it forwarded what. */
  private readonly forwarded = new Map<string, PacketTable<number>>();
  private readonly addressOf = new Map<string, number>();
  private last: Forwarded | undefined;
  private readonly lastTargets: number[] = [];

  event(event: TraceEvent): string | undefined {
    if (event.kind === 'start') {
      this.addressOf.set(event.node, event.address);
      this.forwarded.set(event.node, new PacketTable());
    }
    return event.kind === 'packet-forwarded' ? this.check(event) : undefined;
  }

  private check(event: Forwarded): string | undefined {
    const { source, epoch, flow, sequence } = event;
    if ((event.lap ?? 0) > 0) return undefined;
    if (source === this.addressOf.get(event.node)) return `forwarded its own packet ${sequence}`;
    const packets = this.forwarded.get(event.node);
    if (packets === undefined) return 'forwarded before it started';
    const before = packets.get(event);
    if (before === undefined) {
      packets.set(event, event.at);
      this.last = event;
      this.lastTargets.length = 0;
      this.lastTargets.push(event.to);
      return undefined;
    }
    const isSameFanOut =
      before === event.at &&
      this.last !== undefined &&
      isSamePacket(this.last, event) &&
      !this.lastTargets.includes(event.to);
    this.lastTargets.push(event.to);
    const name = `${source}/${epoch}/${flow}/${sequence}`;
    return isSameFanOut
      ? undefined
      : `packet ${name} forwarded at ${before} and again, to ${event.to}`;
  }
}

const isSamePacket = (a: Forwarded, b: Forwarded): boolean =>
  a.node === b.node &&
  a.source === b.source &&
  a.epoch === b.epoch &&
  a.flow === b.flow &&
  a.sequence === b.sequence;
