import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, microseconds, toHex } from '../kernel/index.ts';
import type { MaximalTopology } from './index.ts';
import {
  decodeMaximalTopology,
  encodeMaximalTopology,
  TOPOLOGY_LINKS_MAX,
  TOPOLOGY_NODES_MAX,
} from './index.ts';

const vectors: readonly {
  readonly name: string;
  readonly hex: string;
  readonly value: readonly (readonly [string, string, number])[];
}[] = JSON.parse(
  readFileSync(new URL('../../src/wire/vectors/maximal-topology.json', import.meta.url), 'utf8'),
);

const links = (spelled: readonly (readonly [string, string, number])[]): MaximalTopology =>
  spelled.map(([a, b, least]) => ({ ends: [a, b], latencyMin: microseconds(least) }));

describe('maximal topology codec', () => {
  for (const { name, hex, value } of vectors)
    it(`golden vector, both ways: ${name}`, () => {
      assert.deepEqual(decodeMaximalTopology(fromHex(hex)!), links(value));
      assert.equal(toHex(encodeMaximalTopology(links(value))), hex);
    });

  it('has one encoding, whatever order links and their ends come in', () => {
    const mixed = links([
      ['t', 's', 3],
      ['s', 'a', 1],
    ]);
    assert.deepEqual(decodeMaximalTopology(encodeMaximalTopology(mixed)), [
      { ends: ['a', 's'], latencyMin: 1 },
      { ends: ['s', 't'], latencyMin: 3 },
    ]);
  });

  it('bytes and their mutations never throw, and what is accepted is its one encoding', () => {
    const mutated = fc
      .tuple(
        fc.constantFrom(...vectors),
        fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 3 }),
      )
      .map(([{ hex }, changes]) => {
        const bytes = fromHex(hex)!;
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return bytes;
      });
    const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      const decoded = decodeMaximalTopology(bytes);
      if (decoded !== undefined) assert.deepEqual(encodeMaximalTopology(decoded), bytes);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it('refuses no links, a loop, the same link twice, and more than there is room for', () => {
    const refused = (topology: MaximalTopology): void =>
      assert.equal(decodeMaximalTopology(encodeMaximalTopology(topology)), undefined);
    refused([]);
    refused(links([['a', 'a', 1]]));
    const twice = links([
      ['a', 'b', 1],
      ['b', 'a', 2],
    ]);
    refused(twice);
    const star = Array.from({ length: TOPOLOGY_NODES_MAX }, (_, i) => ['z', `n${i}`, 1] as const);
    assert.ok(decodeMaximalTopology(encodeMaximalTopology(links(star.slice(1)))));
    refused(links(star));
    const dense = Array.from(
      { length: TOPOLOGY_LINKS_MAX + 1 },
      (_, i) => [`a${i % 40}`, `b${Math.floor(i / 40)}`, 1] as const,
    );
    assert.ok(decodeMaximalTopology(encodeMaximalTopology(links(dense.slice(1)))));
    refused(links(dense));
  });
});
