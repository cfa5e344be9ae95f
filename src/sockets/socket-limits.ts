/**
 * Every bound of this room with its default; what happens at each is said where it is used and in
 * docs/limits.md. Times are microseconds.
 */
import type { DatagramLimits } from './datagram-sockets.ts';
import type { EchoLimits } from './echo.ts';
import type { SessionLimits } from './session-table.ts';
import type { StreamLimits } from './stream-table.ts';

export interface SocketLimits extends DatagramLimits, EchoLimits, SessionLimits, StreamLimits {
  /** Underlay datagrams are filled up to here whatever the path would carry. At most 1900. */
  readonly datagramBytesMax: number;
}

const SECOND = 1_000_000;
const KIB = 1_024;
const MIB = 1_048_576;

export const SOCKET_LIMITS_DEFAULT: SocketLimits = {
  datagramBytesMax: 1_900,
  socketsMax: 1_024,
  pendingMessagesMax: 64,
  pendingBytesMax: 4 * MIB,
  reassembliesMax: 256,
  reassembliesPerSourceMax: 32,
  reassemblyBytesMax: 8 * MIB,
  reassemblyTime: 2 * SECOND,
  conversationsMax: 1_024,
  playoutMessagesMax: 2_048,
  playoutBytesMax: 32 * MIB,
  playoutOrderPatience: SECOND,
  socketConversationsMax: 256,
  reliableMessagesMax: 256,
  reliableBytesMax: 8 * MIB,
  reliablePatience: 30 * SECOND,
  echoesMax: 1_024,
  repliesPerSecond: 1_000,
  noticesPerSecond: 100,
  sessionsMax: 1_024,
  sessionRekeyAfter: 120 * SECOND,
  sessionRekeyPackets: 2 ** 32,
  sessionPatience: 30 * SECOND,
  sessionAnswersPerSecond: 200,
  sessionResponsesMax: 256,
  listenersMax: 1_024,
  streamsMax: 1_024,
  lingeringMax: 1_024,
  streamBufferBytesMax: 128 * MIB,
  sendBufferStart: MIB,
  sendBufferMax: 8 * MIB,
  receiveWindowStart: 512 * KIB,
  receiveWindowMax: 8 * MIB,
  sentPacketsMax: 16_384,
  streamPatience: 30 * SECOND,
  keepaliveAfter: 15 * SECOND,
  lingerTime: 5 * SECOND,
};
