export * from './disjoint-paths.ts';
export * from './dissemination.ts';
export * from './distances.ts';
export type { GraphCandidate, GraphExplanation, GraphTrouble } from './explain-graph.ts';
export * from './problem-graphs.ts';
export * from './problem-links.ts';
export * from './targeted.ts';
export * from './time-constrained.ts';
