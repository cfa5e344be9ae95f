export { initNetwork, joinNetwork, provisionMember } from '../daemon/index.ts';
export * from '../host/index.ts';
export { OverlayError } from '../kernel/index.ts';
export * from './connect.ts';
export * from './create-node.ts';
