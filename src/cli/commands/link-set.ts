import type { Impairments } from '../../daemon/index.ts';
import { OverlayError } from '../../kernel/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';
import { durationMs, neighbourArgument, rate, share, size, wholeNumber } from '../parameters.ts';
import { impairmentsView } from '../views/operation-views.ts';

interface Flags {
  readonly delay?: number;
  readonly jitter?: number;
  readonly loss?: number;
  readonly burst?: number;
  readonly burstTime?: number;
  readonly rate?: number;
  readonly queue?: number;
  readonly reorder?: number;
  readonly duplicate?: number;
  readonly mtu?: number;
  readonly cut?: boolean;
  readonly remote?: string;
  readonly clear: boolean;
}

const part = <T>(parse: (text: string) => T, placeholder: string, brief: string) =>
  ({ kind: 'parsed', parse, optional: true, placeholder, brief }) as const;

export const linkSetCommand: DefinedCommand = defineCommand<Flags, [neighbour: string]>({
  path: 'link set',
  brief: 'In a lab: impair packets to a neighbour',
  description:
    'Changes what happens to packets from this node to the neighbour; what is not named stays. The other direction is set at the other node. Refused in a network that was not made as a lab.',
  usesDaemon: true,
  examples: [
    { line: 'overlane link set DFW --delay 20ms --jitter 2ms', note: 'a longer way' },
    { line: 'overlane link set DFW --loss 30% --burst 50%', note: 'a sick one' },
    { line: 'overlane link set DFW --cut', note: 'a cut; --no-cut mends it' },
    { line: 'overlane link set DFW --cut --remote 127.0.0.2:7420', note: 'one path of several' },
    { line: 'overlane link set DFW --clear', note: 'as the network underneath is' },
  ],
  fields: {
    neighbour: 'name of the neighbour',
    remote: 'the path, only with --remote',
    impairments: 'what is in force now',
  },
  flags: {
    delay: part(durationMs, 'time', 'One-way delay added'),
    jitter: part(durationMs, 'time', 'Spread of the delay'),
    loss: part(share, 'share', 'Share of packets lost, as 1.5%'),
    burst: part(share, 'share', 'Chance that the packet after a lost one is lost too'),
    burstTime: part(durationMs, 'time', 'Draw losses anew after this time, not for each packet'),
    rate: part(rate, 'rate', 'Bottleneck, as 20Mbit'),
    queue: part(size, 'size', 'Room in front of the bottleneck, as 256KiB'),
    reorder: part(share, 'share', 'Share of packets held back behind later ones'),
    duplicate: part(share, 'share', 'Share of packets that arrive twice'),
    mtu: part(wholeNumber(576, 9_000), 'bytes', 'Longer datagrams vanish'),
    cut: { kind: 'boolean', optional: true, brief: 'Nothing passes' },
    remote: part(String, 'address', 'Of several paths only the one to this address'),
    clear: {
      kind: 'boolean',
      default: false,
      withNegated: false,
      brief: 'Remove all impairments; with others, before they are set',
    },
  },
  positional: { kind: 'tuple', parameters: [neighbourArgument] },
  async run(context, flags, neighbour) {
    const change = changeOf(flags);
    const isEmpty = Object.keys(change).length === 0;
    if (isEmpty && !flags.clear)
      throw new OverlayError('USAGE', 'nothing to set: name an impairment, or --clear');
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const path = flags.remote === undefined ? {} : { remote: flags.remote };
    let now = flags.clear ? await daemon.impair(neighbour, 'none', path) : undefined;
    if (!isEmpty) now = await daemon.impair(neighbour, change, path);
    return {
      data: { ...now },
      text: impairmentsView(now === undefined ? [] : [now], context.paint),
    };
  },
});

function changeOf(flags: Flags): Impairments {
  const { delay, jitter, burstTime, queue, clear: _, remote: __, ...same } = flags;
  const { loss, burst, rate: bits, reorder, duplicate, mtu, cut } = same;
  const all = {
    ...{ delayMs: delay, jitterMs: jitter, burstTimeMs: burstTime, queueBytes: queue, rate: bits },
    ...{ loss, burst, reorder, duplicate, mtu, cut },
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
