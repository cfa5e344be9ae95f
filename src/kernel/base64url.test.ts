import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crc32, fromBase64url, toBase64url, utf8Encode } from './index.ts';

describe('base64url', () => {
  it('writes as the platform does and reads back', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = toBase64url(bytes);
      assert.equal(text, Buffer.from(bytes).toString('base64url'));
      assert.deepEqual(fromBase64url(text), bytes);
    });
    fc.assert(property);
  });

  it('refuses other alphabets, padding, impossible lengths and stray bits', () => {
    for (const text of ['a', 'ab==', 'a+bc', 'a/bc', 'ab c', 'aB', 'abF', 'ä000']) {
      assert.equal(fromBase64url(text), undefined, text);
    }
    assert.deepEqual(fromBase64url(''), new Uint8Array(0));
  });

  it('every text either is refused or is the one form of its bytes', () => {
    const property = fc.property(fc.string({ maxLength: 20 }), (text) => {
      const bytes = fromBase64url(text);
      if (bytes !== undefined) assert.equal(toBase64url(bytes), text);
    });
    fc.assert(property);
  });
});

describe('CRC-32', () => {
  it('gives the check value of its catalogue entry', () => {
    assert.equal(crc32(utf8Encode('123456789')), 0xcbf4_3926);
    assert.equal(crc32(new Uint8Array(0)), 0);
  });
});
