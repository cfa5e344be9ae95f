/** What people ask of routes: of flows that have their own, of what became of them, of policy. */
import type { Instant, NodeAddress } from '../kernel/index.ts';
import type {
  DisseminationRequest,
  Edge,
  FlowExplanation,
  FlowRouteStatus,
  GraphExplanation,
  HistoryQuery,
  LinkStateRouting,
  PolicyCheck,
  RouteMoment,
  RouteRecord,
} from '../routing/index.ts';

export class RouteAnswers {
  private readonly routing: LinkStateRouting;

  constructor(routing: LinkStateRouting) {
    this.routing = routing;
  }

  /** Flows of this node that have routes of their own. */
  flows(now: Instant): readonly FlowRouteStatus[] {
    return this.routing.choice.flows(now);
  }

  explainFlow(id: number, now: Instant): FlowExplanation | undefined {
    return this.routing.explainFlow(id, now);
  }

  explainGraph(request: DisseminationRequest, now: Instant): GraphExplanation | undefined {
    return this.routing.explainGraph(request, now);
  }

  /** Node-disjoint paths that a flow gets now, of those it asks for. */
  disjointPaths(request: Omit<DisseminationRequest, 'scheme'>, now: Instant): number {
    const plan = this.routing.dissemination.plan({ ...request, scheme: 'disjoint' }, now);
    return plan?.paths ?? 0;
  }

  /** Changes of routes in the past day, newest first. */
  history(query: HistoryQuery, now: Instant): readonly RouteRecord[] {
    return this.routing.choice.past(query, now);
  }

  /** The routes that were in force at a moment of the past day, by the changes around it. */
  at(query: HistoryQuery, at: Instant): readonly RouteMoment[] {
    return this.routing.choice.at(query, at);
  }

  /** Links of the whole network that both ends tell of. */
  networkLinks(now: Instant): readonly Edge[] {
    return this.routing.topology(now).links;
  }

  /** What a flow of any node could use. */
  checkPolicy(flow: { source: NodeAddress; destination: NodeAddress; lane: number }): PolicyCheck {
    return this.routing.choice.check(flow);
  }
}
