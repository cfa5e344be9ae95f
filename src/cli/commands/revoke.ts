import { type DefinedCommand, defineCommand } from '../command.ts';
import { nodeArgument } from '../parameters.ts';
import { countOf } from '../views/quantities.ts';

export const revokeCommand: DefinedCommand = defineCommand<Record<never, never>, [node: string]>({
  path: 'revoke',
  brief: "Take a node's certificate back",
  description:
    'Signs a new manifest that names the certificates of the node as revoked and floods it. Every node drops its links to it as soon as it hears. Works where the root key is, which is where overlane init was run.',
  usesDaemon: true,
  examples: [{ line: 'overlane revoke LAX', note: 'a host was lost or broken into' }],
  fields: {
    name: 'the node',
    serials: 'serial numbers of the certificates revoked',
    manifestVersion: 'version of the manifest that says so',
  },
  positional: { kind: 'tuple', parameters: [nodeArgument] },
  async run(context, flags, node) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const report = await daemon.revoke(node);
    const count = countOf(report.serials.length, 'certificate');
    return {
      data: { ...report },
      text: `${report.name}: ${count} revoked, manifest version ${report.manifestVersion}`,
    };
  },
});
