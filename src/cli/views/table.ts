import type { Paint, Style } from './paint.ts';

/** A cell: its text, and how to paint it. Widths are those of the text, never of the paint. */
export type Cell = string | { readonly text: string; readonly style: Style };

export interface TableOptions {
  readonly paint: Paint;
  /** Titles; a title that starts with `>` aligns its column to the right. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Default two blanks. */
  readonly indent?: string;
}

/** Columns as wide as their widest cell, two blanks apart; no trailing blanks. */
export function table(options: TableOptions): string {
  const { columns, rows, paint } = options;
  const indent = options.indent ?? '  ';
  const titles = columns.map((c) => c.replace(/^>/, ''));
  const widths = titles.map((title, i) =>
    Math.max(width(title), ...rows.map((row) => width(cellText(row[i])))),
  );
  const line = (cells: readonly Cell[], style?: Style): string => {
    const parts = widths.map((columnWidth, i) => {
      const text = cellText(cells[i]);
      const padding = ' '.repeat(columnWidth - width(text));
      const painted = paintCell(paint, cells[i], style);
      return columns[i]!.startsWith('>') ? padding + painted : painted + padding;
    });
    return (indent + parts.join('  ')).trimEnd();
  };
  return [line(titles, 'dim'), ...rows.map((row) => line(row))].join('\n');
}

/** Two columns without titles, for facts about one thing. */
export function facts(rows: readonly (readonly [string, string])[], paint: Paint): string {
  const widest = Math.max(...rows.map(([name]) => width(name)));
  return rows
    .map(
      ([name, value]) => `  ${paint('dim', name)}${' '.repeat(widest - width(name) + 2)}${value}`,
    )
    .join('\n');
}

const cellText = (cell: Cell | undefined): string =>
  cell === undefined ? '' : typeof cell === 'string' ? cell : cell.text;

function paintCell(paint: Paint, cell: Cell | undefined, style: Style | undefined): string {
  if (cell !== undefined && typeof cell !== 'string') return paint(cell.style, cell.text);
  return style === undefined ? cellText(cell) : paint(style, cellText(cell));
}

/** Code points; names and numbers of ours have no wide characters. */
const width = (text: string): number => [...text].length;
