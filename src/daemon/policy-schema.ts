/**
 * How people write policy: the file of `overlane policy set` and the key `policy` of a daemon's config
 * are read by this one schema. What it means is in docs/policy.md; the bytes it becomes are
 * `wire/policy.ts`.
 */
import * as z from 'zod';
import { LANE_WORDS, laneNumber } from '../forwarding/index.ts';
import { nearestSpelling } from '../kernel/index.ts';
import type { Policy, PolicyLinks, PolicyRule } from '../wire/index.ts';
import {
  encodePolicy,
  POLICY_BYTES_MAX,
  POLICY_CLIQUES_MAX,
  POLICY_LINKS_MAX,
  POLICY_NAME_BYTES_MAX,
  POLICY_RULES_MAX,
  POLICY_SELECTOR_MAX,
  selectorFault,
} from '../wire/index.ts';

const term = z.string('expected "*", a node name or "label=value"').superRefine((text, context) => {
  const fault = selectorFault(text);
  if (fault !== undefined) context.addIssue(fault);
});

const selector = z
  .union([term, z.array(term).min(1).max(POLICY_SELECTOR_MAX)], {
    error: 'expected "*", a node name, "label=value" or a list of them',
  })
  .transform((given): readonly string[] => (typeof given === 'string' ? [given] : given));

const links = z
  .array(z.tuple([selector, selector], 'expected two ends, such as [NYC, "region=eu"]'))
  .min(1)
  .max(POLICY_LINKS_MAX)
  .transform((pairs): PolicyLinks => pairs);

const name = z
  .string('expected a name')
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ".", "_" and "-"')
  .max(POLICY_NAME_BYTES_MAX);

const lane = z.union([z.string(), z.int()]).transform((given, context) => {
  const number = laneNumber(given);
  if (number !== undefined) return number;
  const nearest = nearestSpelling(String(given), LANE_WORDS);
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  context.addIssue(`no lane "${given}"${hint}`);
  return z.NEVER;
});

const carriers = z.strictObject({
  links: links.optional().describe('Links with an end in each of two selectors.'),
  nodes: selector.optional().describe('Nodes passed through; the ends of a flow are not.'),
});

const rule = z
  .strictObject({
    name: name.describe('Shown wherever the rule is the reason.'),
    from: selector.optional().describe('Sources of the flows it is for. Any.'),
    to: selector.optional().describe('Destinations. Any.'),
    lanes: z.array(lane).min(1).max(256).optional().describe('Lanes, by name or number. Any.'),
    deny: carriers.optional().describe('What may not carry them.'),
    only: carriers.optional().describe('What alone may carry them.'),
  })
  .refine(
    ({ deny, only }) => [deny, only].some((c) => c?.links !== undefined || c?.nodes !== undefined),
    'the rule says nothing: give it `deny` or `only` with `links` or `nodes`',
  )
  .transform(
    (given): PolicyRule => ({
      name: given.name,
      from: given.from ?? [],
      to: given.to ?? [],
      lanes: [...new Set(given.lanes ?? [])].sort((a, b) => a - b),
      denyLinks: given.deny?.links ?? [],
      denyNodes: given.deny?.nodes ?? [],
      onlyLinks: given.only?.links ?? [],
      onlyNodes: given.only?.nodes ?? [],
    }),
  );

const clique = z
  .strictObject({
    name,
    members: selector.describe('Links between two of them carry flows between two of them only.'),
    confined: z.boolean().default(false).describe('Such flows use no other links.'),
  })
  .transform(({ confined, ...rest }) => ({ ...rest, isConfined: confined }));

export const policyRules: z.ZodType<readonly PolicyRule[], readonly object[]> = z
  .array(rule)
  .max(POLICY_RULES_MAX);

export const policySchema: z.ZodType<Policy> = z
  .strictObject({
    cliques: z.array(clique).max(POLICY_CLIQUES_MAX).default([]),
    rules: policyRules.default([]),
  })
  .superRefine((policy, context) => {
    const bytes = encodePolicy(policy as Policy).length;
    if (bytes > POLICY_BYTES_MAX)
      context.addIssue(`it takes ${bytes} bytes, and a manifest has room for ${POLICY_BYTES_MAX}`);
  }) as z.ZodType<Policy>;
