/**
 * Trains of packets that measure what a path carries: sent back to back, they arrive as far apart as the
 * slowest piece of the way makes them (packet-train dispersion; Dovrolis et al., INFOCOM 2001). Bodies
 * only; the link writes frame headers, and padding behind a train frame up to the datagram's size.
 *
 *   train    | train (u32) | place (u8) | packets (u8) |
 *   report   | train (u32) | packets that came (u8) | 0 (u8) | time, us (u32) | wire bytes in it (u32) |
 *
 * The report tells of everything that came by the path after the first instant of the train, train or
 * not, with headers of UDP and IPv4: other traffic in between makes nothing wrong.
 */
import { ByteReader, ByteWriter } from '../kernel/index.ts';

export const TRAIN_BODY_BYTES = 6;
export const TRAIN_PACKETS_MAX = 64;

export interface TrainFrame {
  readonly train: number;
  /** 0 .. packets - 1 */
  readonly place: number;
  /** 2 .. `TRAIN_PACKETS_MAX`. */
  readonly packets: number;
}

export interface TrainReport {
  readonly train: number;
  readonly arrived: number;
  /** From the first to the last instant of arrival, microseconds; 0: all came at once. */
  readonly time: number;
  readonly wireBytes: number;
}

export const encodeTrainFrame = ({ train, place, packets }: TrainFrame): Uint8Array =>
  new ByteWriter(TRAIN_BODY_BYTES).u32(train).u8(place).u8(packets).finish();

export function decodeTrainFrame(
  bytes: Uint8Array,
  at: number,
  end: number,
): TrainFrame | undefined {
  const reader = new ByteReader(bytes, at, end);
  const train = reader.u32();
  const place = reader.u8();
  const packets = reader.u8();
  const isSound = packets >= 2 && packets <= TRAIN_PACKETS_MAX && place < packets;
  return reader.finish() && isSound ? { train, place, packets } : undefined;
}

export const encodeTrainReport = (report: TrainReport): Uint8Array =>
  new ByteWriter(14)
    .u32(report.train)
    .u8(report.arrived)
    .u8(0)
    .u32(report.time)
    .u32(report.wireBytes)
    .finish();

export function decodeTrainReport(
  bytes: Uint8Array,
  at: number,
  end: number,
): TrainReport | undefined {
  const reader = new ByteReader(bytes, at, end);
  const train = reader.u32();
  const arrived = reader.u8();
  const zero = reader.u8();
  const time = reader.u32();
  const wireBytes = reader.u32();
  const isSound = zero === 0 && arrived >= 2 && arrived <= TRAIN_PACKETS_MAX;
  return reader.finish() && isSound ? { train, arrived, time, wireBytes } : undefined;
}
