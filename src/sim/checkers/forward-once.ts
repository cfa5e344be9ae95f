/**
 * No forwarding loop: in one life a node forwards a packet once. It may send copies to several
 * neighbours, as a dissemination graph has it, but all in the same instant and never two to one. A
 * source does not forward what it sent itself.
 */
import type { Checker, TraceEvent } from '../trace.ts';

type Forwarded = Extract<TraceEvent, { kind: 'packet-forwarded' }>;

export class ForwardOnce implements Checker {
  readonly invariant = 'forward-once';
  /** Node and life -> source, epoch and flow -> sequence -> when. */
  private readonly forwarded = new Map<string, Map<string, Map<number, number>>>();
  private readonly addressOf = new Map<string, number>();
  private lastName = '';
  private readonly lastTargets: number[] = [];

  event(event: TraceEvent): string | undefined {
    if (event.kind === 'start') {
      this.addressOf.set(event.node, event.address);
      this.forwarded.set(event.node, new Map());
    }
    return event.kind === 'packet-forwarded' ? this.check(event) : undefined;
  }

  private check(event: Forwarded): string | undefined {
    const { source, epoch, flow, sequence } = event;
    if (source === this.addressOf.get(event.node)) return `forwarded its own packet ${sequence}`;
    const flows = this.forwarded.get(event.node);
    if (flows === undefined) return 'forwarded before it started';
    const flowName = `${source}/${epoch}/${flow}`;
    let packets = flows.get(flowName);
    if (packets === undefined) {
      packets = new Map();
      flows.set(flowName, packets);
    }
    const before = packets.get(sequence);
    if (before === undefined) {
      packets.set(sequence, event.at);
      this.lastName = `${event.node}/${flowName}/${sequence}`;
      this.lastTargets.length = 0;
      this.lastTargets.push(event.to);
      return undefined;
    }
    const isSameFanOut =
      before === event.at &&
      this.lastName === `${event.node}/${flowName}/${sequence}` &&
      !this.lastTargets.includes(event.to);
    this.lastTargets.push(event.to);
    return isSameFanOut
      ? undefined
      : `packet ${flowName}/${sequence} forwarded at ${before} and again, to ${event.to}`;
  }
}
