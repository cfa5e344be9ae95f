/** `overlane status`: links, routes with their runners-up, members, on one screen. */
import type {
  ArrivalStatus,
  LinkStatus,
  MemberStatus,
  NodeStatus,
  PathStatus,
  QueueDrops,
  RouteExplanation,
  RouteStatus,
  UnderlayStatus,
} from '../../host/index.ts';
import { bandwidthView, reservationsView } from './bandwidth-view.ts';
import { flowsView } from './flows-view.ts';
import type { Paint, Style } from './paint.ts';
import {
  countOf,
  showBytes,
  showDay,
  showMs,
  showPath,
  showShare,
  showSpan,
} from './quantities.ts';
import { type Cell, facts, table } from './table.ts';
import { overruledView } from './topology-view.ts';

export interface StatusViewOptions {
  readonly paint: Paint;
  readonly now: Date;
  /** By destination; where absent the runner-up column stays empty. */
  readonly explanations: ReadonlyMap<string, RouteExplanation>;
  readonly withSockets?: boolean;
  readonly withCounters?: boolean;
}

/** A flow idle for longer is in --json only. */
const FLOW_SHOWN_MS = 60_000;

export function statusView(status: NodeStatus, options: StatusViewOptions): string {
  const { paint } = options;
  const { queueDrops = [] } = status;
  const parts = [headline(status, options), linksView(status.links, queueDrops, paint)];
  if (queueDrops.length > 0) parts.push(queueDropsView(queueDrops, paint));
  const bandwidth = (status.bandwidth ?? []).filter((link) => link.capacityBitsPerSecond > 0);
  if (bandwidth.length > 0) parts.push(bandwidthView(bandwidth, paint));
  parts.push(routesView(status, options));
  const { reservations = [] } = status;
  if (reservations.length > 0) parts.push(reservationsView(reservations, paint));
  const flows = (status.flows ?? []).filter(({ idleMs }) => idleMs < FLOW_SHOWN_MS);
  if (flows.length > 0) parts.push(flowsView(flows, paint));
  const unreachable = status.members.filter((m) => !m.isReachable && m.name !== status.name);
  if (unreachable.length > 0) parts.push(unreachableView(unreachable, paint));
  const overruled = status.topology?.overruled ?? [];
  if (overruled.length > 0) parts.push(overruledView(overruled, paint));
  if (options.withSockets === true) parts.push(socketsView(status, paint));
  if (options.withCounters === true) parts.push(countersView(status.counters, paint));
  return parts.join('\n\n');
}

function headline(status: NodeStatus, { paint, now }: StatusViewOptions): string {
  const { network } = status;
  const lab = network.isLab ? ' (lab)' : '';
  const daysLeft = (Date.parse(status.certificateEnds) - now.getTime()) / 86_400_000;
  const ends = showDay(status.certificateEnds, now);
  return [
    `${paint('bold', status.name)}  ${paint('dim', status.address)}  in ${paint('bold', network.name)}${lab}`,
    facts(
      [
        ['up', `${showSpan(status.uptimeMs)}, epoch ${status.epoch}`],
        ['certificate', `ends ${daysLeft < 30 ? paint(urgency(daysLeft), ends) : ends}`],
        ['manifest', manifestText(status)],
        ['underlay', underlayText(status.underlay)],
      ],
      paint,
    ),
  ].join('\n');
}

const manifestText = ({ manifestVersion, topology }: NodeStatus): string =>
  topology === undefined
    ? `version ${manifestVersion}`
    : `version ${manifestVersion}, ${countOf(topology.links, 'link')} may exist`;

/** Where the fast one was wanted and is not in use, that and why. */
function underlayText({ kind, locals, reason, isFallback, crypto }: UnderlayStatus): string {
  const why = isFallback ? ` (${reason})` : '';
  const sealing = crypto.isFallback ? `, ${crypto.kind} crypto (${crypto.reason})` : '';
  return `${kind}${why}${sealing}, ${locals.join(', ')}`;
}

/** Expiry warns at 30, 7 and 1 days. */
export const urgency = (daysLeft: number): Style => (daysLeft < 7 ? 'red' : 'yellow');

const STATE_STYLES: Readonly<Record<LinkStatus['state'], Style>> = {
  up: 'green',
  suspect: 'yellow',
  connecting: 'yellow',
  down: 'red',
};

