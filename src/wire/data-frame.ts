/**
 * Single fields of an encoded data frame (data-packet.ts) that starts at `at`: for links, which serve packets
 * without decoding them, and for what changes on the way. The caller has seen that the header is there.
 */
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { readU16, readU32, writeU16 } from '../kernel/index.ts';
import type { DataHeader } from './data-packet.ts';
import {
  DATA_AGE_AT,
  DATA_LAP_AT,
  DATA_RECOVERY_AT,
  DATA_ROUTE_INDEX_AT,
  DATA_TIME_STEP,
} from './data-packet.ts';
import { ROUTE_PATH } from './route-block.ts';

const HOP_LIMIT = 1;
const DESTINATION = 8;
const REQUESTS = 25;
const DEADLINE = 26;

export const frameDestination = (bytes: Uint8Array, at: number): NodeAddress =>
  readU32(bytes, at + DESTINATION) as NodeAddress;

export const frameRecovery = (bytes: Uint8Array, at: number): number =>
  bytes[at + DATA_RECOVERY_AT]! >>> 4;

export const framePriority = (bytes: Uint8Array, at: number): number =>
  bytes[at + DATA_RECOVERY_AT]! & 15;

export const frameRequests = (bytes: Uint8Array, at: number): number => bytes[at + REQUESTS]! >>> 4;

export const frameRetransmissions = (bytes: Uint8Array, at: number): number =>
  bytes[at + REQUESTS]! & 15;

/** 0: none. */
export const frameDeadline = (bytes: Uint8Array, at: number): Duration =>
  (readU16(bytes, at + DEADLINE) * DATA_TIME_STEP) as Duration;

export const frameAge = (bytes: Uint8Array, at: number): Duration =>
  (readU16(bytes, at + DATA_AGE_AT) * DATA_TIME_STEP) as Duration;

/** The packet was not under way for so long, but held. Where it has a deadline, that counts. */
export function addFrameAge(bytes: Uint8Array, at: number, held: Duration): void {
  if (readU16(bytes, at + DEADLINE) === 0) return;
  const age = readU16(bytes, at + DATA_AGE_AT) + Math.round(held / DATA_TIME_STEP);
  writeU16(bytes, at + DATA_AGE_AT, Math.min(0xffff, age));
}

export const frameLap = (bytes: Uint8Array, at: number): number => bytes[at + DATA_LAP_AT]!;

export function writeFrameLap(bytes: Uint8Array, at: number, lap: number): void {
  bytes[at + DATA_LAP_AT] = lap;
}

/** A frame that goes on, or is to later: one hop less, and the next place of the path that its source gave it. */
export function writeFrameHop(bytes: Uint8Array, at: number, header: Readonly<DataHeader>): void {
  bytes[at + HOP_LIMIT] = header.hopLimit - 1;
  if (header.routeForm === ROUTE_PATH) bytes[at + DATA_ROUTE_INDEX_AT] = header.routeIndex + 1;
}
