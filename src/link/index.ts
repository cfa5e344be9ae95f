export * from './contract.ts';
export type { NeighbourSpec } from './dialer.ts';
export * from './enrolment-client.ts';
export type { EnrolRequestEvent } from './enrolment-desk.ts';
export type { Link, LinkState } from './link.ts';
export * from './link-layer.ts';
export type { LinkStatus } from './link-status.ts';
export type { LinkMetrics } from './metrics-damper.ts';
export * from './options.ts';
