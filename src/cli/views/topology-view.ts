/** The maximal topology: which links may exist, which there are, which claims do not count. */
import { stringify } from 'yaml';
import type { NetworkTopology, TopologySetReport, TopologyText } from '../../daemon/index.ts';
import type { NetworkLink, OverruledLink } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { countOf, showMs } from './quantities.ts';
import { type Cell, table } from './table.ts';

export function topologySetView(report: TopologySetReport, paint: Paint): string {
  const { manifestVersion, links, unmatched, closed } = report;
  const what = links === 0 ? 'any link may exist' : `${countOf(links, 'link')} may exist`;
  const lines = [`manifest version ${manifestVersion}: ${what}`];
  if (unmatched.length > 0)
    lines.push(paint('yellow', `no member known here is ${unmatched.join(', ')}`));
  if (closed.length > 0)
    lines.push(paint('yellow', `exist now and may not any more: ${closed.join(', ')}`));
  return lines.join('\n');
}

export function topologyShowView(found: NetworkTopology, paint: Paint): string {
  const { manifestVersion, links, present, overruled } = found;
  if (links.length === 0)
    return `manifest version ${manifestVersion}: no topology, any link may exist`;
  const latencies = new Map(present.map(({ between, latencyMs }) => [between.join(), latencyMs]));
  const rows = links.map(({ between, latencyMin }): Cell[] => {
    const latency = latencies.get([...between].sort().join());
    const now = latency === undefined ? { text: 'not up', style: 'dim' as const } : showMs(latency);
    return [between.join('-'), showMs(Number.parseFloat(latencyMin)), now];
  });
  const title = `${paint('bold', 'TOPOLOGY')}  manifest version ${manifestVersion}, ${countOf(links.length, 'link')}`;
  const parts = [`${title}\n${table({ paint, columns: ['LINK', '>LEAST', '>NOW'], rows })}`];
  if (overruled.length > 0) parts.push(overruledView(overruled, paint));
  return parts.join('\n\n');
}

/** What nodes say of links that does not count as they say it. */
export function overruledView(overruled: readonly OverruledLink[], paint: Paint): string {
  const rows = overruled.map(({ reporter, neighbour, claimedMs, latencyMinMs }): Cell[] => [
    reporter,
    [reporter, neighbour].sort().join('-'),
    showMs(claimedMs),
    latencyMinMs === undefined
      ? { text: 'no such link in the topology', style: 'red' }
      : { text: `counts ${showMs(latencyMinMs)}`, style: 'yellow' },
  ]);
  return `${paint('bold', 'OVERRULED')}\n${table({ paint, columns: ['NODE', 'LINK', '>CLAIMS', ''], rows })}`;
}

/** What is there now, each latency less a margin, rounded down to a tenth of a millisecond. */
export const learnedTopology = (present: readonly NetworkLink[], margin: number): TopologyText => ({
  links: present.map(({ between, latencyMs }) => ({
    between,
    latencyMin: `${Math.floor(latencyMs * (1 - margin) * 10) / 10}ms`,
  })),
});

/** One link a line. */
export function topologyFile({ links }: TopologyText): string {
  const lines = links.map((link) => {
    const [text] = stringify(link, { collectionStyle: 'flow', lineWidth: 0 }).split('\n');
    return `  - ${text}`;
  });
  return lines.length === 0 ? 'links: []' : ['links:', ...lines].join('\n');
}
