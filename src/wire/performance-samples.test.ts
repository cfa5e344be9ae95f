import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import type { SharedSample } from './performance-samples.ts';
import {
  decodeSamples,
  encodeSamples,
  PERFORMANCE_FRAME_BYTES_MAX,
} from './performance-samples.ts';

const vectors: readonly { name: string; hex: string; samples: SharedSample[] }[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/performance-samples.json', import.meta.url), 'utf8'),
);

for (const { name, hex, samples } of vectors) {
  test(`golden vector: ${name}`, () => {
    assert.equal(toHex(encodeSamples(samples).bytes), hex);
    const bytes = hex === '' ? new Uint8Array(0) : fromHex(hex)!;
    assert.deepEqual(decodeSamples(bytes, 0, bytes.length), samples);
  });
}

test('samples survive the wire, as many as fit', () => {
  const name = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' });
  const sample = fc.record(
    {
      from: name,
      to: name,
      metric: name,
      value: fc.double({ noNaN: true }),
      ageSeconds: fc.nat(0xffff),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 30 }), (samples) => {
      const { bytes, taken } = encodeSamples(samples);
      assert.ok(bytes.length <= PERFORMANCE_FRAME_BYTES_MAX);
      assert.ok(taken > 0 || samples.length === 0);
      const back = decodeSamples(bytes, 0, bytes.length)!;
      const short = samples
        .slice(0, taken)
        .filter((s) => [s.from, s.to, s.metric].every((n) => Buffer.byteLength(n) <= 255));
      assert.deepEqual(back, short);
    }),
  );
});

test('no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const samples = decodeSamples(bytes, 0, bytes.length);
      if (samples !== undefined) assert.ok(samples.length * 13 <= bytes.length);
    }),
  );
});
