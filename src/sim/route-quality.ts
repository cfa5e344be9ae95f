/**
 * Judges the routes of a network at rest by what the simulator knows of its links, with an algorithm
 * of its own (Floyd and Warshall's, all pairs), so that an error in the routing room's does not
 * excuse itself.
 */
import type { Testbed } from './testbed.ts';

/** Damping and hysteresis keep a route until another is clearly better; so much worse is no fault. */
const SLACK_SHARE = 1.35;
const SLACK = 8_000;

/** Routes that are missing, impossible or clearly longer than the shortest way; empty when all is well. */
export function routeFindings(testbed: Testbed): string[] {
  const { nodes } = testbed.topology;
  const shortest = shortestWays(testbed);
  const findings: string[] = [];
  nodes.forEach((from, i) => {
    const routes = testbed.node(from).status()?.routes ?? [];
    nodes.forEach((to, j) => {
      const best = shortest[i]![j]!;
      if (i === j || best === Number.POSITIVE_INFINITY) return;
      const route = routes.find((r) => r.destination === testbed.addressOf(to));
      if (route === undefined) {
        findings.push(`${from} has no route to ${to}`);
        return;
      }
      const path = [from, ...route.path.map((hop) => testbed.nameOf(hop) ?? '?')];
      const latency = latencyOf(testbed, path);
      if (latency > best * SLACK_SHARE + SLACK)
        findings.push(`${path.join('-')} takes ${latency} us, the shortest way ${best}`);
    });
  });
  return findings;
}

function latencyOf(testbed: Testbed, path: readonly string[]): number {
  let total = 0;
  for (let i = 1; i < path.length; i++) {
    const [a, b] = [path[i - 1]!, path[i]!];
    if (!testbed.network.hasLink(a, b)) return Number.POSITIVE_INFINITY;
    total += linkLatency(testbed, a, b);
  }
  return total;
}

/** Half the round trip: what a node can measure of one way. */
const linkLatency = (testbed: Testbed, a: string, b: string): number =>
  (testbed.network.impairments(a, b).delay + testbed.network.impairments(b, a).delay) / 2;

function shortestWays(testbed: Testbed): number[][] {
  const { nodes, links } = testbed.topology;
  const index = new Map(nodes.map((name, i) => [name, i]));
  const far = nodes.map((_, i) => nodes.map((_, j) => (i === j ? 0 : Number.POSITIVE_INFINITY)));
  for (const { a, b } of links) {
    const latency = linkLatency(testbed, a, b);
    far[index.get(a)!]![index.get(b)!] = latency;
    far[index.get(b)!]![index.get(a)!] = latency;
  }
  for (let k = 0; k < nodes.length; k++)
    for (let i = 0; i < nodes.length; i++)
      for (let j = 0; j < nodes.length; j++)
        far[i]![j] = Math.min(far[i]![j]!, far[i]![k]! + far[k]![j]!);
  return far;
}
