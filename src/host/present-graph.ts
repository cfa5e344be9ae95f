/** A redundant flow, as `why` tells of it. */
import { laneText } from '../forwarding/index.ts';
import type { Instant, NodeAddress } from '../kernel/index.ts';
import { between } from '../kernel/index.ts';
import type * as core from '../node/index.ts';
import type { NameOf } from './present.ts';
import { presentMs } from './present.ts';
import type { FlowGraphReport, FlowRouteReport } from './route-api.ts';

export function presentGraphReport(
  explanation: core.GraphExplanation,
  { nameOf, port, now }: { nameOf: NameOf; port: number | undefined; now: Instant },
): FlowRouteReport {
  const { request, plan } = explanation;
  return {
    id: undefined,
    destination: nameOf(request.destination),
    port,
    lane: laneText(request.lane),
    metric: request.scheme,
    hops: 'any',
    spread: false,
    path: undefined,
    score: `${plan.edges.length} links`,
    latencyMs: presentMs(plan.latency),
    loss: 0,
    sinceMs: presentMs(between(plan.since, now)),
    changes: plan.switches,
    cause: plan.cause,
    candidates: [],
    graph: graphReport(explanation, nameOf, now),
  };
}

function graphReport(
  { request, plan, troubles, candidates }: core.GraphExplanation,
  nameOf: NameOf,
  now: Instant,
): FlowGraphReport {
  const linkName = ({ from, to }: { from: NodeAddress; to: NodeAddress }): string =>
    `${nameOf(from)}-${nameOf(to)}`;
  return {
    kind: plan.kind,
    links: plan.edges.map(linkName),
    disjointPaths: plan.paths,
    isShort: plan.isShort,
    isInTime: plan.isInTime,
    deadlineMs: presentMs(request.deadline),
    troubles: troubles.map(({ end, links, since }) => ({
      end: nameOf(end),
      sinceMs: since === undefined ? undefined : presentMs(since),
      links: links.map((link) => ({
        link: linkName(link),
        words: link.words,
        sinceMs: presentMs(between(link.since, now)),
      })),
    })),
    candidates: candidates.map(({ latency, ...same }) => ({
      ...same,
      latencyMs: presentMs(latency),
    })),
  };
}
