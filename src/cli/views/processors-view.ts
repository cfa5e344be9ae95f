/** `overlane processors`: one row each, and the last error of those that have one. */
import type { ProcessorReport } from '../../daemon/index.ts';
import { showFlow } from './lanes-view.ts';
import type { Paint, Style } from './paint.ts';
import { type Cell, table } from './table.ts';

const STYLES: Readonly<Record<ProcessorReport['state'], Style>> = {
  running: 'green',
  starting: 'yellow',
  failed: 'red',
};

export function processorsView(processors: readonly ProcessorReport[], paint: Paint): string {
  if (processors.length === 0)
    return 'no processors: name a module under processors: in the configuration';
  const rows = processors.map((p): Cell[] => {
    const drops = Object.entries(p.dropped).map(([reason, count]) => `${count} ${reason}`);
    return [
      p.name,
      { text: p.state, style: STYLES[p.state] },
      String(p.port),
      p.match.lane ?? 'any',
      p.to ?? '-',
      showFlow(p.flow),
      String(p.received),
      String(p.sent),
      p.errors === 0 ? '0' : { text: String(p.errors), style: 'red' },
      drops.length === 0 ? '' : { text: drops.join(', '), style: 'yellow' },
    ];
  });
  const columns = ['NAME', 'STATE', '>PORT', 'TAKES', 'TO', 'LANE', '>IN', '>OUT', '>ERRORS'];
  const errors = processors.flatMap(({ name, lastError }) =>
    lastError === undefined ? [] : [`${name}: ${paint('red', lastError.split('\n')[0]!)}`],
  );
  return [table({ paint, columns: [...columns, 'DROPPED'], rows }), ...errors].join('\n');
}
