/** `overlane forward add|list|remove`: ports of this host that lead behind another node. */
import { isIP } from 'node:net';
import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { FLOW_FLAGS, type FlowFlags, flowOfFlags } from '../flow-flags.ts';
import { endpointArgument, parsePort, protocolArgument, ruleIdArguments } from '../parameters.ts';
import { forwardsView } from '../views/operation-views.ts';

const FORWARD_FIELDS = {
  id: 'name of the forward, for overlane forward remove',
  protocol: 'tcp or udp',
  listen: 'address and port of this host; the real port where 0 was asked for',
  to: 'node it leads to',
  port: 'overlay port there',
  lane: 'lane of its flows',
  flow: 'FlowChoice of the SDK: the lane and what was spelled out over it',
  isOpen: 'false while its port cannot be opened; it is tried again',
  source: 'config, or api when it was added while running',
  connections: 'TCP connections or UDP clients at the moment',
  connectionsTotal: 'and since the start',
  bytesIn: 'from the other node',
  bytesOut: 'to the other node',
  refusals: 'connections turned away, by reason',
};

export const forwardAddCommand: DefinedCommand = defineCommand<
  FlowFlags,
  [protocol: 'tcp' | 'udp', listen: string, to: { node: string; port: number }]
>({
  path: 'forward add',
  brief: 'Lead a TCP or UDP port of this host to a port behind another node',
  description:
    'Programs that connect to LISTEN reach what the other node exposes under the overlay port: an expose: rule in its configuration says what that is. Lasts until the daemon ends; put it under forwards: to keep it.',
  usesDaemon: true,
  examples: [
    { line: 'overlane forward add tcp 8080 LAX:80', note: "LAX's web server on localhost:8080" },
    { line: 'overlane forward add udp 0.0.0.0:5004 LAX:5004', note: 'a media stream' },
    {
      line: 'overlane forward add udp 5004 LAX:5004 --lane video',
      note: 'the same, repaired in time',
    },
  ],
  fields: FORWARD_FIELDS,
  flags: FLOW_FLAGS,
  positional: {
    kind: 'tuple',
    parameters: [
      protocolArgument,
      { brief: 'PORT or ADDRESS:PORT of this host', placeholder: 'LISTEN', parse: parseListen },
      endpointArgument,
    ],
  },
  async run(context, flags, protocol, listen, to) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const forward = await daemon.addForward({
      protocol,
      listen,
      to: to.node,
      port: to.port,
      ...flowOfFlags(flags),
    });
    return { data: { ...forward }, text: forwardsView([forward], context.paint) };
  },
});

export const forwardListCommand: DefinedCommand = defineCommand({
  path: 'forward list',
  brief: 'Show the forwards of this node and what passes through them',
  usesDaemon: true,
  examples: [{ line: 'overlane forward list', note: 'those of the configuration too' }],
  fields: { forwards: `list of { ${Object.keys(FORWARD_FIELDS).join(', ')} }` },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const forwards = await daemon.forwards();
    return { data: { forwards }, text: forwardsView(forwards, context.paint) };
  },
});

export const forwardRemoveCommand: DefinedCommand = defineCommand<Record<never, never>, string[]>({
  path: 'forward remove',
  brief: 'End a forward; its connections are closed',
  usesDaemon: true,
  examples: [{ line: 'overlane forward remove tcp 127.0.0.1:8080', note: 'id from forward list' }],
  fields: FORWARD_FIELDS,
  positional: ruleIdArguments('overlane forward list'),
  async run(context, flags, ...words) {
    const id = words.join(' ');
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const forward = await daemon.removeForward(id);
    return { data: { ...forward }, text: `${id} removed` };
  },
});

/** `8080` is `127.0.0.1:8080`: nothing is opened to other hosts unless somebody says so. */
export function parseListen(text: string): string {
  const match = /^(?:(.*):)?(\d{1,5})$/.exec(text);
  if (match === null) throw new OverlayError('USAGE', `'${text}' is not PORT or ADDRESS:PORT`);
  const host = match[1] ?? '127.0.0.1';
  const port = match[2] === '0' ? 0 : parsePort(match[2]!);
  if (isIP(host.replace(/^\[(.*)\]$/, '$1')) === 0)
    throw new OverlayError('USAGE', `'${host}' is not an address of this host`);
  return `${host}:${port}`;
}
