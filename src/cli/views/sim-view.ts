/** `overlane sim`: one line a seed, what broke, and how fast virtual time went. */
import type { SeedOutcome } from '../simulator-port.ts';
import type { Paint } from './paint.ts';
import { countOf } from './quantities.ts';

export function seedLine(outcome: SeedOutcome, tookMs: number, paint: Paint): string {
  const { seed, violations, duration, healedAfter, messagesReceived, messagesSent } = outcome;
  const verdict = violations.length === 0 ? paint('green', 'ok    ') : paint('red', 'FAILED');
  const healed = healedAfter === undefined ? 'not healed' : `healed in ${seconds(healedAfter)}`;
  const speed = tookMs > 0 ? `, ${Math.round(duration / 1_000 / tookMs)} x real time` : '';
  return `${verdict} seed ${seed}  ${seconds(duration)} simulated, ${healed}, ${messagesReceived} of ${messagesSent} messages${speed}`;
}

/** What somebody needs to go on: what broke, the last of the trace, and how to see it again. */
export function failureView(outcome: SeedOutcome, nodesMax: number, paint: Paint): string {
  const lines = outcome.violations.map(
    (v) =>
      `  ${paint('red', v.invariant)} at ${seconds(v.at)}${v.node === '' ? '' : ` on ${v.node}`}: ${v.text}`,
  );
  const trace = outcome.lastLines.slice(-10).map((line) => `    ${paint('dim', line)}`);
  return [
    ...lines,
    ...(trace.length > 0 ? ['  last of the trace:', ...trace] : []),
    `  again: overlane sim --first ${outcome.seed} --seeds 1 --nodes ${nodesMax} --trace seed-${outcome.seed}.jsonl`,
  ].join('\n');
}

export interface SwarmSummary {
  readonly seeds: number;
  readonly failed: readonly number[];
  readonly simulatedMs: number;
  readonly tookMs: number;
  readonly events: number;
}

export function swarmSummaryView(summary: SwarmSummary, paint: Paint): string {
  const { seeds, failed, simulatedMs, tookMs, events } = summary;
  const speed = tookMs > 0 ? Math.round(simulatedMs / tookMs) : 0;
  const pace = `${seconds(simulatedMs * 1_000)} simulated in ${(tookMs / 1_000).toFixed(1)} s (${speed} x real time), ${events} events`;
  if (failed.length === 0) return `${paint('green', `${countOf(seeds, 'seed')} ok`)}: ${pace}`;
  return `${paint('red', `${failed.length} of ${countOf(seeds, 'seed')} failed`)} (${failed.join(', ')}): ${pace}`;
}

const seconds = (us: number): string => `${(us / 1e6).toFixed(us < 1e7 ? 1 : 0)} s`;
