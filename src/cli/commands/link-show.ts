import { type DefinedCommand, defineCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { neighbourArgument } from '../parameters.ts';
import { bandwidthView, reservedView } from '../views/bandwidth-view.ts';
import { impairmentsView } from '../views/operation-views.ts';
import { arrivalsView, linksView, queueDropsView } from '../views/status-view.ts';

export const linkShowCommand: DefinedCommand = defineCommand<
  Record<never, never>,
  [neighbour?: string]
>({
  path: 'link show',
  brief: 'Show links as measured, what they carry, and how the lab mistreats them',
  description:
    'Shows each link with its figures, how packets arrive, what this node dropped before the wire (DROPPED: the queue of a link with a capacity was full, or the packet too late), and its bandwidth: what it carries and how that is known, what is sent and received, what flows have reserved of it, what is FREE for others to reserve, what neither use nor reservations take (LEFT), and how often a rate was asked for that it had no room for (REFUSED); then who has reserved it. In a lab also how it is impaired.',
  usesDaemon: true,
  examples: [
    { line: 'overlane link show', note: 'all links of this node' },
    { line: 'overlane link show DFW', note: 'one' },
  ],
  fields: {
    links: 'LinkStatus of the SDK',
    drops: "QueueDrops of the SDK: what this node's own queues dropped, for each link and lane",
    bandwidth:
      'LinkBandwidthStatus of the SDK for each link: capacity, use, reserved, reservable, refused',
    reserved: 'list of { member, neighbour, bitsPerSecond }: who has reserved what on these links',
    impairments: 'list of { neighbour, remote, impairments }; empty outside labs',
  },
  exits: [[EXIT.negative, 'NEIGHBOUR was given and there is no link to it']],
  positional: { kind: 'tuple', parameters: [{ ...neighbourArgument, optional: true }] },
  async run(context, flags, neighbour) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const status = await daemon.status({ signal: context.signal });
    const wanted = (name: string | undefined): boolean =>
      neighbour === undefined || name === neighbour;
    const links = status.links.filter((l) => wanted(l.neighbour));
    const all = status.network.isLab ? await daemon.impairments() : [];
    const impairments = all.filter((i) => wanted(i.neighbour));
    const bandwidth = (status.bandwidth ?? []).filter((l) => wanted(l.neighbour));
    const reserved = (status.reserved ?? []).filter((l) => wanted(l.neighbour));
    const drops = (status.queueDrops ?? []).filter((l) => wanted(l.neighbour));
    const { paint } = context;
    const parts = [linksView(links, drops, paint), arrivalsView(links, paint)];
    if (drops.length > 0) parts.push(queueDropsView(drops, paint));
    if (bandwidth.length > 0) parts.push(bandwidthView(bandwidth, paint));
    if (reserved.length > 0) parts.push(reservedView(reserved, paint));
    if (impairments.length > 0) parts.push(impairmentsView(impairments, paint));
    return {
      data: { links, drops, bandwidth, reserved, impairments },
      text: parts.filter((part) => part !== '').join('\n\n'),
      exit: neighbour !== undefined && links.length === 0 ? EXIT.negative : EXIT.ok,
    };
  },
});
