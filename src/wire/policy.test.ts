import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../kernel/index.ts';
import type { Policy, PolicyLinks } from './index.ts';
import { decodePolicy, encodePolicy, NO_POLICY, POLICY_RULES_MAX, selectorFault } from './index.ts';

const vectors: readonly { readonly name: string; readonly hex: string; readonly value: Policy }[] =
  JSON.parse(readFileSync(new URL('../../src/wire/vectors/policy.json', import.meta.url), 'utf8'));

const term = fc.oneof(
  fc.constant('*'),
  fc.constantFrom('NYC', 'LAX', 'a-node'),
  fc.constantFrom('region=eu', 'net=internet2', 'tier.x=1'),
);
const selector = fc.array(term, { maxLength: 4 });
const stated = fc.array(term, { minLength: 1, maxLength: 4 });
const links: fc.Arbitrary<PolicyLinks> = fc.array(fc.tuple(stated, stated), { maxLength: 3 });
const name = fc.constantFrom('a', 'no bulk abroad', '');
const policy: fc.Arbitrary<Policy> = fc.record(
  {
    cliques: fc.array(
      fc.record({ name, members: stated, isConfined: fc.boolean() }, { noNullPrototype: true }),
      { maxLength: 3 },
    ),
    rules: fc.array(
      fc.record(
        {
          name,
          from: selector,
          to: selector,
          lanes: fc
            .uniqueArray(fc.nat(255), { maxLength: 4 })
            .map((lanes) => lanes.sort((a, b) => a - b)),
          denyLinks: links,
          denyNodes: selector,
          onlyLinks: links,
          onlyNodes: selector,
        },
        { noNullPrototype: true },
      ),
      { maxLength: 4 },
    ),
  },
  { noNullPrototype: true },
);

describe('policy codec', () => {
  for (const { name: title, hex, value } of vectors) {
    it(`golden vector, both ways: ${title}`, () => {
      assert.deepEqual(decodePolicy(fromHex(hex)!), value);
      assert.equal(toHex(encodePolicy(value)), hex);
    });
  }

  it('decodes what it encodes', () => {
    fc.assert(fc.property(policy, (p) => assert.deepEqual(decodePolicy(encodePolicy(p)), p)));
  });

  it('bytes and their mutations never throw, and what is accepted is its one encoding', () => {
    const mutated = fc
      .tuple(policy, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }))
      .map(([p, changes]) => {
        const bytes = encodePolicy(p);
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        return bytes;
      });
    const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      const decoded = decodePolicy(bytes);
      if (decoded !== undefined) assert.deepEqual(encodePolicy(decoded), bytes);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it('has bounds, and no bytes are no policy', () => {
    assert.equal(decodePolicy(new Uint8Array(0)), NO_POLICY);
    assert.equal(encodePolicy(NO_POLICY).length, 0);
    const rule = { ...EMPTY_RULE, name: 'r', denyNodes: ['NYC'] };
    const rules = new Array(POLICY_RULES_MAX + 1).fill(rule);
    assert.ok(decodePolicy(encodePolicy({ cliques: [], rules: rules.slice(1) })));
    assert.equal(decodePolicy(encodePolicy({ cliques: [], rules })), undefined);
  });

  it('says what is wrong with an entry of a selector', () => {
    for (const good of ['*', 'NYC', 'region=eu', 'net=a=b'])
      assert.equal(selectorFault(good), undefined);
    for (const bad of ['', '-x', 'a b', '=eu', 'region=', 'Re=x'])
      assert.ok(selectorFault(bad), bad);
  });
});

const EMPTY_RULE = {
  from: [],
  to: [],
  lanes: [],
  denyLinks: [],
  denyNodes: [],
  onlyLinks: [],
  onlyNodes: [],
};
