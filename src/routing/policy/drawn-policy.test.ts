/** Policies for property tests, and what they permit, written from the description and not from the code. */
import fc from 'fast-check';
import type { NodeAddress } from '../../kernel/index.ts';
import type { Policy, PolicyRule } from '../../wire/index.ts';
import type { NodeFacts } from './flow-class.ts';

const NAMES = ['', 'A', 'B', 'C', 'D', 'E', 'F', 'G'];
export const factsOf = (node: NodeAddress): NodeFacts => ({
  name: NAMES[node]!,
  labels: { region: node % 2 === 0 ? 'eu' : 'us', net: node <= 3 ? 'internet2' : 'other' },
});

export const RULE: PolicyRule = {
  name: 'rule',
  from: [],
  to: [],
  lanes: [],
  denyLinks: [],
  denyNodes: [],
  onlyLinks: [],
  onlyNodes: [],
};

const term = fc.constantFrom(
  '*',
  'A',
  'B',
  'C',
  'D',
  'E',
  'region=eu',
  'region=us',
  'net=internet2',
);
const selector = fc.array(term, { maxLength: 2 });
const stated = fc.array(term, { minLength: 1, maxLength: 2 });
const links = fc.array(fc.tuple(stated, stated), { maxLength: 2 });
const rule: fc.Arbitrary<PolicyRule> = fc.record({
  name: fc.constant('r'),
  from: selector,
  to: selector,
  lanes: fc.constantFrom([], [0], [4]),
  denyLinks: links,
  denyNodes: selector,
  onlyLinks: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, links),
  onlyNodes: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, selector),
});
export const drawnPolicy: fc.Arbitrary<Policy> = fc.record({
  cliques: fc.array(
    fc.record({ name: fc.constant('c'), members: stated, isConfined: fc.boolean() }),
    { maxLength: 2 },
  ),
  rules: fc.array(rule, { maxLength: 3 }),
});

/** Written from the description, not from the code: whether one hop of a flow is permitted. */
export function isPermitted(
  { cliques, rules }: Policy,
  flow: { source: NodeAddress; destination: NodeAddress; lane: number },
  from: NodeAddress,
  to: NodeAddress,
): boolean {
  const is = (terms: readonly string[], node: NodeAddress): boolean =>
    terms.some((t) => {
      const { name, labels } = factsOf(node);
      return (
        t === '*' ||
        t === name ||
        t === `region=${labels['region']}` ||
        t === `net=${labels['net']}`
      );
    });
  const joins = (pairs: PolicyRule['denyLinks']): boolean =>
    pairs.some(([x, y]) => (is(x, from) && is(y, to)) || (is(x, to) && is(y, from)));
  const passed = [from, to].filter((n) => n !== flow.source && n !== flow.destination);
  // An end of the flow that stands at the wrong end of the hop is passed through as well.
  if (from === flow.destination) passed.push(from);
  if (to === flow.source) passed.push(to);
  for (const r of rules) {
    if (r.from.length > 0 && !is(r.from, flow.source)) continue;
    if (r.to.length > 0 && !is(r.to, flow.destination)) continue;
    if (r.lanes.length > 0 && !r.lanes.includes(flow.lane)) continue;
    if (joins(r.denyLinks)) return false;
    if (r.onlyLinks.length > 0 && !joins(r.onlyLinks)) return false;
    for (const node of passed) {
      if (is(r.denyNodes, node)) return false;
      if (r.onlyNodes.length > 0 && !is(r.onlyNodes, node)) return false;
    }
  }
  const of = cliques.filter((c) => is(c.members, from) && is(c.members, to));
  const own = cliques.filter((c) => is(c.members, flow.source) && is(c.members, flow.destination));
  if (own.some((c) => c.isConfined && !of.includes(c))) return false;
  return of.length === 0 || of.some((c) => own.includes(c));
}
