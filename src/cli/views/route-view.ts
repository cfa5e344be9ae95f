/** One destination in full: the route, since when and why, and what lost against it. */
import type { RouteExplanation, TraceHop, TraceResult } from '../../host/index.ts';
import { relaysView } from './graph-view.ts';
import type { Paint } from './paint.ts';
import { countOf, showMs, showPath, showShare, showSpan } from './quantities.ts';
import { lossCell } from './status-view.ts';
import { type Cell, table } from './table.ts';

export function explanationView(from: string, found: RouteExplanation, paint: Paint): string {
  return [routeLine(from, found, paint), candidatesView(found, paint)].join('\n\n');
}

function routeLine(from: string, { destination, route }: RouteExplanation, paint: Paint): string {
  const ends = `${paint('bold', from)} to ${paint('bold', destination)}`;
  if (route === undefined || route.path.length === 0) return `${ends}: ${paint('red', 'no route')}`;
  const changes = countOf(route.changes, 'change');
  const because = route.cause === '' ? '' : `, last because ${route.cause}`;
  return [
    `${ends}: ${paint('green', showPath(route.path))}`,
    `  ${showMs(route.latencyMs)} one way, loss ${showShare(route.loss)}, cost ${showMs(route.costMs)}`,
    `  for ${showSpan(route.sinceMs)}; ${changes}${because}`,
  ].join('\n');
}

export function candidatesView(found: RouteExplanation, paint: Paint): string {
  const { candidates } = found;
  const title = paint('bold', 'CONSIDERED');
  if (candidates.length === 0) return `${title}\n  nothing: no neighbour leads there`;
  const order = [...candidates].sort((a, b) => Number(b.isChosen) - Number(a.isChosen));
  const rows = order.map((c): Cell[] => {
    const known = c.path.length > 0 && Number.isFinite(c.costMs);
    return [
      c.isChosen ? { text: '*', style: 'green' } : '',
      showPath(c.path),
      known ? showMs(c.latencyMs) : '-',
      known ? lossCell(showShare(c.loss), c.loss) : '-',
      known ? showMs(c.costMs) : '-',
      c.isChosen ? { text: c.verdict || 'the route', style: 'green' } : c.verdict,
    ];
  });
  const columns = ['', 'ROUTE', '>LATENCY', '>LOSS', '>COST', 'VERDICT'];
  const relays = found.relays === undefined ? '' : `\n\n${relaysView(found.relays, paint)}`;
  return `${title}\n${table({ paint, columns, rows })}${relays}`;
}

export function traceView(from: string, result: TraceResult, paint: Paint): string {
  const probes = Math.max(1, ...result.hops.map((h) => h.rttsMs.length));
  const rows = result.hops.map((hop) => hopRow(hop, probes));
  const columns = ['>HOP', 'NODE', ...Array.from({ length: probes }, (_, i) => `>PROBE ${i + 1}`)];
  const measured = `${paint('bold', 'MEASURED')}\n${table({ paint, columns, rows })}`;
  const verdict = result.isReached
    ? ''
    : `\n  ${paint('red', `${result.destination} did not answer`)}`;
  const { explanation } = result;
  return [
    routeLine(from, explanation, paint),
    measured + verdict,
    candidatesView(explanation, paint),
  ].join('\n\n');
}

function hopRow(hop: TraceHop, probes: number): Cell[] {
  const times = Array.from({ length: probes }, (_, i): Cell => {
    const rtt = hop.rttsMs[i];
    return rtt === undefined ? { text: 'lost', style: 'yellow' } : showMs(rtt);
  });
  return [String(hop.hop), hop.node ?? { text: 'silent', style: 'yellow' }, ...times];
}
