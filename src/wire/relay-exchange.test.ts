import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import type { RelayAdvice } from './relay-exchange.ts';
import {
  decodeRelayAdvice,
  decodeRelayFigures,
  encodeRelayAdvice,
  encodeRelayFigures,
  RELAY_ADVICE_MAX,
  RELAY_MEMBERS_MAX,
} from './relay-exchange.ts';

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly figures?: { readonly hash: number; readonly round: number; readonly codes: number[] };
  readonly advice?: RelayAdvice;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/relay-exchange.json', import.meta.url), 'utf8'),
);

for (const { name, hex, figures, advice } of vectors) {
  test(`golden vector: ${name}`, () => {
    const bytes = fromHex(hex)!;
    if (figures !== undefined) {
      const value = { ...figures, codes: Uint8Array.from(figures.codes) };
      assert.equal(toHex(encodeRelayFigures(value)), hex);
      assert.deepEqual(decodeRelayFigures(bytes, 0, bytes.length), value);
    }
    if (advice !== undefined) {
      assert.equal(toHex(encodeRelayAdvice(advice)), hex);
      assert.deepEqual(decodeRelayAdvice(bytes, 0, bytes.length), advice);
    }
  });
}

const PLAIN = { noNullPrototype: true } as const;
const header = { hash: fc.nat(0xffff_ffff), round: fc.nat(0xffff) };

test('figures and advice survive the wire', () => {
  const codes = fc.uint8Array({ maxLength: RELAY_MEMBERS_MAX }).map((half) => {
    const both = new Uint8Array(2 * half.length);
    both.set(half);
    return both;
  });
  fc.assert(
    fc.property(fc.record({ ...header, codes }, PLAIN), (figures) => {
      const bytes = encodeRelayFigures(figures);
      assert.deepEqual(decodeRelayFigures(bytes, 0, bytes.length), figures);
    }),
  );
  const hint = fc.record(
    { destination: fc.nat(511), relay: fc.nat(511), rest: fc.nat(255) },
    PLAIN,
  );
  const hints = fc.array(hint, { maxLength: RELAY_ADVICE_MAX });
  fc.assert(
    fc.property(fc.record({ ...header, hints }, PLAIN), (advice) => {
      const bytes = encodeRelayAdvice(advice);
      assert.deepEqual(decodeRelayAdvice(bytes, 0, bytes.length), advice);
    }),
  );
});

test('no bytes make the decoders throw or read past the end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(8), (bytes, at) => {
      const figures = decodeRelayFigures(bytes, at, bytes.length);
      if (figures !== undefined) assert.equal(figures.codes.length, bytes.length - at - 8);
      const advice = decodeRelayAdvice(bytes, at, bytes.length);
      if (advice !== undefined) assert.equal(advice.hints.length * 5, bytes.length - at - 8);
    }),
  );
});
