import { type DefinedCommand, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { nodeArgument } from '../parameters.ts';
import { lanesView } from '../views/lanes-view.ts';

export const lanesCommand: DefinedCommand = defineCommand<Record<never, never>, [node?: string]>({
  path: 'lanes',
  brief: 'Show the lanes a flow can ask for, and which can hold to a node',
  description:
    "Shows the network's lanes and what each is made of. With a NODE: how far away it is, and which lanes have a deadline that cannot hold on that way.",
  usesDaemon: true,
  examples: [
    { line: 'overlane lanes', note: 'the named lanes and those of the configuration' },
    { line: 'overlane lanes LAX', note: 'and whether each can hold to LAX' },
  ],
  fields: {
    to: 'the NODE asked for, or null',
    lanes: 'LaneReport of the SDK, one a lane',
  },
  exits: [[EXIT.negative, 'NODE was given and some lane cannot hold']],
  positional: { kind: 'tuple', parameters: [{ ...nodeArgument, optional: true }] },
  async run(context, flags, node) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const { signal } = context;
    const lanes = await daemon.lanes(node === undefined ? { signal } : { to: node, signal });
    return {
      data: { to: node ?? null, lanes },
      text: lanesView(lanes, node, context.paint),
      exit: lanes.some((l) => l.refusal !== undefined) ? EXIT.negative : EXIT.ok,
    };
  },
});
