export type { FlowCandidate, FlowExplanation, FlowRouteStatus } from './choice/explain-flow.ts';
export type { ChosenRoute, FlowSpec } from './choice/flow-chooser.ts';
export type { ApplicationMetric, FlowMetric } from './choice/metrics.ts';
export { metricText, parseMetric, SIMPLE_METRICS } from './choice/metrics.ts';
export type { PolicyCheck } from './choice/route-choice.ts';
export * from './contract.ts';
export type { RouteCandidate, RouteExplanation } from './explain.ts';
export type { Edge } from './graph.ts';
export type {
  DisseminationPlan,
  DisseminationRequest,
  DisseminationScheme,
  GraphCandidate,
  GraphChange,
  GraphExplanation,
  GraphKind,
  GraphTrouble,
  ProblemLink,
} from './graphs/index.ts';
export type { VanishedLink } from './link-changes.ts';
export type { OverruledReport } from './link-claims.ts';
export * from './link-state-routing.ts';
export { ROUTING_MARGINS } from './margins.ts';
export * from './metric.ts';
export * from './options.ts';
export * from './performance/index.ts';
export * from './relays/index.ts';
export type { GraphStep, HistoryQuery, RouteMoment, RouteRecord } from './route-history.ts';
export type { PathFigures, RouteChange, RouteStatus } from './routes.ts';
