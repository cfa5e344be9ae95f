/** All commands under one name, and a whole command line run against a context. */
import {
  type Application,
  buildApplication,
  buildRouteMap,
  proposeCompletions,
  run,
  text_en,
} from '@stricli/core';
import type { DefinedCommand } from './command.ts';
import { benchCommand } from './commands/bench.ts';
import { completionCommand } from './commands/completion.ts';
import { configCheckCommand, configSchemaCommand, configShowCommand } from './commands/config.ts';
import { doctorCommand } from './commands/doctor.ts';
import { downCommand } from './commands/down.ts';
import { explainCommand } from './commands/explain.ts';
import { exposeAddCommand, exposeListCommand, exposeRemoveCommand } from './commands/expose.ts';
import { forwardAddCommand, forwardListCommand, forwardRemoveCommand } from './commands/forward.ts';
import { initCommand } from './commands/init.ts';
import { inviteCommand } from './commands/invite.ts';
import { joinCommand } from './commands/join.ts';
import { labCommand } from './commands/lab.ts';
import { lanesCommand } from './commands/lanes.ts';
import { linkSetCommand } from './commands/link-set.ts';
import { linkShowCommand } from './commands/link-show.ts';
import { logLevelCommand } from './commands/log-level.ts';
import { metricsCommand } from './commands/metrics.ts';
import {
  perfBestCommand,
  perfQueryCommand,
  perfReportCommand,
  perfShowCommand,
} from './commands/perf.ts';
import { pingCommand } from './commands/ping.ts';
import { pipeCommand } from './commands/pipe.ts';
import { policyCheckCommand, policySetCommand, policyShowCommand } from './commands/policy.ts';
import { processorsCommand } from './commands/processors.ts';
import { profileCommand } from './commands/profile.ts';
import { reloadCommand } from './commands/reload.ts';
import { revokeCommand } from './commands/revoke.ts';
import { simCommand } from './commands/sim.ts';
import { statusCommand } from './commands/status.ts';
import {
  topologyLearnCommand,
  topologySetCommand,
  topologyShowCommand,
} from './commands/topology.ts';
import { traceCommand } from './commands/trace.ts';
import { upCommand } from './commands/up.ts';
import { versionCommand } from './commands/version.ts';
import { watchCommand } from './commands/watch.ts';
import { whyCommand } from './commands/why.ts';
import { COMPLETE_WORD } from './completion-scripts.ts';
import { type CliContext, complain } from './context.ts';
import { EXIT } from './exit-codes.ts';

/** In the order in which help and docs/cli.md show them: what a newcomer needs first. */
export const COMMANDS: readonly DefinedCommand[] = [
  labCommand,
  initCommand,
  inviteCommand,
  joinCommand,
  upCommand,
  downCommand,
  statusCommand,
  pingCommand,
  traceCommand,
  whyCommand,
  watchCommand,
  metricsCommand,
  lanesCommand,
  perfShowCommand,
  perfQueryCommand,
  perfReportCommand,
  perfBestCommand,
  pipeCommand,
  forwardAddCommand,
  forwardListCommand,
  forwardRemoveCommand,
  exposeAddCommand,
  exposeListCommand,
  exposeRemoveCommand,
  processorsCommand,
  linkShowCommand,
  linkSetCommand,
  reloadCommand,
  logLevelCommand,
  configCheckCommand,
  configShowCommand,
  configSchemaCommand,
  policySetCommand,
  policyShowCommand,
  policyCheckCommand,
  topologySetCommand,
  topologyShowCommand,
  topologyLearnCommand,
  revokeCommand,
  doctorCommand,
  explainCommand,
  simCommand,
  benchCommand,
  profileCommand,
  completionCommand,
  versionCommand,
];

/** Commands of two words, and what each first word is about. */
const GROUPS: Readonly<Record<string, string>> = {
  forward: 'Lead ports of this host to ports behind other nodes',
  expose: 'Lead overlay ports of this node to programs near it',
  perf: 'What paths were measured to be like, by nodes and by applications',
  link: 'Show links; in a lab, impair them',
  log: 'What the daemon logs',
  policy: 'Who may use which links and nodes',
  topology: 'Which links may exist, and how short each may claim to be',
  config: 'Check and show the configuration',
};

export const application: Application<CliContext> = buildApplication(rootRoutes(), {
  name: 'overlane',
  scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
  documentation: { caseStyle: 'convert-camel-to-kebab', onlyRequiredInUsageLine: true },
  localization: {
    text: {
      ...text_en,
      exceptionWhileParsingArguments(error, ansiColor) {
        const message = text_en.exceptionWhileParsingArguments.call(this, error, ansiColor);
        return message.replace(/^Unable to parse arguments, /, '').split('\n    at ')[0]!;
      },
    },
  },
});

function rootRoutes() {
  const routes: Record<string, ReturnType<typeof groupRoutes> | DefinedCommand['command']> = {};
  for (const defined of COMMANDS) {
    const [first, second] = defined.path.split(' ') as [string, string?];
    routes[first] = second === undefined ? defined.command : groupRoutes(first);
  }
  return buildRouteMap({
    routes,
    docs: {
      brief: 'An overlay network under your application',
      fullDescription:
        'An overlay network under your application: measured routes, rerouting in less than a second.\n\nFirst steps: overlane lab shows it on this machine; overlane init, invite, join and up do it on yours.',
    },
  });
}

function groupRoutes(first: string) {
  const members = COMMANDS.filter((c) => c.path.startsWith(`${first} `));
  return buildRouteMap({
    routes: Object.fromEntries(members.map((c) => [c.path.slice(first.length + 1), c.command])),
    docs: { brief: GROUPS[first] ?? first },
  });
}

/** State: sets `context.process.exitCode`. */
export async function runCommandLine(words: readonly string[], context: CliContext): Promise<void> {
  if (words[0] === COMPLETE_WORD) return complete(words.slice(1), context);
  const malformed = malformedFlag(words);
  if (malformed !== undefined) {
    complain(context, `No flag registered for ${malformed}`);
    context.process.exitCode = EXIT.usage;
    return;
  }
  await run(application, words, context);
  // The library's own codes are negative: an unknown command, arguments that do not parse.
  const code = Number(context.process.exitCode ?? 0);
  context.process.exitCode =
    code === -4 || code === -5 ? EXIT.usage : code < 0 ? EXIT.internal : code;
}

/**
 * The first word that begins as a flag and cannot be one: the library takes `--x` and `-9` for
 * arguments, and a command would look for a node of that name.
 */
function malformedFlag(words: readonly string[]): string | undefined {
  const end = words.indexOf('--');
  const considered = end < 0 ? words : words.slice(0, end);
  return considered.find((word, i) => {
    if (word.startsWith('--')) return !FLAG.test(word);
    const isValue = i > 0 && considered[i - 1]!.startsWith('-');
    return word.length > 1 && word.startsWith('-') && !isValue && !SHORT_FLAGS.test(word);
  });
}

const FLAG = /^--[a-z][a-z-.\d_]+(=.*)?$/i;
const SHORT_FLAGS = /^-[a-z]+(=.*)?$/i;

async function complete(words: readonly string[], context: CliContext): Promise<void> {
  const proposals = await proposeCompletions(application, words, context);
  for (const { completion, brief } of proposals)
    context.process.stdout.write(`${completion}\t${brief}\n`);
  context.process.exitCode = EXIT.ok;
}
