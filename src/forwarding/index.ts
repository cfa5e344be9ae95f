export * from './duplicate-window.ts';
export * from './flow-table.ts';
export * from './forwarder.ts';
export * from './lane.ts';
export * from './lane-table.ts';
export * from './named-lanes.ts';
export * from './next-hops.ts';
export type { FlowName, PolicyGate } from './policy-memo.ts';
