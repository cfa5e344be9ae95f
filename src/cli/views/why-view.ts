/** Why flows go the way they go, and what their routes did. */
import type {
  FlowGraphReport,
  FlowRouteReport,
  FlowSummary,
  ReservationStatus,
  RouteAt,
  RouteHistoryEntry,
} from '../../host/index.ts';
import { reservationLine } from './bandwidth-view.ts';
import { graphLines, relaysView } from './graph-view.ts';
import type { Paint } from './paint.ts';
import { countOf, showMs, showPath, showRate, showShare, showSpan } from './quantities.ts';
import { lossCell } from './status-view.ts';
import { type Cell, table } from './table.ts';

export function whyView(from: string, flows: readonly FlowRouteReport[], paint: Paint): string {
  if (flows.length === 0) return 'no flow goes there';
  return flows.map((flow) => flowBlock(from, flow, paint)).join('\n\n');
}

export function flowsView(flows: readonly FlowSummary[], paint: Paint): string {
  if (flows.length === 0)
    return 'every flow takes the network\'s routes; "overlane why NODE" explains one';
  const rows = flows.map((flow): Cell[] => [
    String(flow.id),
    flow.port === undefined ? flow.destination : `${flow.destination}:${flow.port}`,
    flow.lane,
    metricWords(flow),
    flow.path === undefined ? { text: 'no way', style: 'red' } : showPath(flow.path),
    flow.score,
    showSpan(flow.sinceMs),
    flow.reservation === undefined ? '' : rateCell(flow.reservation),
  ]);
  const isAny = flows.some(({ reservation }) => reservation !== undefined);
  const columns = ['>FLOW', 'TO', 'LANE', 'METRIC', 'ROUTE', '>SCORE', '>FOR'];
  columns.push(isAny ? '>RESERVED' : '');
  return table({ paint, columns, rows });
}

const rateCell = ({ bitsPerSecond, state }: ReservationStatus): Cell => {
  const rate = showRate(bitsPerSecond);
  return state === 'held' ? rate : { text: `${rate} (${state})`, style: 'yellow' };
};

export function historyView(history: readonly RouteHistoryEntry[], paint: Paint): string {
  if (history.length === 0) return 'no route has changed';
  const way = (path: readonly string[] | undefined): Cell =>
    path === undefined ? { text: 'no way', style: 'red' } : showPath(path);
  const rows = history.map((entry): Cell[] => [
    showMoment(entry.at),
    entry.destination,
    flowCell(entry, entry.graph !== undefined),
    entry.graph === undefined ? way(entry.before) : (entry.graph.before ?? 'no packet yet'),
    entry.graph === undefined
      ? way(entry.after)
      : `${entry.graph.after}, ${countOf(entry.graph.links, 'link')}`,
    entry.cause,
  ]);
  const columns = ['AT', 'TO', 'FLOW', 'BEFORE', 'AFTER', 'BECAUSE'];
  return table({ paint, columns, rows });
}

/** Routes as they were at one moment, with what made and what ended them. */
export function routesAtView(at: string, routes: readonly RouteAt[], paint: Paint): string {
  const title = `${paint('bold', 'AT')} ${showMoment(at)}`;
  if (routes.length === 0) return `${title}\n  no route is remembered`;
  const rows = routes.map((route): Cell[] => [
    route.destination,
    flowCell(route, route.graph !== undefined),
    route.graph ??
      (route.path === undefined ? { text: 'no way', style: 'red' } : showPath(route.path)),
    route.since === undefined ? 'before memory' : showMoment(route.since),
    route.cause,
    route.until === undefined ? 'now' : showMoment(route.until),
    route.endedBy ?? '',
  ]);
  const columns = ['TO', 'FLOW', 'ROUTE', 'SINCE', 'BECAUSE', 'UNTIL', 'ENDED BY'];
  return `${title}\n${table({ paint, columns, rows })}`;
}

/** In UTC, as all times are shown. Changes come in bursts: their order is in the milliseconds. */
const showMoment = (iso: string): string => iso.replace('T', ' ');

const flowCell = (
  { flow, lane, metric }: { flow: number | undefined; lane: string; metric: string },
  isGraph: boolean,
): string => (isGraph ? `${lane}, ${metric}` : flow === undefined ? '-' : `${flow} ${metric}`);

const metricWords = ({ metric, hops, spread }: FlowSummary): string =>
  [metric, hops === 'one' ? 'one hop' : '', spread ? 'spread' : '']
    .filter((word) => word !== '')
    .join(', ');

function flowBlock(from: string, flow: FlowRouteReport, paint: Paint): string {
  const { path, port, destination, id, graph, relays } = flow;
  const to = port === undefined ? destination : `${destination}:${port}`;
  if (graph !== undefined) return graphBlock(from, to, { ...flow, graph }, paint);
  const what =
    id === undefined
      ? "the network's route"
      : `flow ${id}, lane ${flow.lane}, ${metricWords(flow)}`;
  const ends = `${paint('bold', from)} to ${paint('bold', to)} (${what})`;
  const route = path === undefined ? paint('red', 'no way') : paint('green', showPath(path));
  const because = flow.cause === '' ? '' : `, last because ${flow.cause}`;
  const lines = [`${ends}: ${route}`];
  if (path !== undefined)
    lines.push(
      `  ${flow.score}; ${showMs(flow.latencyMs)} one way, loss ${showShare(flow.loss)}`,
      `  for ${showSpan(flow.sinceMs)}; ${countOf(flow.changes, 'change')}${because}`,
    );
  if (flow.reservation !== undefined) lines.push(reservationLine(flow.reservation, paint));
  const rows = flow.candidates.map((c): Cell[] => [
    c.isChosen ? { text: '*', style: 'green' } : '',
    showPath(c.path),
    c.score,
    showMs(c.latencyMs),
    lossCell(showShare(c.loss), c.loss),
    c.isChosen ? { text: c.verdict, style: 'green' } : c.verdict,
  ]);
  const columns = ['', 'ROUTE', '>SCORE', '>LATENCY', '>LOSS', 'VERDICT'];
  if (rows.length > 0) lines.push(table({ paint, columns, rows }));
  if (relays !== undefined) lines.push(relaysView(relays, paint));
  return lines.join('\n');
}

/** A redundant flow: its graph in the place of a route. */
function graphBlock(
  from: string,
  to: string,
  flow: FlowRouteReport & { readonly graph: FlowGraphReport },
  paint: Paint,
): string {
  const { graph } = flow;
  const deadline = graph.deadlineMs > 0 ? ` in ${showMs(graph.deadlineMs)}` : '';
  const ends = `${paint('bold', from)} to ${paint('bold', to)}`;
  const because = flow.cause === '' ? '' : `, last because ${flow.cause}`;
  return [
    `${ends} (lane ${flow.lane}, ${flow.metric}${deadline}): ${paint('green', `${graph.candidates[0]?.name ?? graph.kind}, ${flow.score}`)}`,
    `  ${showMs(flow.latencyMs)} by the soonest way`,
    `  for ${showSpan(flow.sinceMs)}; ${countOf(flow.changes, 'change')}${because}`,
    ...(flow.reservation === undefined ? [] : [reservationLine(flow.reservation, paint)]),
    ...graphLines(from, flow.destination, graph, paint),
  ].join('\n');
}
