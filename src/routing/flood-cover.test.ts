import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeAddress } from '../kernel/index.ts';
import type { LinkReport } from '../wire/index.ts';
import { isToldElsewhere } from './flood-cover.ts';

type Links = Map<number, Set<number>>;

const NODES_MAX = 14;

const drawn = fc
  .array(fc.tuple(fc.integer({ min: 1, max: NODES_MAX }), fc.integer({ min: 1, max: NODES_MAX })), {
    minLength: 4,
    maxLength: 60,
  })
  .map((pairs) => linksOf(pairs.filter(([a, b]) => a !== b)));

function linksOf(pairs: readonly (readonly [number, number])[]): Links {
  const links: Links = new Map();
  const put = (a: number, b: number): void => {
    links.set(a, (links.get(a) ?? new Set()).add(b));
  };
  for (const [a, b] of pairs) {
    put(a, b);
    put(b, a);
  }
  return links;
}

/** Rows and columns of a square, each a full mesh. */
function grid(side: number): Links {
  const pairs: [number, number][] = [];
  for (let a = 0; a < side * side; a++)
    for (let b = a + 1; b < side * side; b++)
      if (Math.floor(a / side) === Math.floor(b / side) || a % side === b % side)
        pairs.push([a + 1, b + 1]);
  return linksOf(pairs);
}

/** Who hears a record of the origin while one node is dead and nobody has noticed; copies sent of it. */
function flood(links: Links, origin: number, dead: number): { heard: Set<number>; copies: number } {
  const reports = new Map(
    [...links].map(([node, others]) => [
      node as NodeAddress,
      new Map([...others].map((other) => [other as NodeAddress, {} as LinkReport])),
    ]),
  );
  const heard = new Set([origin]);
  const queue: { node: number; from: number }[] = [{ node: origin, from: 0 }];
  let copies = 0;
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { node, from } = next;
    for (const neighbour of links.get(node) ?? []) {
      const ends = { origin, self: node, neighbour } as Parameters<typeof isToldElsewhere>[1];
      if (neighbour === from || isToldElsewhere(reports, ends)) continue;
      copies++;
      if (neighbour === dead || heard.has(neighbour)) continue;
      heard.add(neighbour);
      queue.push({ node: neighbour, from: node });
    }
  }
  return { heard, copies };
}

function reachable(links: Links, origin: number, dead: number): Set<number> {
  const found = new Set([origin]);
  for (const node of found)
    for (const other of links.get(node) ?? []) if (other !== dead) found.add(other);
  return found;
}

test('whichever node has just died, all who are still connected to the origin hear its record', () => {
  fc.assert(
    fc.property(drawn, fc.nat(NODES_MAX), (links, dead) => {
      for (const origin of links.keys()) {
        if (origin === dead) continue;
        const { heard } = flood(links, origin, dead);
        assert.deepEqual([...heard].sort(), [...reachable(links, origin, dead)].sort());
      }
    }),
    { numRuns: 500 },
  );
});

test('over the rows and columns of a square each record is sent about twice a node', () => {
  for (const side of [5, 8, 10]) {
    const { heard, copies } = flood(grid(side), 1, 0);
    assert.equal(heard.size, side * side);
    assert.ok(copies < 2 * side * side, `${copies} copies to ${side * side} nodes`);
  }
});
