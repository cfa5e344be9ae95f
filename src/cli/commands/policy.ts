/** `overlane policy set|show|check`: who may use which links and nodes of the network. */
import { type DefinedCommand, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { nodeArgument } from '../parameters.ts';
import { policyCheckView, policySetView, policyShowView } from '../views/policy-view.ts';

export const policySetCommand: DefinedCommand = defineCommand<Record<never, never>, [file: string]>(
  {
    path: 'policy set',
    brief: 'Put a policy into the manifest; every node follows it as soon as it hears',
    description:
      'Reads cliques and rules from a YAML file (docs/policy.md), signs a new manifest with them in the place of those before, and floods it. An empty file takes the policy away. Works where the root key is, which is where overlane init was run.',
    usesDaemon: true,
    examples: [
      { line: 'overlane policy set policy.yaml', note: 'in force within a second, everywhere' },
      { line: 'overlane policy set /dev/null', note: 'no policy any more' },
    ],
    fields: {
      manifestVersion: 'version of the manifest that carries it',
      cliques: 'how many',
      rules: 'how many',
      bytes: 'of the 8192 a manifest has room for',
      unmatched: 'names and labels in it that no member known here has',
    },
    positional: {
      kind: 'tuple',
      parameters: [{ brief: 'Policy file', placeholder: 'FILE', parse: String }],
    },
    async run(context, flags, file) {
      const policy = await context.daemons.readPolicy(file);
      const socket = context.daemons.socketPath(flags.socket);
      await using daemon = await context.daemons.connect(socket, context.signal);
      const report = await daemon.setPolicy(policy, { signal: context.signal });
      return { data: { ...report }, text: policySetView(report, context.paint) };
    },
  },
);

export const policyShowCommand: DefinedCommand = defineCommand({
  path: 'policy show',
  brief: 'Show the policy of the network',
  usesDaemon: true,
  examples: [{ line: 'overlane policy show', note: 'as overlane policy set would read it' }],
  fields: {
    manifestVersion: 'version of the manifest that carries it',
    policy: 'cliques and rules, as their file has them',
  },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const found = await daemon.policy({ signal: context.signal });
    return { data: { ...found }, text: policyShowView(found) };
  },
});

interface CheckFlags {
  readonly lane: string;
}

export const policyCheckCommand: DefinedCommand = defineCommand<
  CheckFlags,
  [from: string, to: string]
>({
  path: 'policy check',
  brief: 'Say what a flow between two nodes could use, and why not the rest',
  description:
    'Asks this node, which knows the policy and the links of the whole network, for any flow: the best way that is permitted, and every link and node that is not, with the rule or clique that says so.',
  usesDaemon: true,
  examples: [
    { line: 'overlane policy check NYC LAX', note: 'on the default lane' },
    { line: 'overlane policy check NYC LAX --lane bulk', note: 'on another' },
  ],
  fields: {
    from: 'source',
    to: 'destination',
    lane: 'its name, or its number where it has none',
    isSingledOut: 'whether a rule concerns this flow in particular: its packets carry a route then',
    path: 'the best way permitted, after the source; absent when there is none',
    latencyMs: 'of that way',
    links:
      'list of { link, denial }: the rule or clique that denies it, absent where it may be used',
    nodes: 'list of { node, denial }, as nodes to pass through',
  },
  exits: [[EXIT.negative, 'no way is permitted']],
  flags: {
    lane: {
      kind: 'parsed',
      parse: String,
      default: 'default',
      brief: 'Lane of the flow, by name or number',
      placeholder: 'lane',
    },
  },
  positional: { kind: 'tuple', parameters: [nodeArgument, nodeArgument] },
  async run(context, flags, from, to) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const report = await daemon.checkPolicy(from, to, {
      lane: flags.lane,
      signal: context.signal,
    });
    return {
      data: { ...report },
      text: policyCheckView(report, context.paint),
      exit: report.path === undefined ? EXIT.negative : EXIT.ok,
    };
  },
});
