export * from './channel-datagrams.ts';
export * from './channel-writer.ts';
export * from './config.ts';
export * from './config-diff.ts';
export * from './control-api.ts';
export * from './control-channel.ts';
export * from './control-server.ts';
export type { ProfileReport, ProfileShare } from './cpu-profile.ts';
export { LAN_PEERS_MAX } from './lan-peers.ts';
export * from './load-config.ts';
export { policyText } from './policy-text.ts';
export { PROCESSOR_BOUNDS, type ProcessorBounds } from './processors/processor.ts';
export {
  initNetwork,
  type JoinReport,
  joinNetwork,
  type ProvisionReport,
  provisionMember,
} from './provision.ts';
export * from './run-daemon.ts';
export * from './state-directory.ts';
export * from './state-lock.ts';
export { topologyText } from './topology-text.ts';
export * from './units.ts';
