import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { utf8Decode } from './bytes.ts';
import { utf8Prefix } from './utf8-prefix.ts';

test('a prefix is whole characters, and no more of them would fit', () => {
  const texts = fc.string({ unit: 'grapheme', minLength: 0, maxLength: 60, size: 'max' });
  fc.assert(
    fc.property(texts, fc.nat(64), (text, bytesMax) => {
      const prefix = utf8Prefix(text, bytesMax);
      const decoded = utf8Decode(prefix);
      assert.ok(prefix.length <= bytesMax);
      assert.ok(decoded !== undefined && text.startsWith(decoded));
      assert.ok(decoded === text || prefix.length > bytesMax - 4);
    }),
  );
});
