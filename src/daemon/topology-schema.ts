/**
 * How people write the maximal topology: the file of `overlane topology set`. What it means is in
 * docs/intrusion-tolerance.md; the bytes it becomes are `wire/maximal-topology.ts`.
 */
import * as z from 'zod';
import type { Duration } from '../kernel/index.ts';
import { DURATION_PATTERN, parseDuration } from '../kernel/index.ts';
import type { MaximalLink } from '../wire/index.ts';
import {
  encodeMaximalTopology,
  isNodeName,
  LATENCY_MIN_MAX,
  TOPOLOGY_BYTES_MAX,
  TOPOLOGY_LINKS_MAX,
  TOPOLOGY_NODES_MAX,
} from '../wire/index.ts';

const node = z
  .string('expected a node name')
  .refine(isNodeName, 'expected a node name: letters, digits and hyphens');

const latencyMin = z
  .string('expected a duration with its unit, such as "8.2ms"')
  .regex(new RegExp(DURATION_PATTERN), 'expected a duration with its unit, such as "8.2ms"')
  .transform((text) => parseDuration(text) as Duration)
  .refine((least) => least <= LATENCY_MIN_MAX, 'expected at most 10s');

const link = z
  .strictObject({
    between: z.tuple([node, node], 'expected two nodes, such as [NYC, CHI]'),
    latencyMin: latencyMin.default(0 as Duration),
  })
  .refine(({ between: [a, b] }) => a !== b, 'a link has two ends')
  .transform(
    ({ between, latencyMin: least }): MaximalLink => ({ ends: between, latencyMin: least }),
  );

/** No links: no topology, any link may exist. */
export const topologySchema: z.ZodType<readonly MaximalLink[]> = z
  .strictObject({ links: z.array(link).max(TOPOLOGY_LINKS_MAX).default([]) })
  .transform(({ links }) => links)
  .superRefine((links, context) => {
    const seen = new Set<string>();
    links.forEach(({ ends }, i) => {
      const key = [...ends].sort().join('-');
      if (seen.has(key))
        context.addIssue({ code: 'custom', path: ['links', i], message: `${key} is there twice` });
      seen.add(key);
    });
    const nodes = new Set(links.flatMap(({ ends }) => ends)).size;
    if (nodes > TOPOLOGY_NODES_MAX)
      context.addIssue(`${nodes} nodes, and a topology has at most ${TOPOLOGY_NODES_MAX}`);
    const { length } = encodeMaximalTopology(links);
    if (length > TOPOLOGY_BYTES_MAX)
      context.addIssue(
        `it takes ${length} bytes, and a manifest has room for ${TOPOLOGY_BYTES_MAX}`,
      );
  }) as z.ZodType<readonly MaximalLink[]>;
