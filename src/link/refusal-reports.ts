/** Tells of refusals as events, at a bounded rate; the counters have every one. */
import type { Instant } from '../kernel/index.ts';
import { TokenBucket } from '../kernel/index.ts';
import type { LinkSink } from './contract.ts';

const PER_SECOND = 5;

export class RefusalReports {
  private readonly sink: Pick<LinkSink, 'refused'>;
  private readonly allowed = new TokenBucket({ perSecond: PER_SECOND, burst: 2 * PER_SECOND });

  constructor(sink: Pick<LinkSink, 'refused'>) {
    this.sink = sink;
  }

  tell(
    what: 'handshake' | 'packet' | 'enrolment',
    reason: string,
    remote: string,
    now: Instant,
  ): void {
    if (this.allowed.take(now)) this.sink.refused(what, reason, remote, now);
  }
}
