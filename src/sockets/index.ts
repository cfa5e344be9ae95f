export type { ConversationStatus } from './incoming-messages.ts';
export * from './socket-layer.ts';
export type { SocketLimits } from './socket-limits.ts';
export { SOCKET_LIMITS_DEFAULT } from './socket-limits.ts';
export * from './socket-types.ts';
