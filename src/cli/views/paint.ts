/**
 * Colour as an option: every view takes a `Paint`, and the plain one changes nothing, so that a view
 * is a pure function of its data and the same text goes to a terminal, a pipe and a test.
 */

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

export type Paint = (style: Style, text: string) => string;

export const plainPaint: Paint = (_style, text) => text;

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

export const ansiPaint: Paint = (style, text) => {
  const [on, off] = CODES[style];
  return text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`;
};

/**
 * Colour only where a person looks at it: a terminal that can, and nobody said no
 * (https://no-color.org). FORCE_COLOR wins over the terminal, NO_COLOR over everything.
 */
export function choosePaint(options: {
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Paint {
  const { isTerminal, env } = options;
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return plainPaint;
  if (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0') return ansiPaint;
  return isTerminal && env['TERM'] !== 'dumb' ? ansiPaint : plainPaint;
}
