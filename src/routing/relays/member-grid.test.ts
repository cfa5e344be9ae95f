import assert from 'node:assert/strict';
import test from 'node:test';
import type { NodeAddress } from '../../kernel/index.ts';
import { MemberGrid } from './member-grid.ts';

const gridOf = (size: number): MemberGrid =>
  new MemberGrid(Array.from({ length: size }, (_, i) => (7 * i + 3) as NodeAddress));

test('any two nodes have a rendezvous in common, or are one for the other', () => {
  for (let size = 2; size <= 130; size++) {
    const grid = gridOf(size);
    const sets = grid.members.map((_, place) => new Set(grid.rendezvousOf(place)));
    for (let a = 0; a < size; a++)
      for (let b = a + 1; b < size; b++) {
        const isShared = sets[a]!.has(b) || [...sets[a]!].some((place) => sets[b]!.has(place));
        assert.ok(isShared, `${a} and ${b} of ${size}`);
      }
  }
});

test('being a rendezvous is mutual, and few are needed', () => {
  for (const size of [2, 3, 10, 50, 99, 100, 101, 200, 400, 512]) {
    const grid = gridOf(size);
    const sets = grid.members.map((_, place) => new Set(grid.rendezvousOf(place)));
    sets.forEach((set, place) => {
      assert.ok(!set.has(place));
      assert.ok(set.size <= 3 * Math.ceil(Math.sqrt(size)), `${set.size} of ${size}`);
      for (const other of set) assert.ok(sets[other]!.has(place), `${place} ${other} of ${size}`);
    });
  }
});

test('the hash tells lists apart and does not depend on the order given', () => {
  const some = [3, 9, 4].map((n) => n as NodeAddress);
  assert.equal(new MemberGrid(some).hash, new MemberGrid([...some].reverse()).hash);
  assert.notEqual(new MemberGrid(some).hash, new MemberGrid(some.slice(1)).hash);
});
