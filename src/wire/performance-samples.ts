/**
 * Samples of the performance database on their way from one node to another that shares it, over a
 * sealed link between the two (`routing/performance/`). A run of samples to the end of the frame:
 *
 *   +---------------+---------------------------------------+
 *   | length (u8)   | from, UTF-8                           |
 *   +---------------+---------------------------------------+
 *   | length (u8)   | to, UTF-8                             |
 *   +---------------+---------------------------------------+
 *   | length (u8)   | metric, UTF-8                         |
 *   +---------------+-----------------------+---------------+
 *   | value: IEEE 754 binary64 (8)          | age (u16)     |
 *   +---------------------------------------+---------------+
 *
 * Age is in whole seconds, when it was sent.
 */
import { ByteReader, ByteWriter, utf8Decode, utf8Encode } from '../kernel/index.ts';
import { RECORD_BYTES_MAX } from './flood.ts';

export const PERFORMANCE_FRAME_BYTES_MAX: number = RECORD_BYTES_MAX;
const FIXED_BYTES = 13;
const NAME_BYTES_MAX = 255;
const AGE_MAX = 0xffff;

export interface SharedSample {
  readonly from: string;
  readonly to: string;
  readonly metric: string;
  readonly value: number;
  readonly ageSeconds: number;
}

/** As many of them, from the first on, as fit one frame; a sample whose names are too long is left out. */
export function encodeSamples(samples: readonly SharedSample[]): {
  readonly bytes: Uint8Array;
  readonly taken: number;
} {
  const w = new ByteWriter(256);
  let size = 0;
  let taken = 0;
  for (const sample of samples) {
    const names = [sample.from, sample.to, sample.metric].map((name) => utf8Encode(name));
    const bytes = FIXED_BYTES + names.reduce((sum, name) => sum + name.length, 0);
    if (size + bytes > PERFORMANCE_FRAME_BYTES_MAX) break;
    taken++;
    if (names.some((name) => name.length > NAME_BYTES_MAX)) continue;
    size += bytes;
    for (const name of names) w.u8(name.length).raw(name);
    w.raw(float64(sample.value)).u16(Math.min(AGE_MAX, Math.max(0, Math.round(sample.ageSeconds))));
  }
  return { bytes: w.finish(), taken };
}

/** Undefined unless all of it is sound in form. */
export function decodeSamples(
  bytes: Uint8Array,
  at: number,
  end: number,
): readonly SharedSample[] | undefined {
  const r = new ByteReader(bytes, at, end);
  const samples: SharedSample[] = [];
  while (r.ok && r.remaining > 0) {
    const names = [0, 1, 2].map(() => utf8Decode(r.view(r.u8())));
    const raw = r.copy(8);
    const ageSeconds = r.u16();
    const [from, to, metric] = names;
    if (!r.ok || from === undefined || to === undefined || metric === undefined) return undefined;
    const value = new DataView(raw.buffer, raw.byteOffset, 8).getFloat64(0);
    samples.push({ from, to, metric, value, ageSeconds });
  }
  return r.ok ? samples : undefined;
}

function float64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}
