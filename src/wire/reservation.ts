/**
 * Reserving a rate on one link of a flow's way: asked of the node at the link's tail by the flow's source,
 * inside the end-to-end seal, so that nobody reserves in another member's name. Repeated while the flow
 * lives; a node that is not asked again forgets.
 *
 *    0               1               2               3
 *   +---------------+---------------+-------------------------------+
 *   | 0x30          | 1: release    | flow label of its packets     |  0
 *   +---------------+---------------+-------------------------------+
 *   | reservation, as the source numbers them                       |  4
 *   +---------------------------------------------------------------+
 *   | the link's other end                                          |  8
 *   +---------------------------------------------------------------+
 *   | rate, kbit/s with all headers                                 | 12
 *
 *    0               1               2               3
 *   +---------------+---------------+-------------------------------+
 *   | 0x31          | verdict       | 0                             |  0
 *   +---------------+---------------+-------------------------------+
 *   | reservation                                                   |  4
 *   +---------------------------------------------------------------+
 *   | the link's other end                                          |  8
 *   +---------------------------------------------------------------+
 *   | what could be reserved instead, kbit/s                        | 12
 *   +---------------------------------------------------------------+
 *   | capacity of the link, kbit/s; 0: not known                    | 16
 *
 * A release is not answered.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { ByteReader, ByteWriter, isNodeAddress } from '../kernel/index.ts';

export const MESSAGE_RESERVE = 0x30;
export const MESSAGE_RESERVED = 0x31;
const REQUEST_BYTES = 16;
const ANSWER_BYTES = 20;
/** Rates on the wire are multiples of this, bits a second. */
export const RESERVATION_STEP = 1_000;
export const RESERVED_RATE_MAX: number = 0xffff_ffff * RESERVATION_STEP;

/** Append-only; the place is the number on the wire. `pending`: the link is being measured, ask again. */
export const RESERVATION_VERDICTS = [
  'granted',
  'no-room',
  'member-limit',
  'no-link',
  'table-full',
  'pending',
] as const;
export type ReservationVerdict = (typeof RESERVATION_VERDICTS)[number];

export interface ReservationRequest {
  readonly isRelease: boolean;
  readonly flow: number;
  readonly id: number;
  readonly neighbour: NodeAddress;
  /** Bits a second, up to `RESERVED_RATE_MAX`. */
  readonly rate: number;
}

export interface ReservationAnswer {
  readonly verdict: ReservationVerdict;
  readonly id: number;
  readonly neighbour: NodeAddress;
  /** Bits a second. */
  readonly available: number;
  readonly capacity: number;
}

/** The rate is rounded up to a whole step. */
export const encodeReservationRequest = (request: ReservationRequest): Uint8Array =>
  new ByteWriter(REQUEST_BYTES)
    .u8(MESSAGE_RESERVE)
    .u8(request.isRelease ? 1 : 0)
    .u16(request.flow)
    .u32(request.id)
    .u32(request.neighbour)
    .u32(steps(Math.ceil(request.rate / RESERVATION_STEP)))
    .finish();

export function decodeReservationRequest(
  bytes: Uint8Array,
  at: number,
  end: number,
): ReservationRequest | undefined {
  const r = new ByteReader(bytes, at, end);
  const type = r.u8();
  const flags = r.u8();
  const flow = r.u16();
  const id = r.u32();
  const neighbour = r.u32();
  const rate = r.u32() * RESERVATION_STEP;
  if (!r.finish() || type !== MESSAGE_RESERVE || flags > 1 || !isNodeAddress(neighbour))
    return undefined;
  return { isRelease: flags === 1, flow, id, neighbour, rate };
}

/** Available is rounded down to a whole step, capacity to the nearest. */
export const encodeReservationAnswer = (answer: ReservationAnswer): Uint8Array =>
  new ByteWriter(ANSWER_BYTES)
    .u8(MESSAGE_RESERVED)
    .u8(RESERVATION_VERDICTS.indexOf(answer.verdict))
    .u16(0)
    .u32(answer.id)
    .u32(answer.neighbour)
    .u32(steps(Math.floor(answer.available / RESERVATION_STEP)))
    .u32(steps(Math.round(answer.capacity / RESERVATION_STEP)))
    .finish();

export function decodeReservationAnswer(
  bytes: Uint8Array,
  at: number,
  end: number,
): ReservationAnswer | undefined {
  const r = new ByteReader(bytes, at, end);
  const type = r.u8();
  const verdict = RESERVATION_VERDICTS[r.u8()];
  const zero = r.u16();
  const id = r.u32();
  const neighbour = r.u32();
  const available = r.u32() * RESERVATION_STEP;
  const capacity = r.u32() * RESERVATION_STEP;
  if (!r.finish() || type !== MESSAGE_RESERVED || verdict === undefined || zero !== 0)
    return undefined;
  return isNodeAddress(neighbour) ? { verdict, id, neighbour, available, capacity } : undefined;
}

const steps = (n: number): number => Math.max(0, Math.min(0xffff_ffff, n));