/** `drops`: of this node's own queues; the column is there when there are any. */
export function linksView(
  links: readonly LinkStatus[],
  drops: readonly QueueDrops[],
  paint: Paint,
): string {
  const up = links.filter((l) => l.state === 'up').length;
  const title = `${paint('bold', 'LINKS')}  ${up} of ${links.length} up`;
  if (links.length === 0)
    return `${title}\n  none: name neighbours in the configuration, or wait to be called`;
  const isAnyDropped = drops.length > 0;
  const rows = [...links].sort(byNeighbour).flatMap((link): Cell[][] => {
    const isMeasured = link.state === 'up' || link.state === 'suspect';
    const measured = (text: string): string => (isMeasured ? text : '-');
    const row: Cell[] = [
      link.neighbour ?? '?',
      { text: link.state, style: STATE_STYLES[link.state] },
      measured(showMs(link.rttMs)),
      measured(showMs(link.incoming.jitterMs)),
      lossCell(measured(showShare(link.lossOut)), link.lossOut),
      lossCell(measured(showShare(link.lossIn)), link.lossIn),
      measured(String(link.mtu)),
      measured(showBytes(link.bytesOut)),
      measured(showBytes(link.bytesIn)),
      ...(isAnyDropped ? [String(droppedFor(link.neighbour, drops))] : []),
      showSpan(link.sinceMs),
      link.remote,
      { text: link.state === 'up' ? '' : (link.reason ?? ''), style: 'yellow' },
    ];
    return [row, ...link.paths.map((path) => pathCells(path, isAnyDropped))];
  });
  const columns = ['TO', 'STATE', '>RTT', '>JITTER', '>LOSS OUT', '>LOSS IN', '>MTU', '>SENT'];
  const dropped = isAnyDropped ? ['>DROPPED'] : [];
  const more = ['>RECEIVED', ...dropped, '>FOR', 'REMOTE', isAnyReason(links) ? 'BECAUSE' : ''];
  return `${title}\n${table({ paint, columns: [...columns, ...more], rows })}`;
}

const droppedFor = (neighbour: string | undefined, drops: readonly QueueDrops[]): number =>
  drops.reduce((sum, d) => (d.neighbour === neighbour ? sum + d.overload + d.late : sum), 0);

/** What this node's own queues dropped, by link and lane. */
export function queueDropsView(drops: readonly QueueDrops[], paint: Paint): string {
  const rows = drops.map(({ neighbour, lane, overload, late, bytes }) => [
    neighbour,
    lane,
    String(overload),
    String(late),
    showBytes(bytes),
  ]);
  const columns = ['TO', 'LANE', '>QUEUE FULL', '>TOO LATE', '>BYTES'];
  return `${paint('bold', 'DROPPED')} before the wire\n${table({ paint, columns, rows })}`;
}

/** One path of several, below its link. */
function pathCells(path: PathStatus, isAnyDropped: boolean): Cell[] {
  const { state, isInUse, rttMs, lossOut, lossIn, local, remote } = path;
  const isMeasured = state === 'up' || state === 'suspect';
  const measured = (text: string): string => (isMeasured ? text : '-');
  return [
    `${isInUse ? '*' : ' '} address ${local}`,
    { text: state, style: STATE_STYLES[state] },
    measured(showMs(rttMs)),
    '',
    lossCell(measured(showShare(lossOut)), lossOut),
    lossCell(measured(showShare(lossIn)), lossIn),
    '',
    '',
    '',
    '',
    ...(isAnyDropped ? [''] : []),
    remote,
    { text: path.isProviderTrouble ? 'provider silent' : '', style: 'yellow' },
  ];
}

/** How packets arrive, in both directions of each link and of its paths. */
export function arrivalsView(links: readonly LinkStatus[], paint: Paint): string {
  const rows = [...links].sort(byNeighbour).flatMap((link): Cell[][] => {
    if (link.state !== 'up' && link.state !== 'suspect') return [];
    const spares = link.paths.filter(({ isInUse }) => !isInUse);
    const name = link.neighbour ?? '?';
    return [
      ...directionRows(name, link),
      ...spares.flatMap((path) => directionRows(`${name}, address ${path.local}`, path)),
    ];
  });
  if (rows.length === 0) return '';
  const columns = ['DIRECTION', '>JITTER', '>LOST AT A TIME', '>REORDERED', '>BEHIND BY'];
  return `${paint('bold', 'ARRIVALS')}\n${table({ paint, columns, rows })}`;
}

