/** From what the core reports to what callers see: one `OverlayError` with a stable code. */
import { OverlayError } from '../kernel/index.ts';
import type { NodeRefusal, StreamFault } from '../node/index.ts';
import type { ApiErrorCode } from './api.ts';

const TEXTS: Record<ApiErrorCode, string> = {
  BAD_ARGUMENT: 'an argument cannot be used',
  UNKNOWN_DESTINATION: 'no member of this name is known',
  UNREACHABLE: 'there is no route to the destination',
  REFUSED: 'nothing listens there',
  RESET: 'the other end gave the stream up',
  TIMED_OUT: 'no answer came in time',
  PEER_RESTARTED: 'the other node was started again',
  STREAM_ABORTED: 'the stream was given up here',
  PORT_IN_USE: 'the overlay port is in use on this node',
  LIMIT_REACHED: 'the node has as many of these as it may have',
  MESSAGE_TOO_BIG: 'the datagram is too long',
  CLOSED: 'it was closed before',
  NODE_STOPPED: 'the node stopped',
  ABORTED: 'the caller gave up waiting',
  NOT_A_LAB: 'this network was not made as a lab',
  UNDERLAY_BIND_FAILED: 'a UDP port cannot be opened',
  FAST_UNDERLAY_UNAVAILABLE: 'the fast underlay is not to be had',
  BAD_IDENTITY: 'the identity given does not stand up',
  MANIFEST_INVALID: 'the manifest is not signed by a root key',
  UNKNOWN_LANE: 'there is no such lane',
  LANE_CANNOT_HOLD: 'the lane cannot keep its promise to that destination',
  RATE_NOT_AVAILABLE: 'a link of the way has not that much left',
};

/** Codes after which the same call may succeed without anybody changing anything. */
const RETRYABLE: ReadonlySet<ApiErrorCode> = new Set<ApiErrorCode>([
  'UNKNOWN_DESTINATION',
  'UNREACHABLE',
  'REFUSED',
  'RESET',
  'TIMED_OUT',
  'PEER_RESTARTED',
  'LIMIT_REACHED',
]);

const OF_REFUSAL: Record<NodeRefusal, ApiErrorCode> = {
  'port-in-use': 'PORT_IN_USE',
  'limit-reached': 'LIMIT_REACHED',
  'unknown-destination': 'UNKNOWN_DESTINATION',
  unreachable: 'UNREACHABLE',
  closed: 'CLOSED',
  'bad-argument': 'BAD_ARGUMENT',
  'rate-already-reserved': 'BAD_ARGUMENT',
  'deadline-missing': 'BAD_ARGUMENT',
  'deadline-too-short': 'LANE_CANNOT_HOLD',
};

const OF_FAULT: Record<StreamFault, ApiErrorCode> = {
  refused: 'REFUSED',
  reset: 'RESET',
  'timed-out': 'TIMED_OUT',
  unreachable: 'UNREACHABLE',
  'peer-restarted': 'PEER_RESTARTED',
  aborted: 'STREAM_ABORTED',
  'node-stopped': 'NODE_STOPPED',
};

/** `about` names what failed: a destination, a port. */
export function failure(
  code: ApiErrorCode,
  about?: string,
  options: { details?: Record<string, unknown>; cause?: unknown } = {},
): OverlayError {
  const text = about === undefined ? TEXTS[code] : `${about}: ${TEXTS[code]}`;
  return new OverlayError(code, text, { ...options, isRetryable: RETRYABLE.has(code) });
}

export const refusalFailure = (refusal: NodeRefusal, about?: string): OverlayError =>
  failure(OF_REFUSAL[refusal], about);

export const faultFailure = (fault: StreamFault, about?: string): OverlayError =>
  failure(OF_FAULT[fault], about);

export const abortFailure = (signal: AbortSignal): OverlayError =>
  failure('ABORTED', undefined, { cause: signal.reason });
