/** Flows: lane, how they are led, and what they paid and lost here. */
import type { FlowTraffic } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { showBytes, showSpan } from './quantities.ts';
import { type Cell, table } from './table.ts';

/** Rows on one screen; --json has all. */
const ROWS_MAX = 16;

export function flowsView(flows: readonly FlowTraffic[], paint: Paint): string {
  const title = `${paint('bold', 'FLOWS')}  ${flows.length}`;
  if (flows.length === 0) return `${title}\n  none lately`;
  const rows = flows
    .slice(0, ROWS_MAX)
    .map((f): Cell[] => [
      f.source,
      f.destination,
      f.lane,
      ledBy(f),
      String(f.packets),
      showBytes(f.bytes),
      showCost(f),
      String(f.recovered),
      String(f.duplicates),
      trouble(f.late),
      trouble(f.dropped),
      showSpan(f.idleMs),
    ]);
  const columns = ['FROM', 'TO', 'LANE', 'LED BY', '>PACKETS', '>BYTES', '>COPIES', '>RECOVERED'];
  const more = ['>DUPLICATES', '>LATE', '>DROPPED', '>IDLE'];
  const rest = flows.length > ROWS_MAX ? `\n  and ${flows.length - ROWS_MAX} more: --json` : '';
  return `${title}\n${table({ paint, columns: [...columns, ...more], rows })}${rest}`;
}

/** `two paths, 5 links`: the graph at its source, how packets are stamped elsewhere. */
export const ledBy = ({ route, graph }: FlowTraffic): string =>
  graph === undefined ? route : `${graph.kind}, ${graph.links.length} links`;

/** Copies sent on from here for each packet: 1 at a node between, more where redundancy is paid. */
export const showCost = ({ copies, packets }: FlowTraffic): string =>
  copies === 0 || packets === 0 ? '-' : `${(copies / packets).toFixed(2)} x`;

const trouble = (count: number): Cell =>
  count === 0 ? '0' : { text: String(count), style: 'yellow' };

/** What a flow did since it was last looked at, on one line; empty: nothing. */
export function flowLine(flow: FlowTraffic, before: FlowTraffic | undefined, paint: Paint): string {
  const since = (key: 'packets' | 'recovered' | 'duplicates' | 'late' | 'dropped'): number => {
    const count = flow[key] - (before?.[key] ?? 0);
    return count < 0 ? flow[key] : count;
  };
  const packets = since('packets');
  if (packets === 0) return '';
  const { recovered, duplicates } = {
    recovered: since('recovered'),
    duplicates: since('duplicates'),
  };
  const worse = [
    [since('late'), 'late'],
    [since('dropped'), 'dropped'],
  ] as const;
  const said = [
    `${packets} packets`,
    ...(recovered > 0 ? [`${recovered} recovered`] : []),
    ...(duplicates > 0 ? [`${duplicates} duplicates`] : []),
    ...worse.flatMap(([count, word]) => (count > 0 ? [paint('yellow', `${count} ${word}`)] : [])),
    showCost(flow) === '-' ? '' : `${showCost(flow)} copies`,
  ].filter((part) => part !== '');
  const way = `${flow.source} > ${flow.destination}`;
  return `${paint('cyan', 'flow')}       ${way}  ${paint('bold', flow.lane)} by ${ledBy(flow)}: ${said.join(', ')}`;
}
