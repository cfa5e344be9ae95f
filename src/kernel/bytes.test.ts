import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteReader, ByteWriter, fromHex, toHex, utf8Decode, utf8Encode } from './bytes.ts';

test('what the writer wrote the reader reads', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.maxSafeNat(),
      fc.uint8Array(),
      (a, b, c, d, e) => {
        const bytes = new ByteWriter(1).u8(a).u16(b).u32(c).u64(d).raw(e).finish();
        const reader = new ByteReader(bytes);
        assert.deepEqual(
          [reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.copy(e.length)],
          [a, b, c, d, e],
        );
        assert.equal(reader.finish(), true);
      },
    ),
  );
});

test('a read past the end latches the error, moves nothing and reads zeros from then on', () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3));
  assert.equal(reader.u32(), 0);
  assert.equal(reader.ok, false);
  assert.equal(reader.u8(), 0);
  assert.equal(reader.finish(), false);
});

test('a reader with a bound never sees what lies behind it', () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4), 1, 3);
  assert.deepEqual(reader.rest(), Uint8Array.of(2, 3));
  assert.equal(reader.u8(), 0);
  assert.equal(reader.ok, false);
});

test('UTF-8 coding agrees with the platform on every well-formed text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const encoded = utf8Encode(text);
      assert.deepEqual(encoded, new Uint8Array(new TextEncoder().encode(text)));
      assert.equal(utf8Decode(encoded), text.replace(/\p{Surrogate}/gu, '\ufffd'));
    }),
  );
});

test('UTF-8 decoding refuses exactly what a strict decoder refuses', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const expected = (bytes: Uint8Array): string | undefined => {
    try {
      return strict.decode(bytes);
    } catch {
      return undefined;
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      assert.equal(utf8Decode(bytes), expected(bytes));
    }),
    { numRuns: 20_000 },
  );
});

test('hexadecimal goes both ways and refuses what is not', () => {
  fc.assert(fc.property(fc.uint8Array(), (b) => assert.deepEqual(fromHex(toHex(b)), b)));
  assert.equal(fromHex('abc'), undefined);
  assert.equal(fromHex('zz'), undefined);
});