function directionRows(
  name: string,
  { incoming, outgoing }: Pick<LinkStatus, 'incoming' | 'outgoing'>,
): Cell[][] {
  return [arrivalCells(`to ${name}`, outgoing), arrivalCells(`from ${name}`, incoming)];
}

function arrivalCells(direction: string, figures: ArrivalStatus | undefined): Cell[] {
  if (figures === undefined) return [direction, 'not told yet', '', '', ''];
  const { jitterMs, burst, reordered, reorderExtent } = figures;
  const packets = (count: number): string => (count === 0 ? '-' : count.toFixed(1));
  return [
    direction,
    showMs(jitterMs),
    packets(burst),
    showShare(reordered),
    packets(reorderExtent),
  ];
}

const isAnyReason = (links: readonly LinkStatus[]): boolean =>
  links.some(
    (l) => (l.state !== 'up' && l.reason !== undefined) || l.paths.some((p) => p.isProviderTrouble),
  );

const byNeighbour = (a: LinkStatus, b: LinkStatus): number =>
  (a.neighbour ?? '~') < (b.neighbour ?? '~') ? -1 : 1;

export const lossCell = (text: string, loss: number): Cell =>
  loss >= 0.02 ? { text, style: loss >= 0.1 ? 'red' : 'yellow' } : text;

function routesView(status: NodeStatus, { paint, explanations }: StatusViewOptions): string {
  const routes = status.routes.filter((r) => r.path.length > 0);
  const others = status.members.filter((m) => m.name !== status.name).length;
  const title = `${paint('bold', 'ROUTES')}  to ${routes.length} of ${countOf(others, 'node')}`;
  if (routes.length === 0) return `${title}\n  none`;
  const rows = [...routes]
    .sort((a, b) => (a.destination < b.destination ? -1 : 1))
    .map((route) => routeRow(route, explanations.get(route.destination)));
  const columns = ['TO', 'ROUTE', '>LATENCY', '>LOSS', '>FOR', '>CHANGES', 'NEXT BEST'];
  return `${title}\n${table({ paint, columns, rows })}`;
}

function routeRow(route: RouteStatus, explanation: RouteExplanation | undefined): Cell[] {
  const next = explanation?.candidates.find((c) => !c.isChosen);
  return [
    route.destination,
    showPath(route.path),
    showMs(route.latencyMs),
    lossCell(showShare(route.loss), route.loss),
    showSpan(route.sinceMs),
    String(route.changes),
    { text: next === undefined ? '' : runnerUp(next), style: 'dim' },
  ];
}

const runnerUp = (c: RouteExplanation['candidates'][number]): string =>
  c.path.length === 0 ? c.verdict : `${showPath(c.path)}: ${c.verdict}`;

function unreachableView(members: readonly MemberStatus[], paint: Paint): string {
  const names = members.map((m) => m.name).sort();
  return `${paint('bold', 'UNREACHABLE')}  ${paint('red', names.join(', '))}`;
}

function socketsView(status: NodeStatus, paint: Paint): string {
  const title = `${paint('bold', 'SOCKETS')}  ${status.sockets.length}`;
  if (status.sockets.length === 0) return title;
  const rows = status.sockets.map((s): Cell[] => [
    s.kind,
    String(s.port),
    s.remote === undefined ? '' : `${s.remote.node}:${s.remote.port}`,
    s.dropped === 0 ? '0' : { text: String(s.dropped), style: 'yellow' },
  ]);
  return `${title}\n${table({ paint, columns: ['KIND', '>PORT', 'REMOTE', '>DROPPED'], rows })}`;
}

function countersView(counters: NodeStatus['counters'], paint: Paint): string {
  const rows = Object.entries(counters)
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]): Cell[] => [name, String(count)]);
  const title = `${paint('bold', 'COUNTERS')}  those above zero`;
  return rows.length === 0
    ? `${title}\n  none`
    : `${title}\n${table({ paint, columns: ['NAME', '>COUNT'], rows })}`;
}
