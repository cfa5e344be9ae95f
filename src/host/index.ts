export * from './api.ts';
export { DatagramInbox, RECEIVE_QUEUE_MAX } from './datagram-inbox.ts';
export { ECHOES_MAX } from './echo-desk.ts';
export type { Lender } from './embedded-datagram-socket.ts';
export {
  checkDatagramSize,
  checkPort,
  EndpointMemo,
  formatEndpoint,
  parseEndpoint,
} from './endpoint.ts';
export { abortFailure, failure, faultFailure, refusalFailure } from './failure.ts';
export { FlowChoices } from './flow-choice.ts';
export * from './metrics.ts';
export {
  type CreateNode,
  OverlayHost,
  type OverlayHostOptions,
} from './overlay-host.ts';
export { ReliableDesk } from './reliable-desk.ts';
export * from './route-api.ts';
export { WATCHES_MAX } from './watch-desk.ts';
export { WatchQueue } from './watch-queue.ts';
