import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { durationMs } from '../parameters.ts';
import { invitesView } from '../views/operation-views.ts';

interface Flags {
  readonly expires: number;
  readonly validity?: number;
  readonly list: boolean;
  readonly role?: readonly string[];
  readonly label?: readonly (readonly [string, string])[];
}

export const inviteCommand: DefinedCommand = defineCommand<Flags, [name?: string]>({
  path: 'invite',
  brief: 'Print a token with which one host can join',
  description:
    'Prints a single-use token. Whoever has it can join until it is used or expires: send it as you would a password. The daemon of this node must be up when the other joins.',
  usesDaemon: true,
  examples: [
    { line: 'overlane invite LAX', note: 'for one node called LAX, valid for a day' },
    { line: 'overlane invite --expires 10m', note: 'for any free name' },
    { line: 'overlane invite --list', note: 'what was given out, and who used it' },
    { line: 'overlane invite LAX | ssh lax overlane join -', note: 'without a copy in between' },
  ],
  fields: {
    token: 'the token',
    name: 'the name it is for; absent: any free name',
    expires: 'when it ends',
    addresses: 'where the joining host will look for this node',
    invites: 'with --list, alone: list of { id, name, expires, usedBy }',
  },
  flags: {
    list: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Show the invites given out, and who used them',
    },
    validity: {
      kind: 'parsed',
      parse: durationMs,
      optional: true,
      placeholder: 'time',
      brief: 'How long the certificate lasts until it is renewed, as 90d',
    },
    expires: {
      kind: 'parsed',
      parse: durationMs,
      default: '24h',
      brief: 'How long the token can be used',
    },
    role: {
      kind: 'parsed',
      parse: String,
      optional: true,
      variadic: true,
      brief: 'Role written into the certificate; may be repeated',
    },
    label: {
      kind: 'parsed',
      parse: parseLabel,
      optional: true,
      variadic: true,
      placeholder: 'key=value',
      brief: 'Label written into the certificate; may be repeated',
    },
  },
  positional: {
    kind: 'tuple',
    parameters: [
      {
        brief: 'Name of the node that will join',
        placeholder: 'NAME',
        parse: String,
        optional: true,
      },
    ],
  },
  async run(context, flags, name) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    if (flags.list) {
      const invites = await daemon.invites();
      return { data: { invites }, text: invitesView(invites, context.paint) };
    }
    const invite = await daemon.invite({
      name,
      roles: flags.role ?? [],
      labels: Object.fromEntries(flags.label ?? []),
      expiresMs: flags.expires,
      validityMs: flags.validity,
    });
    // Only the token goes to standard output, so that it can be piped.
    const who = invite.name ?? 'one node';
    context.process.stderr.write(
      flags.json
        ? ''
        : `for ${who}, until ${invite.expires}, through ${invite.addresses.join(', ')}\n` +
            `there: overlane join TOKEN${invite.name === undefined ? ' --name NAME' : ''}\n`,
    );
    return { data: { ...invite }, text: invite.token };
  },
});

function parseLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new OverlayError('USAGE', `'${text}' is not of the form key=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}
