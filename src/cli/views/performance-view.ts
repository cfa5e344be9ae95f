/** `overlane perf`: summaries of the performance database. */
import type { PerformanceRow } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { showSpan } from './quantities.ts';
import { type Cell, table } from './table.ts';

export function performanceView(rows: readonly PerformanceRow[], paint: Paint): string {
  if (rows.length === 0) return 'nothing is known';
  const columns = [
    'METRIC',
    'FROM',
    'TO',
    '>MEDIAN',
    '>MEAN',
    '>MIN',
    '>MAX',
    '>LAST',
    '>N',
    '>AGE',
  ];
  const cells = rows.map((row): Cell[] => [
    row.metric,
    row.from,
    row.to,
    ...[row.median, row.mean, row.min, row.max, row.last].map(showNumber),
    String(row.count),
    showSpan(row.ageMs),
  ]);
  return table({ paint, columns, rows: cells });
}

/** Four digits that mean something. */
const showNumber = (value: number): string => String(Number(value.toPrecision(4)));
