/** What the network's policy says, and what it means for one flow. */
import { stringify } from 'yaml';
import type { NetworkPolicy, PolicySetReport } from '../../daemon/index.ts';
import type { PolicyReport } from '../../host/index.ts';
import type { Paint } from './paint.ts';
import { countOf, showMs, showPath } from './quantities.ts';
import { type Cell, table } from './table.ts';

export function policySetView(report: PolicySetReport, paint: Paint): string {
  const { manifestVersion, cliques, rules, unmatched } = report;
  const what = `${countOf(cliques, 'clique')}, ${countOf(rules, 'rule')}`;
  const lines = [`manifest version ${manifestVersion}: ${what}`];
  if (unmatched.length > 0)
    lines.push(paint('yellow', `no member known here is ${unmatched.join(', ')}`));
  return lines.join('\n');
}

export function policyShowView({ manifestVersion, policy }: NetworkPolicy): string {
  const isEmpty = Object.values(policy).every((list) => Array.isArray(list) && list.length === 0);
  if (isEmpty) return `manifest version ${manifestVersion}: no policy, any flow may use any link`;
  return `# manifest version ${manifestVersion}\n${stringify(policy).trimEnd()}`;
}

export function policyCheckView(report: PolicyReport, paint: Paint): string {
  const { from, to, lane, path, latencyMs, isSingledOut } = report;
  const ends = `${paint('bold', from)} to ${paint('bold', to)}, lane ${lane}`;
  const way =
    path === undefined
      ? paint('red', 'no way is permitted')
      : `${paint('green', showPath(path))}, ${showMs(latencyMs)} one way`;
  const how = isSingledOut
    ? 'a rule concerns this flow: its packets carry the route'
    : 'no rule concerns this flow in particular: it goes hop by hop';
  const denied = [
    ...report.links.map(({ link, denial }) => ['link', link, denial] as const),
    ...report.nodes.map(({ node, denial }) => ['pass through', node, denial] as const),
  ].filter(([, , denial]) => denial !== undefined);
  const open = `${report.links.filter((l) => l.denial === undefined).length} of ${countOf(report.links.length, 'link')} open to it`;
  const lines = [`${ends}: ${way}`, `  ${how}; ${open}`];
  if (denied.length > 0) {
    const rows = denied.map(([kind, what, denial]): Cell[] => [kind, what, denial ?? '']);
    lines.push('', table({ paint, columns: ['DENIED', '', 'BY'], rows }));
  }
  return lines.join('\n');
}
