/** The graph of a redundant flow: the ways in it, what trouble its ends are in, and the graphs not taken. */
import type { FlowGraphReport, RelayReport } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { showMs, showPath, showSpan } from './quantities.ts';
import { type Cell, table } from './table.ts';

export function graphLines(
  from: string,
  to: string,
  graph: FlowGraphReport,
  paint: Paint,
): string[] {
  const ways = graph.kind === 'paths' ? waysOf(from, to, graph.links) : [];
  const lines =
    ways.length > 0
      ? ways.map((way) => `  ${paint('green', showPath(way))}`)
      : [`  over ${graph.links.join(', ')}`];
  for (const { end, sinceMs, links } of graph.troubles) {
    const what = links.map(
      ({ link, words, sinceMs: age }) => `${link} ${words} for ${showSpan(age)}`,
    );
    const how =
      sinceMs === undefined
        ? `a bad link at ${end}, too few for trouble`
        : paint('yellow', `${end} is in trouble for ${showSpan(sinceMs)}`);
    lines.push(`  ${how}: ${what.join(', ')}`);
  }
  const rows = graph.candidates.map((c): Cell[] => [
    c.isChosen ? { text: '*', style: 'green' } : '',
    c.name,
    c.links === 0 ? '-' : String(c.links),
    c.links === 0 ? '-' : showMs(c.latencyMs),
    c.isChosen ? { text: c.verdict, style: 'green' } : c.verdict,
  ]);
  lines.push(table({ paint, columns: ['', 'GRAPH', '>LINKS', '>LATENCY', 'VERDICT'], rows }));
  return lines;
}

/** Disjoint paths, node by node; empty where the links are no such thing. */
function waysOf(from: string, to: string, links: readonly string[]): string[][] {
  // A node's name may hold a hyphen: links are told apart by what they begin with.
  const after = (node: string): string[] =>
    links.filter((link) => link.startsWith(`${node}-`)).map((link) => link.slice(node.length + 1));
  return after(from).map((first) => {
    const way = [first];
    while (way.at(-1) !== to && way.length <= links.length) way.push(after(way.at(-1)!)[0] ?? to);
    return way;
  });
}

/** Below the network's route in a big mesh: the relay, who told of it, and what else there was. */
export function relaysView(relays: RelayReport, paint: Paint): string {
  const { path, rendezvous, advising, candidates } = relays;
  const way =
    path === undefined
      ? 'no relay and no direct way is known: as the route above'
      : path.length === 1
        ? 'directly, no relay is better'
        : `over ${paint('green', path[0]!)}, before the route above`;
  const title = `${paint('bold', 'RELAYS')}  packets go ${way}; ${advising} of ${rendezvous} rendezvous advise`;
  const rows = candidates.map((c): Cell[] => [
    c.isChosen ? { text: '*', style: 'green' } : '',
    showPath(c.path),
    c.rttMs === undefined ? '-' : showMs(c.rttMs),
    c.isChosen ? { text: c.verdict, style: 'green' } : c.verdict,
  ]);
  return `${title}\n${table({ paint, columns: ['', 'WAY', '>ROUND TRIP', 'VERDICT'], rows })}`;
}
