import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import type { Goodbye, MtuMessage } from './link-control.ts';
import {
  decodeGoodbye,
  decodeMtuMessage,
  encodeGoodbye,
  encodeMtuMessage,
} from './link-control.ts';

type Vector = { name: string; hex: string } & (
  | { frame: 'goodbye'; value: Goodbye }
  | { frame: 'mtu'; value: MtuMessage }
);

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/link-control.json', import.meta.url), 'utf8'),
);

for (const vector of vectors) {
  test(`golden vector: ${vector.name}`, () => {
    const bytes = fromHex(vector.hex)!;
    if (vector.frame === 'goodbye') {
      assert.equal(toHex(encodeGoodbye(vector.value)), vector.hex);
      assert.deepEqual(decodeGoodbye(bytes, 0, bytes.length), vector.value);
    } else {
      assert.equal(toHex(encodeMtuMessage(vector.value)), vector.hex);
      assert.deepEqual(decodeMtuMessage(bytes, 0, bytes.length), vector.value);
    }
  });
}

test('a goodbye of any detail can be read, cut to 64 bytes', () => {
  fc.assert(
    fc.property(fc.nat(255), fc.string({ maxLength: 100, size: 'max' }), (code, detail) => {
      const bytes = encodeGoodbye({ code, detail });
      const out = decodeGoodbye(bytes, 0, bytes.length);
      assert.equal(out?.code, code);
      assert.equal(detail.startsWith(out!.detail), true);
      assert.equal(out!.detail.length, Math.min(64, detail.length));
    }),
  );
});

test('any bytes at all decode to something or nothing, without a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      decodeGoodbye(bytes, 0, bytes.length);
      decodeMtuMessage(bytes, 0, bytes.length);
    }),
  );
});
