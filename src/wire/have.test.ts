import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import { toHex } from '../kernel/index.ts';
import type { HaveRun } from './have.ts';
import { decodeHave, encodeHave, HAVE_RUN_LENGTH_MAX, HAVE_RUNS_MAX } from './have.ts';

const vectors: readonly { name: string; hex: string; value: HaveRun[] }[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/have.json', import.meta.url), 'utf8'),
);

for (const { name, hex, value } of vectors)
  test(`golden vector: ${name}`, () => {
    const bytes = encodeHave(value);
    assert.equal(toHex(bytes), hex);
    assert.deepEqual(decodeHave(bytes, 0, bytes.length), value);
  });

const runs = fc.array(
  fc.record(
    {
      source: fc.integer({ min: 1, max: 3 }).map((n) => n as NodeAddress),
      epoch: fc.nat(2),
      isSigned: fc.boolean(),
      flow: fc.nat(0xffff),
      first: fc.nat(0xffff_ffff - HAVE_RUN_LENGTH_MAX),
      count: fc.integer({ min: 1, max: HAVE_RUN_LENGTH_MAX }),
    },
    { noNullPrototype: true },
  ),
  { minLength: 1, maxLength: HAVE_RUNS_MAX },
);

test('names survive the wire, and the least MTU holds them', () => {
  fc.assert(
    fc.property(runs, (all) => {
      const bytes = encodeHave(all);
      assert.ok(bytes.length <= 1_100);
      assert.deepEqual(decodeHave(bytes, 0, bytes.length), all);
    }),
  );
});

test('whatever the bytes, decoding neither throws nor takes what it would not write', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const all = decodeHave(bytes, 0, bytes.length);
      if (all !== undefined) assert.deepEqual(encodeHave(all), bytes);
    }),
    { numRuns: 2_000 },
  );
});
