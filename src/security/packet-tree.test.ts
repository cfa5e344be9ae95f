import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../kernel/index.ts';
import { nodeCrypto } from '../underlay/index.ts';
import { PROOF_BATCH_MAX } from '../wire/index.ts';
import { packetRoot, packetTree } from './index.ts';

const crypto = nodeCrypto();
const leaf = (n: number): Uint8Array => crypto.sha256(Uint8Array.of(n)).subarray(0, 16);

test('every packet of a batch of any size leads to its root alone, at its place and no other', () => {
  for (let count = 1; count <= PROOF_BATCH_MAX; count++) {
    const leaves = Array.from({ length: count }, (_, i) => leaf(i));
    const tree = packetTree(crypto, leaves);
    const root = toHex(tree.root);
    leaves.forEach((own, place) => {
      const siblings = tree.siblings(place);
      assert.equal(siblings.length, Math.ceil(Math.log2(count)));
      assert.equal(toHex(packetRoot(crypto, own, place, siblings)), root);
      if (count > 1) assert.notEqual(toHex(packetRoot(crypto, own, place ^ 1, siblings)), root);
    });
  }
});

test('a leaf or a sibling with one bit changed leads elsewhere', () => {
  const leaves = Array.from({ length: 11 }, (_, i) => leaf(i));
  const tree = packetTree(crypto, leaves);
  const change = fc.record({ place: fc.nat(10), of: fc.nat(4), bit: fc.nat(127) });
  fc.assert(
    fc.property(change, ({ place, of, bit }) => {
      const parts = [leaves[place]!, ...tree.siblings(place)].map((part) => part.slice());
      parts[of]![bit >> 3]! ^= 1 << (bit & 7);
      const [own, ...siblings] = parts;
      assert.notEqual(toHex(packetRoot(crypto, own!, place, siblings)), toHex(tree.root));
    }),
  );
});
