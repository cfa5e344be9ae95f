/** `overlane ping`: one line a probe, and a summary that leaves nothing out. */
import type { PingResult } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { showMs, showShare } from './quantities.ts';

export interface PingSummary {
  readonly sent: number;
  readonly received: number;
  readonly loss: number;
  /** Undefined when nothing came back. */
  readonly rttMinMs: number | undefined;
  readonly rttMedianMs: number | undefined;
  readonly rttMaxMs: number | undefined;
  /** Mean difference between replies that follow each other (RFC 3550's jitter without its filter). */
  readonly jitterMs: number | undefined;
}

export function pingLine(sequence: number, result: PingResult, paint: Paint): string {
  const number = paint('dim', `#${sequence}`);
  switch (result.outcome) {
    case 'reply':
      return `${number} reply from ${result.from}  ${showMs(result.rttMs)}`;
    case 'hop-limit-exceeded':
      return `${number} ${paint('yellow', 'hop limit ran out')} at ${result.from}  ${showMs(result.rttMs)}`;
    case 'unreachable':
      return `${number} ${paint('red', 'unreachable')}, says ${result.from}  ${showMs(result.rttMs)}`;
    case 'timed-out':
      return `${number} ${paint('red', 'no reply')}`;
  }
}

export function summarizePings(results: readonly PingResult[]): PingSummary {
  const rtts = results.flatMap((r) => (r.outcome === 'reply' ? [r.rttMs] : []));
  const sorted = [...rtts].sort((a, b) => a - b);
  const steps = rtts.slice(1).map((rtt, i) => Math.abs(rtt - rtts[i]!));
  return {
    sent: results.length,
    received: rtts.length,
    loss: results.length === 0 ? 0 : 1 - rtts.length / results.length,
    rttMinMs: sorted[0],
    rttMedianMs: sorted[Math.floor((sorted.length - 1) / 2)],
    rttMaxMs: sorted.at(-1),
    jitterMs: steps.length === 0 ? undefined : steps.reduce((a, b) => a + b, 0) / steps.length,
  };
}

export function pingSummaryView(to: string, summary: PingSummary, paint: Paint): string {
  const { sent, received, loss, rttMinMs, rttMedianMs, rttMaxMs, jitterMs } = summary;
  const lost = loss > 0 ? paint('yellow', `${showShare(loss)} lost`) : '0 % lost';
  const head = `${paint('bold', to)}: ${sent} sent, ${received} received, ${lost}`;
  if (rttMinMs === undefined || rttMedianMs === undefined || rttMaxMs === undefined) return head;
  const jitter = jitterMs === undefined ? '' : `, jitter ${showMs(jitterMs)}`;
  return `${head}\n  rtt min ${showMs(rttMinMs)}, median ${showMs(rttMedianMs)}, max ${showMs(rttMaxMs)}${jitter}`;
}
