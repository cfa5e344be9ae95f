/** `overlane expose add|list|remove`: overlay ports of this node that lead to programs near it. */
import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { FLOW_FLAGS, type FlowFlags, flowOfFlags } from '../flow-flags.ts';
import { memberNames, parsePort, protocolArgument, ruleIdArguments } from '../parameters.ts';
import { exposesView } from '../views/operation-views.ts';

interface AddFlags extends FlowFlags {
  readonly from?: readonly string[];
}

const EXPOSE_FIELDS = {
  id: 'name of the rule, for overlane expose remove',
  protocol: 'tcp or udp',
  port: 'overlay port of this node',
  to: 'where it leads, as seen from this host',
  from: 'members that may use it, or any',
  flow: 'FlowChoice of the SDK: what answers to UDP clients ask for',
  isOpen: 'false while its port cannot be opened; it is tried again',
  source: 'config, or api when it was added while running',
  connections: 'TCP connections or UDP clients at the moment',
  connectionsTotal: 'and since the start',
  bytesIn: 'from other nodes',
  bytesOut: 'to other nodes',
  refusals: 'connections turned away, by reason',
};

export const exposeAddCommand: DefinedCommand = defineCommand<
  AddFlags,
  [protocol: 'tcp' | 'udp', port: number, to: string]
>({
  path: 'expose add',
  brief: 'Lead an overlay port of this node to a program near it',
  description:
    'Other nodes reach it with overlane forward, or with connect of the SDK. Nothing is exposed unless a rule says so. Lasts until the daemon ends; put it under expose: to keep it.',
  usesDaemon: true,
  examples: [
    { line: 'overlane expose add tcp 80 127.0.0.1:8080 --from ATL', note: 'only for ATL' },
    { line: 'overlane expose add udp 5004 10.0.0.9:5004 --from any', note: 'for every member' },
    {
      line: 'overlane expose add udp 9 127.0.0.1:9 --from ATL --lane remote',
      note: 'answers in that lane',
    },
  ],
  fields: EXPOSE_FIELDS,
  flags: {
    from: {
      kind: 'parsed',
      parse: String,
      optional: true,
      variadic: true,
      placeholder: 'NODE',
      brief: 'Who may use it: a member, may be repeated, or any',
      proposeCompletions: async function () {
        return ['any', ...(await memberNames(this))];
      },
    },
    ...FLOW_FLAGS,
  },
  positional: {
    kind: 'tuple',
    parameters: [
      protocolArgument,
      { brief: 'Overlay port of this node', placeholder: 'PORT', parse: parsePort },
      { brief: 'Where it leads, HOST:PORT', placeholder: 'TO', parse: String },
    ],
  },
  async run(context, flags, protocol, port, to) {
    const from = flags.from ?? [];
    if (from.length === 0) throw new OverlayError('USAGE', 'say for whom: --from NODE, or any');
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const rule = await daemon.addExpose({
      protocol,
      port,
      to,
      from: from.includes('any') ? 'any' : from,
      ...flowOfFlags(flags),
    });
    return { data: { ...rule }, text: exposesView([rule], context.paint) };
  },
});

export const exposeListCommand: DefinedCommand = defineCommand({
  path: 'expose list',
  brief: 'Show what this node exposes, to whom, and what passes',
  usesDaemon: true,
  examples: [{ line: 'overlane expose list', note: 'rules of the configuration too' }],
  fields: { exposes: `list of { ${Object.keys(EXPOSE_FIELDS).join(', ')} }` },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const exposes = await daemon.exposes();
    return { data: { exposes }, text: exposesView(exposes, context.paint) };
  },
});

export const exposeRemoveCommand: DefinedCommand = defineCommand<Record<never, never>, string[]>({
  path: 'expose remove',
  brief: 'Take an exposed port back; its connections are closed',
  usesDaemon: true,
  examples: [{ line: 'overlane expose remove tcp 80', note: 'id from expose list' }],
  fields: EXPOSE_FIELDS,
  positional: ruleIdArguments('overlane expose list'),
  async run(context, flags, ...words) {
    const id = words.join(' ');
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const rule = await daemon.removeExpose(id);
    return { data: { ...rule }, text: `${id} removed` };
  },
});
