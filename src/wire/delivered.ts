/**
 * DELIVERED: which packets have arrived at their destination, said and signed by it, and flooded, so that
 * every node that still keeps copies of them lets them go and their sources' windows move on.
 *
 *   +---------------------------------------------------------------+
 *   |   destination address                                         |  0
 *   +---------------------------------------------------------------+
 *   |   its epoch                                                   |  4
 *   +---------------------------------------------------------------+
 *   |   number: counts up in an epoch                               |  8
 *   +---------------+-----------------------------------------------+
 *   | flows         |   flows: source address (32), source epoch    | 12
 *   |               |   (32), flow label (16), greatest sequence    |
 *   |               |   number (32), S and runs (1 + 7), lengths    |
 *   |               |   (16 each)                                   |
 *   +---------------+-----------------------------------------------+
 *   |   Ed25519 signature of the destination (64 bytes)             |
 *   +---------------------------------------------------------------+
 *
 * S: of the flow's signed packets, which others cannot send in the source's name; without it, of the rest.
 * Runs count from the greatest down: arrived, missing, arrived ... What is older than they reach is not
 * told of. The signature is over a context, the network's identifier and all that stands before it.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { ByteReader, ByteWriter, isInRuns, isNodeAddress, utf8Encode } from '../kernel/index.ts';
import { SIGNATURE_BYTES } from './certificate.ts';

export const DELIVERED_RUNS_MAX = 31;
export const DELIVERED_FLOWS_MAX = 64;
/** Of the frame's body, so that it fits the least MTU. */
export const DELIVERED_BYTES_MAX = 1_152;
const SIGNED = 0x80;
const HEAD_BYTES = 13;
const FLOW_BYTES = 15;
const CONTEXT = utf8Encode('overlane/delivered/1');

/** What has arrived of one flow. */
export interface DeliveredFlow {
  readonly source: NodeAddress;
  readonly epoch: number;
  readonly flow: number;
  /** Its signed packets; or all others. */
  readonly isSigned: boolean;
  readonly greatest: number;
  /** Lengths: arrived, missing, arrived ... down from `greatest`; the first is at least 1. */
  readonly runs: readonly number[];
}

export interface Delivered {
  readonly destination: NodeAddress;
  readonly epoch: number;
  readonly number: number;
  readonly flows: readonly DeliveredFlow[];
}

export const deliveredFlowBytes = ({ runs }: DeliveredFlow): number => FLOW_BYTES + 2 * runs.length;

/** Flows of so many bytes together fit one frame. */
export const DELIVERED_FLOW_BYTES_MAX: number = DELIVERED_BYTES_MAX - HEAD_BYTES - SIGNATURE_BYTES;

/** All but the signature, which follows. */
export function encodeDelivered(delivered: Delivered): Uint8Array {
  const { destination, epoch, number, flows } = delivered;
  const bytes = flows.reduce((sum, flow) => sum + deliveredFlowBytes(flow), HEAD_BYTES);
  const w = new ByteWriter(bytes);
  w.u32(destination).u32(epoch).u32(number).u8(flows.length);
  for (const { source, epoch: sourceEpoch, flow, isSigned, greatest, runs } of flows) {
    w.u32(source).u32(sourceEpoch).u16(flow).u32(greatest);
    w.u8((isSigned ? SIGNED : 0) | runs.length);
    for (const run of runs) w.u16(run);
  }
  return w.finish();
}

export const deliveredSigningInput = (networkId: Uint8Array, content: Uint8Array): Uint8Array =>
  new ByteWriter(CONTEXT.length + networkId.length + content.length)
    .raw(CONTEXT)
    .raw(networkId)
    .raw(content)
    .finish();

export interface SignedDelivered {
  readonly delivered: Delivered;
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
}

/** Undefined for anything but one whole body; the signature is for the caller to check. */
export function decodeDelivered(body: Uint8Array): SignedDelivered | undefined {
  const contentBytes = body.length - SIGNATURE_BYTES;
  if (contentBytes < HEAD_BYTES || body.length > DELIVERED_BYTES_MAX) return undefined;
  const content = body.subarray(0, contentBytes);
  const r = new ByteReader(content);
  const destination = r.u32();
  const epoch = r.u32();
  const number = r.u32();
  const count = r.u8();
  if (!isNodeAddress(destination) || count === 0 || count > DELIVERED_FLOWS_MAX) return undefined;
  const flows: DeliveredFlow[] = [];
  for (let i = 0; i < count; i++) {
    const flow = readFlow(r);
    if (flow === undefined) return undefined;
    flows.push(flow);
  }
  if (!r.ok || r.remaining !== 0) return undefined;
  const signature = body.subarray(contentBytes);
  return { delivered: { destination, epoch, number, flows }, content, signature };
}

function readFlow(r: ByteReader): DeliveredFlow | undefined {
  const source = r.u32();
  const epoch = r.u32();
  const flow = r.u16();
  const greatest = r.u32();
  const word = r.u8();
  const count = word & ~SIGNED;
  const isSigned = (word & SIGNED) !== 0;
  if (!isNodeAddress(source) || count === 0 || count > DELIVERED_RUNS_MAX) return undefined;
  const runs: number[] = [];
  let span = 0;
  for (let i = 0; i < count; i++) {
    const run = r.u16();
    if (run === 0) return undefined;
    span += run;
    runs.push(run);
  }
  return span > greatest + 1 ? undefined : { source, epoch, flow, isSigned, greatest, runs };
}

/** Whether a flow's packet is among those named. */
export const isDelivered = ({ greatest, runs }: DeliveredFlow, sequence: number): boolean =>
  isInRuns(runs, greatest - sequence);
