import type { Finding, Severity } from '../doctor/findings.ts';
import type { Paint, Style } from './paint.ts';
import { countOf } from './quantities.ts';

const MARKS: Readonly<Record<Severity, readonly [string, Style]>> = {
  ok: ['ok', 'green'],
  note: ['note', 'cyan'],
  warning: ['warning', 'yellow'],
  problem: ['PROBLEM', 'red'],
};

/** One line a finding, its fix below it, and a verdict. */
export function doctorView(findings: readonly Finding[], paint: Paint): string {
  const widest = Math.max(...findings.map((f) => f.check.length));
  const lines = findings.flatMap((f) => {
    const [mark, style] = MARKS[f.severity];
    const line = `${paint(style, mark.padEnd(7))}  ${f.check.padEnd(widest)}  ${f.text}`;
    return f.fix === undefined ? [line] : [line, `${' '.repeat(9)}${paint('dim', '->')} ${f.fix}`];
  });
  return [...lines, '', verdict(findings, paint)].join('\n');
}

function verdict(findings: readonly Finding[], paint: Paint): string {
  const count = (severity: Severity): number =>
    findings.filter((f) => f.severity === severity).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  if (problems > 0)
    return paint('red', `${countOf(problems, 'problem')}, ${countOf(warnings, 'warning')}`);
  if (warnings > 0) return paint('yellow', `no problems, ${countOf(warnings, 'warning')}`);
  return paint('green', `all well: ${countOf(findings.length, 'check')}`);
}
