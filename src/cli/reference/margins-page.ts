/** docs/margins.md, from the constants that the rooms go by. */
import { LINK_MARGINS } from '../../link/index.ts';
import { ROUTING_MARGINS } from '../../routing/index.ts';

export function marginsPage(): string {
  const rows = [...LINK_MARGINS, ...ROUTING_MARGINS].map(
    ({ what, rule, source }) =>
      `| ${what} | ${rule} | [${source.slice(source.lastIndexOf('/') + 1)}](../${source}) |`,
  );
  return `# Margins and damping

What keeps links, routes and flows from moving for noise, and herds from forming: the figures of this
version. "A and B" means both at once. Why they are what they are: [ADR 4](adr/0004-routing-metric-and-damping.md),
[ADR 5](adr/0005-link-measurement-and-failure-detection.md), [ADR 13](adr/0013-big-meshes.md),
[ADR 14](adr/0014-choice-and-policy.md) and [ADR 21](adr/0021-permitted-redundancy-and-several-paths.md).

This page is generated from the code.

| what | takes | in |
|---|---|---|
${rows.join('\n')}
`;
}
