import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { durationMs } from '../parameters.ts';
import { showDay } from '../views/quantities.ts';
import { facts } from '../views/table.ts';

interface Flags {
  readonly name?: string;
  readonly state?: string;
  readonly timeout: number;
}

/** A token is a few hundred characters; more on standard input is something else. */
const TOKEN_BYTES_MAX = 4_096;

export const joinCommand: DefinedCommand = defineCommand<Flags, [token: string]>({
  path: 'join',
  brief: 'Join a network with a token from overlane invite',
  description:
    'Makes keys for this host, asks the inviting node for a certificate and keeps both in the state directory. The private keys never leave this host.',
  examples: [
    { line: 'overlane join ovl1_AbC...', note: 'under the name the invite was made for' },
    { line: 'overlane join - --name LAX < token', note: 'token from standard input' },
  ],
  fields: {
    network: 'name of the network',
    networkId: 'its id, hexadecimal',
    isLab: 'whether it is a lab',
    name: 'name of this node',
    address: 'its overlay address',
    state: 'the state directory',
    certificateEnds: 'when the certificate ends',
    through: 'the node that gave the certificate',
  },
  flags: {
    name: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'NODE',
      brief: 'Name of this node, where the invite does not say it',
    },
    state: {
      kind: 'parsed',
      parse: String,
      optional: true,
      placeholder: 'dir',
      brief: 'State directory (default: $OVERLANE_STATE or the usual place)',
    },
    timeout: { kind: 'parsed', parse: durationMs, default: '20s', brief: 'Give up after' },
  },
  positional: {
    kind: 'tuple',
    parameters: [
      { brief: 'The token, or - for standard input', placeholder: 'TOKEN', parse: String },
    ],
  },
  async run(context, flags, given) {
    const token = given === '-' ? await readToken(context) : given;
    const joined = await context.daemons.join({
      token,
      name: flags.name,
      state: context.daemons.stateDirectory(flags.state),
      timeoutMs: flags.timeout,
      signal: context.signal,
    });
    const { paint } = context;
    const lines = facts(
      [
        ['node', `${joined.name} (${joined.address})`],
        ['through', joined.through],
        ['state', joined.state],
        ['certificate', `ends ${showDay(joined.certificateEnds, context.now())}, renews itself`],
      ],
      paint,
    );
    return {
      data: { ...joined },
      text: [
        `joined ${paint('bold', joined.network)}`,
        lines,
        '',
        `next: ${paint('bold', 'overlane up')}`,
      ].join('\n'),
    };
  },
});

async function readToken(context: CliContext): Promise<string> {
  let text = '';
  for await (const chunk of context.stdin) {
    text += String(chunk);
    if (text.length > TOKEN_BYTES_MAX)
      throw new OverlayError('USAGE', 'standard input is too long to be a token');
  }
  return text.trim();
}
