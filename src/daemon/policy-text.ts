/** A policy as its file has it, from the bytes of a manifest; and what in it means nobody. */
import { laneText } from '../forwarding/index.ts';
import type { Member } from '../security/index.ts';
import type { Policy, PolicyLinks, PolicyRule, PolicySelector } from '../wire/index.ts';
import type { PolicyText } from './control-api.ts';

/** What `overlane policy set` would read as the same policy. */
export function policyText(policy: Policy | undefined): PolicyText {
  if (policy === undefined) return { unknown: 'of a later version than this program reads' };
  return {
    cliques: policy.cliques.map(({ name, members, isConfined }) => ({
      name,
      members,
      confined: isConfined,
    })),
    rules: policy.rules.map(ruleText),
  };
}

/** Names and labels that no member has, each once. */
export function unmatchedTerms(policy: Policy, members: readonly Member[]): string[] {
  const known = new Set(['*']);
  for (const { name, labels } of members) {
    known.add(name);
    for (const [key, value] of Object.entries(labels)) known.add(`${key}=${value}`);
  }
  const terms = [
    ...policy.cliques.flatMap((clique) => clique.members),
    ...policy.rules.flatMap((rule) => [
      ...rule.from,
      ...rule.to,
      ...rule.denyNodes,
      ...rule.onlyNodes,
      ...[...rule.denyLinks, ...rule.onlyLinks].flat(2),
    ]),
  ];
  return [...new Set(terms)].filter((term) => !known.has(term));
}

function ruleText(rule: PolicyRule): Record<string, unknown> {
  const lanes = rule.lanes.map(laneText);
  const carriers = (links: PolicyLinks, nodes: PolicySelector): Record<string, unknown> =>
    stated({ links: listed(links), nodes: listed(nodes) });
  return stated({
    name: rule.name,
    from: listed(rule.from),
    to: listed(rule.to),
    lanes: listed(lanes),
    deny: grouped(carriers(rule.denyLinks, rule.denyNodes)),
    only: grouped(carriers(rule.onlyLinks, rule.onlyNodes)),
  });
}

const listed = <T>(list: readonly T[]): readonly T[] | undefined =>
  list.length === 0 ? undefined : list;
const grouped = (group: Record<string, unknown>): Record<string, unknown> | undefined =>
  Object.keys(group).length === 0 ? undefined : group;
const stated = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
