/** Why flows go the way they go, and what their routes did. */
import type { FlowRouteReport, FlowSummary, RouteHistoryEntry } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { countOf, showMs, showPath, showShare, showSpan } from './quantities.ts';
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
  ]);
  const columns = ['>FLOW', 'TO', 'LANE', 'METRIC', 'ROUTE', '>SCORE', '>FOR'];
  return table({ paint, columns, rows });
}

export function historyView(history: readonly RouteHistoryEntry[], paint: Paint): string {
  if (history.length === 0) return 'no route has changed';
  const way = (path: readonly string[] | undefined): Cell =>
    path === undefined ? { text: 'no way', style: 'red' } : showPath(path);
  const rows = history.map((entry): Cell[] => [
    entry.at.replace('T', ' ').replace(/\.\d+Z$/, 'Z'),
    entry.destination,
    entry.flow === undefined ? '-' : `${entry.flow} ${entry.metric}`,
    way(entry.before),
    way(entry.after),
    entry.cause,
  ]);
  const columns = ['AT', 'TO', 'FLOW', 'BEFORE', 'AFTER', 'BECAUSE'];
  return table({ paint, columns, rows });
}

const metricWords = ({ metric, hops, spread }: FlowSummary): string =>
  [metric, hops === 'one' ? 'one hop' : '', spread ? 'spread' : '']
    .filter((word) => word !== '')
    .join(', ');

function flowBlock(from: string, flow: FlowRouteReport, paint: Paint): string {
  const { path, port, destination, id } = flow;
  const to = port === undefined ? destination : `${destination}:${port}`;
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
  return lines.join('\n');
}
