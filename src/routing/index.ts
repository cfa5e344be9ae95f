export * from './contract.ts';
export type { RouteCandidate, RouteExplanation } from './explain.ts';
export type { Edge } from './graph.ts';
export type { VanishedLink } from './link-changes.ts';
export * from './link-state-routing.ts';
export * from './metric.ts';
export * from './options.ts';
export type { PathFigures, RouteChange, RouteStatus } from './routes.ts';
