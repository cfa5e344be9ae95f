import { createWriteStream } from 'node:fs';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { print } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../parameters.ts';
import type { SeedOutcome } from '../simulator-port.ts';
import { failureView, type SwarmSummary, seedLine, swarmSummaryView } from '../views/sim-view.ts';

interface Flags {
  readonly seeds: number;
  readonly first: number;
  readonly nodes: number;
  readonly once: boolean;
  readonly describe: boolean;
  readonly trace?: string;
}

const SEED_MAX = 2 ** 32 - 1;

export const simCommand: DefinedCommand = defineCommand<Flags>({
  path: 'sim',
  brief: 'Run the same cores in a simulated network, with drawn faults and independent checkers',
  description:
    'Each seed draws a topology, faults (loss, bursts, partitions, crashes with lost memory, clock drift, MTU holes) and a load. After the faults end, everything must heal. Checkers read the trace: no packet forwarded twice, at most one delivery a socket, no bound exceeded, no nonce reused. Every seed is run twice and must give the same trace.',
  examples: [
    { line: 'overlane sim --seeds 300', note: 'three hundred drawn networks' },
    { line: 'overlane sim --first 17 --seeds 1 --trace 17.jsonl', note: 'one of them, closely' },
    { line: 'overlane sim --first 17 --seeds 1 --describe', note: 'what seed 17 is' },
  ],
  fields: {
    seeds: 'how many were run',
    failed: 'seeds that failed',
    simulatedMs: 'virtual time of all of them',
    tookMs: 'real time',
    events: 'events of the simulator',
    outcomes: 'list of { seed, hash, violations, duration, healedAfter, ... }, times in us',
    descriptions: 'with --describe: list of { seed, lines }',
  },
  exits: [[EXIT.negative, 'a checker found something; the seed is named']],
  flags: {
    seeds: {
      kind: 'parsed',
      parse: wholeNumber(1, 1_000_000),
      default: '100',
      placeholder: 'n',
      brief: 'How many seeds',
    },
    first: {
      kind: 'parsed',
      parse: wholeNumber(0, SEED_MAX),
      default: '1',
      placeholder: 'seed',
      brief: 'The first seed; the others follow it',
    },
    nodes: {
      kind: 'parsed',
      parse: wholeNumber(2, 200),
      default: '12',
      placeholder: 'n',
      brief: 'Largest network drawn',
    },
    once: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Run each seed once: faster, and does not see what depends on more than the seed',
    },
    describe: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Say what the seeds are and run nothing',
    },
    trace: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'file',
      brief: 'Write the trace to this file, one JSON object a line',
    },
  },
  aliases: { n: 'seeds' },
  async run(context, flags) {
    const { paint, simulator } = context;
    if (flags.describe) {
      const descriptions = [];
      for (let seed = flags.first; seed < flags.first + flags.seeds; seed++)
        descriptions.push({ seed, lines: await simulator.describe(seed, flags.nodes) });
      const text = descriptions.flatMap((d) => d.lines).join('\n');
      return { data: { descriptions }, text };
    }
    const file = flags.trace === undefined ? undefined : createWriteStream(flags.trace);
    const outcomes: SeedOutcome[] = [];
    const began = context.elapsedMs();
    const runs = await simulator.swarm({
      firstSeed: flags.first,
      seeds: flags.seeds,
      nodesMax: flags.nodes,
      isRepeated: !flags.once,
      onLine: file === undefined ? undefined : (line) => void file.write(`${line}\n`),
    });
    let before = began;
    for (const outcome of runs) {
      const now = context.elapsedMs();
      outcomes.push(outcome);
      if (!flags.json) {
        print(context, seedLine(outcome, now - before, paint));
        if (outcome.violations.length > 0) print(context, failureView(outcome, flags.nodes, paint));
      }
      // A seed is one long computation: between two of them Ctrl-C gets its turn.
      await context.pause(0, context.signal);
      if (context.signal.aborted) break;
      before = context.elapsedMs();
    }
    await new Promise<void>((resolve) => (file === undefined ? resolve() : file.end(resolve)));
    const summary = summarize(outcomes, context.elapsedMs() - began);
    return {
      data: { ...summary, outcomes: outcomes.map(({ lastLines: _, ...rest }) => rest) },
      text: swarmSummaryView(summary, paint),
      exit: summary.failed.length === 0 ? EXIT.ok : EXIT.negative,
    };
  },
});

const summarize = (outcomes: readonly SeedOutcome[], tookMs: number): SwarmSummary => ({
  seeds: outcomes.length,
  failed: outcomes.filter((o) => o.violations.length > 0).map((o) => o.seed),
  simulatedMs: outcomes.reduce((sum, o) => sum + o.duration / 1_000, 0),
  tookMs: Math.round(tookMs),
  events: outcomes.reduce((sum, o) => sum + o.eventsRun, 0),
});
