import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  crc32,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
  type WallTime,
} from '../kernel/index.ts';
import { formatInviteToken, type InviteToken, parseInviteToken } from './index.ts';

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly text: string;
  readonly value: {
    readonly networkId: string;
    readonly rootKey: string;
    readonly inviterKey: string;
    readonly inviterName: string;
    readonly addresses: readonly string[];
    readonly secret: string;
    readonly expiry: number;
  };
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/invite-token.json', import.meta.url), 'utf8'),
);

const unspelled = (v: Vector['value']): InviteToken => ({
  networkId: fromHex(v.networkId)!,
  rootKey: fromHex(v.rootKey)!,
  inviterKey: fromHex(v.inviterKey)!,
  inviterName: v.inviterName,
  addresses: v.addresses,
  secret: fromHex(v.secret)!,
  expiry: v.expiry as WallTime,
});

const exactly = (count: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: count, maxLength: count });
const port = fc.integer({ min: 1, max: 65_535 });
const host = fc.constantFrom('192.0.2.7', '[2001:db8::7]', 'atl.example.net', 'a');
const token: fc.Arbitrary<InviteToken> = fc.record(
  {
    networkId: exactly(16),
    rootKey: exactly(32),
    inviterKey: exactly(32),
    inviterName: fc.stringMatching(/^[A-Za-z0-9]{1,32}$/),
    addresses: fc.array(
      fc.tuple(host, port).map(([h, p]) => `${h}:${p}`),
      { minLength: 1, maxLength: 8 },
    ),
    secret: exactly(16),
    expiry: fc.nat(4_000_000_000).map((n) => (n * 1_000_000) as WallTime),
  },
  { noNullPrototype: true },
);

const fault = (text: string): string => {
  const outcome = parseInviteToken(text);
  return outcome.ok ? 'accepted' : outcome.reason;
};
const text = vectors[0]!.text;

describe('invite token', () => {
  for (const { name, hex, text: printed, value } of vectors) {
    it(`golden vector, both ways: ${name}`, () => {
      const parsed = parseInviteToken(printed);
      assert.ok(parsed.ok);
      assert.deepEqual(parsed.value, unspelled(value));
      assert.equal(formatInviteToken(unspelled(value)), printed);
      assert.equal(toHex(fromBase64url(printed.slice(5))!), hex);
    });
  }

  it('parses what it prints, broken into lines or not', () => {
    const property = fc.property(token, (t) => {
      const printed = formatInviteToken(t);
      assert.match(printed, /^ovl1_[A-Za-z0-9_-]+$/);
      const expected = { ok: true, value: t };
      assert.deepEqual(parseInviteToken(printed), expected);
      assert.deepEqual(parseInviteToken(`  ${printed.replace(/(.{40})/g, '$1\n\t')}\n`), expected);
    });
    fc.assert(property);
  });

  it('tells a mistyped token from no token at all', () => {
    for (let at = 5; at < text.length; at++) {
      const other = text[at] === 'x' ? 'y' : 'x';
      assert.equal(fault(text.slice(0, at) + other + text.slice(at + 1)), 'mistyped', `${at}`);
    }
    assert.equal(fault(text.slice(0, -1)), 'mistyped');
    assert.equal(fault(`${text}A`), 'mistyped');
    assert.equal(fault('ovl1_'), 'mistyped');
    assert.equal(fault(`${text.slice(0, 20)}ä${text.slice(21)}`), 'mistyped');
    assert.equal(fault('ovl2_abc'), 'unsupported-version');
    assert.equal(fault(''), 'not-a-token');
    assert.equal(fault('hello'), 'not-a-token');
    assert.equal(fault('ovl1_'.padEnd(5_000, 'A')), 'not-a-token');
  });

  it('refuses an intact token without, or with unusable, addresses', () => {
    const base = unspelled(vectors[0]!.value);
    for (const addresses of [[], ['a'], ['a:0'], ['a:65536'], ['::1:7'], ['a b:1'], [':1']]) {
      assert.equal(fault(formatInviteToken({ ...base, addresses })), 'malformed', `${addresses}`);
    }
  });

  it('no text and no checksummed bytes make it throw', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((body) => {
      const sum = crc32(body);
      return `ovl1_${toBase64url(Uint8Array.of(...body, sum >>> 24, sum >>> 16, sum >>> 8, sum))}`;
    });
    const any = fc.oneof(
      bytes,
      fc.string(),
      fc.string().map((s) => `ovl1_${s}`),
    );
    fc.assert(
      fc.property(any, (t) => assert.notEqual(fault(t), 'accepted')),
      { numRuns: 2_000 },
    );
  });
});
