/**
 * Many seeds, one after the other, each optionally run twice to see that it depends on nothing but
 * its seed. A generator: the caller prints, counts and stops as it likes. A failure is reproduced by
 * its seed alone.
 */
import type { RunOptions, ScenarioOutcome } from './scenario.ts';
import { drawScenario, runScenario } from './scenario.ts';

export interface SwarmOptions extends RunOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  /** Runs every seed twice and compares the hashes of the traces. Default true. */
  readonly isRepeated?: boolean;
  /** Largest network drawn. Default 12. */
  readonly nodesMax?: number;
}

export function* swarm(options: SwarmOptions): Generator<ScenarioOutcome> {
  for (let i = 0; i < options.seeds; i++) yield runSeed(options.firstSeed + i, options);
}

export function runSeed(
  seed: number,
  options: Omit<SwarmOptions, 'firstSeed' | 'seeds'>,
): ScenarioOutcome {
  const scenario = drawScenario(
    seed,
    options.nodesMax === undefined ? {} : { nodesMax: options.nodesMax },
  );
  const { isRepeated, nodesMax: _, ...run } = options;
  const outcome = runScenario(scenario, run);
  if (isRepeated === false || outcome.violations.length > 0) return outcome;
  const { onLine: __, ...quiet } = run;
  const again = runScenario(scenario, quiet);
  if (again.hash === outcome.hash) return outcome;
  const text = `two runs of one seed differ: ${outcome.hash} and ${again.hash}`;
  const violation = { invariant: 'same-seed-same-run', at: outcome.duration, node: '', text };
  return { ...outcome, violations: [violation] };
}

/** What a person needs to go on: the seed, what broke, and the last lines before it. */
export function reportFailure(outcome: ScenarioOutcome, linesMax = 30): string[] {
  return [
    `${outcome.name} (seed ${outcome.seed}) failed`,
    ...outcome.violations.map((v) => `  ${v.invariant} at ${v.at} us ${v.node}: ${v.text}`),
    '  last of the trace:',
    ...outcome.lastLines.slice(-linesMax).map((line) => `    ${line}`),
  ];
}
