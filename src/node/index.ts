export * from './contract.ts';
export * from './overlay-node.ts';
export type { PerformanceApi } from './performance.ts';
export { LINK_METRICS, SHARED_WAITING_MAX } from './performance.ts';
export * from './probing.ts';
