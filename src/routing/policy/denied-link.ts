import type { NodeAddress } from '../../kernel/index.ts';

/** The first link of a path that policy keeps from a flow, in words; undefined: it may use all. */
export function deniedLink(
  self: NodeAddress,
  path: readonly NodeAddress[],
  policy: {
    denial: (from: NodeAddress, to: NodeAddress) => string | undefined;
    linkName: (a: NodeAddress, b: NodeAddress) => string;
  },
): string | undefined {
  let at = self;
  for (const node of path) {
    const denial = policy.denial(at, node);
    if (denial !== undefined) return `${denial} denies link ${policy.linkName(at, node)}`;
    at = node;
  }
  return undefined;
}
