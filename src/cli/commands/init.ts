import { type DefinedCommand, defineCommand } from '../command.ts';
import { showDay } from '../views/quantities.ts';
import { facts } from '../views/table.ts';

interface Flags {
  readonly name: string;
  readonly lab: boolean;
  readonly state?: string;
}

export const initCommand: DefinedCommand = defineCommand<Flags, [network: string]>({
  path: 'init',
  brief: 'Make a network, with this host as its first node',
  description:
    'Makes the root key of a new network, signs its manifest, and gives this host the first certificate. The root key stays in the state directory here: back it up, it is the network.',
  examples: [
    { line: 'overlane init acme --name ATL', note: 'a network called acme, this node is ATL' },
    { line: 'overlane init play --name A --lab', note: 'a lab, in which links may be impaired' },
  ],
  fields: {
    network: 'name of the network',
    networkId: 'its id, hexadecimal',
    isLab: 'whether it is a lab',
    name: 'name of this node',
    address: 'its overlay address',
    state: 'the state directory',
    certificateEnds: 'when the certificate ends',
  },
  flags: {
    name: { kind: 'parsed', parse: String, placeholder: 'NODE', brief: 'Name of this node' },
    lab: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Mark it as a lab: links may be impaired on purpose',
    },
    state: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'dir',
      brief: 'State directory (default: $OVERLANE_STATE or the usual place)',
    },
  },
  positional: {
    kind: 'tuple',
    parameters: [{ brief: 'Name of the network', placeholder: 'NETWORK', parse: String }],
  },
  async run(context, flags, network) {
    const state = context.daemons.stateDirectory(flags.state);
    const made = await context.daemons.init({
      network,
      name: flags.name,
      isLab: flags.lab,
      state,
    });
    const { paint } = context;
    const lines = facts(
      [
        ['node', `${made.name} (${made.address})`],
        ['state', made.state],
        ['certificate', `ends ${showDay(made.certificateEnds, context.now())}, renews itself`],
      ],
      paint,
    );
    return {
      data: { ...made },
      text: [
        `network ${paint('bold', made.network)} made (${made.networkId.slice(0, 8)})`,
        lines,
        '',
        `next: ${paint('bold', 'overlane up')}, then ${paint('bold', 'overlane invite NAME')} for each other host`,
      ].join('\n'),
    };
  },
});
