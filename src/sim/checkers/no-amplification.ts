/**
 * An address that has proven nothing is sent no more bytes than came from it (RFC 9000, section 8.1,
 * allows three times as many; we do not). Strangers are the remotes outside the network's own range.
 */
import type { Checker, TraceEvent } from '../trace.ts';

export class NoAmplification implements Checker {
  readonly invariant = 'no-amplification';
  private readonly balance = new Map<string, number>();
  private readonly isStranger: (remote: string) => boolean;

  constructor(isStranger: (remote: string) => boolean) {
    this.isStranger = isStranger;
  }

  event(event: TraceEvent): string | undefined {
    if (event.kind !== 'transmit' && event.kind !== 'receive') return undefined;
    if (!this.isStranger(event.remote)) return undefined;
    const key = `${event.node} ${event.remote}`;
    const sign = event.kind === 'receive' ? 1 : -1;
    const balance = (this.balance.get(key) ?? 0) + sign * event.bytes;
    this.balance.set(key, balance);
    return balance >= 0
      ? undefined
      : `${event.remote} was sent ${-balance} bytes more than it sent`;
  }
}
