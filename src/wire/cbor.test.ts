import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import { CborReader, CborWriter } from './index.ts';

type Value =
  | { readonly type: 'unsigned'; readonly value: number }
  | { readonly type: 'bytes' | 'text'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'array' | 'map'; readonly value: number }
  | { readonly type: 'textMap'; readonly value: Readonly<Record<string, string>> };

interface Vector {
  readonly name: string;
  readonly note: string;
  readonly hex: string;
  readonly value: Value;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/cbor.json', import.meta.url), 'utf8'),
);
const ALL = { min: 0, max: 100_000 };

function write(out: CborWriter, item: Value): CborWriter {
  switch (item.type) {
    case 'bytes':
      return out.bytes(fromHex(item.value)!);
    case 'text':
      return out.text(item.value);
    case 'boolean':
      return out.boolean(item.value);
    case 'textMap':
      return out.textMap(item.value);
    default:
      return out[item.type](item.value);
  }
}

function read(input: CborReader, type: Value['type']): Value['value'] {
  switch (type) {
    case 'unsigned':
      return input.unsigned();
    case 'bytes':
      return toHex(input.bytes(ALL));
    case 'text':
      return input.text(100_000);
    case 'boolean':
      return input.boolean();
    case 'array':
      return input.array(100_000);
    case 'map':
      return input.map(100_000);
    case 'textMap':
      return {
        ...input.textMap({ countMax: 100, keyBytesMax: 1_000, valueBytesMax: 100_000 }),
      };
  }
}

describe('deterministic CBOR: golden vectors', () => {
  for (const { name, hex, value } of vectors) {
    it(name, () => {
      assert.equal(toHex(write(new CborWriter(), value).finish()), hex);
      const input = new CborReader(fromHex(hex)!);
      assert.deepEqual(read(input, value.type), value.value);
      assert.ok(input.finish());
    });
  }
});

describe('deterministic CBOR', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 30 });
  const labels = fc
    .dictionary(
      text.filter((t) => t !== '' && t !== '__proto__'),
      text,
      { maxKeys: 6 },
    )
    .map((d) => ({ ...d }));
  const item: fc.Arbitrary<Value> = fc.oneof(
    fc.record({ type: fc.constant('unsigned' as const), value: fc.maxSafeNat() }),
    fc.record({ type: fc.constant('bytes' as const), value: fc.uint8Array().map(toHex) }),
    fc.record({ type: fc.constant('text' as const), value: text }),
    fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
    fc.record({ type: fc.constant('textMap' as const), value: labels }),
  );

  it('reads back a run of items as written', () => {
    const property = fc.property(fc.array(item), (items) => {
      const out = new CborWriter();
      for (const value of items) write(out, value);
      const input = new CborReader(out.finish());
      for (const { type, value } of items) assert.deepEqual(read(input, type), value);
      assert.ok(input.finish());
    });
    fc.assert(property);
  });

  it('arbitrary bytes never throw, and what is accepted is the one encoding of its value', () => {
    const types = ['unsigned', 'bytes', 'text', 'boolean', 'textMap'] as const;
    const property = fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.array(fc.constantFrom(...types), { minLength: 1, maxLength: 6 }),
      (bytes, wanted) => {
        const input = new CborReader(bytes);
        const out = new CborWriter();
        for (const type of wanted) write(out, { type, value: read(input, type) } as Value);
        if (input.finish()) assert.deepEqual(out.finish(), bytes);
      },
    );
    fc.assert(property, { numRuns: 5_000 });
  });

  it('refuses other spellings of the same value', () => {
    const refused = (hex: string, type: Value['type']): void => {
      const input = new CborReader(fromHex(hex)!);
      read(input, type);
      assert.ok(!input.finish(), hex);
    };
    for (const hex of ['1817', '1900ff', '1a0000ffff', '1b00000000ffffffff', '1c', '1f']) {
      refused(hex, 'unsigned');
    }
    refused('1b0020000000000000', 'unsigned');
    refused('20', 'unsigned');
    refused('c101', 'unsigned');
    refused('5f42010243030405ff', 'bytes');
    refused('580102', 'bytes');
    refused('7f616161 62ff'.replace(' ', ''), 'text');
    refused('62c328', 'text');
    refused('f6', 'boolean');
    refused('f801', 'boolean');
    refused('9f', 'array');
    refused('bf', 'map');
    refused('a2616161316162', 'textMap');
    refused('a26162613161616131', 'textMap');
    refused('a26161613161616132', 'textMap');
    refused('a1606131', 'textMap');
  });

  it('refuses truncation at every byte and a byte too many', () => {
    const whole = new CborWriter().map(1).unsigned(500).text('abc').finish();
    const decode = (bytes: Uint8Array): boolean => {
      const input = new CborReader(bytes);
      input.map(1);
      input.key(500);
      input.text(3);
      return input.finish();
    };
    assert.ok(decode(whole));
    for (let length = 0; length < whole.length; length++)
      assert.ok(!decode(whole.slice(0, length)));
    assert.ok(!decode(Uint8Array.of(...whole, 0)));
  });

  it('gives zeros and emptiness after the first fault, so that loops end', () => {
    const input = new CborReader(fromHex('9a7fffffff')!);
    assert.equal(input.array(10), 0);
    assert.equal(input.ok, false);
    assert.equal(input.unsigned(), 0);
    assert.equal(input.text(10), '');
    assert.equal(input.bytes(ALL).length, 0);
    assert.equal(input.boolean(), false);
  });
});
