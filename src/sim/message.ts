/**
 * A message that says who sent it and which it is, and whose other bytes follow from that, so that
 * whoever gets it can tell whether it came whole.
 *
 *   sender (u16), life (u16), flow (u16), sequence (u32), length (u32), filler
 */
import { ByteReader, ByteWriter } from '../kernel/index.ts';

export const MESSAGE_BYTES_MIN = 16;

export function composeMessage(m: {
  sender: number;
  life: number;
  flow: number;
  sequence: number;
  bytes: number;
}): Uint8Array {
  const bytes = Math.max(MESSAGE_BYTES_MIN, m.bytes);
  const out = new ByteWriter(bytes).u16(m.sender).u16(m.life).u16(m.flow);
  out.u32(m.sequence).u32(bytes);
  const payload = new Uint8Array(bytes);
  payload.set(out.finish());
  fill(payload);
  return payload;
}

const HEADER_BYTES = 14;

export function readMessage(payload: Uint8Array): {
  sender: number;
  life: number;
  flow: number;
  sequence: number;
  isIntact: boolean;
} {
  const reader = new ByteReader(payload);
  const [sender, life, flow] = [reader.u16(), reader.u16(), reader.u16()];
  const sequence = reader.u32();
  const isWhole = reader.u32() === payload.length && reader.ok;
  const isIntact = isWhole && isFilled(payload);
  return { sender, life, flow, sequence, isIntact };
}

function fill(payload: Uint8Array): void {
  const key = fillerKey(payload);
  for (let i = HEADER_BYTES; i < payload.length; i++) payload[i] = fillerByte(key, i);
}

function isFilled(payload: Uint8Array): boolean {
  const key = fillerKey(payload);
  for (let i = HEADER_BYTES; i < payload.length; i++)
    if (payload[i] !== fillerByte(key, i)) return false;
  return true;
}

function fillerKey(payload: Uint8Array): number {
  let h = 0;
  for (let i = 0; i < HEADER_BYTES; i++) h = Math.imul(h ^ payload[i]!, 0x0100_0193) + 1;
  return h;
}

/** Neighbouring bytes differ, and so do messages and fragments. */
const fillerByte = (key: number, i: number): number => (key + Math.imul(i, 29) + (i >> 6)) & 255;
