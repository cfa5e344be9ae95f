import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Duration } from '../kernel/index.ts';
import { milliseconds, seconds, underlayAddress } from '../kernel/index.ts';
import { SERVICE_DEFAULT } from '../wire/index.ts';
import { type TestNode, World } from './harness.test.ts';
import type { NeighbourSpec } from './index.ts';

/** Nodes with two providers each; provider p of one reaches provider p of the others. */
function world(names: readonly string[], seed = 1): { world: World; nodes: TestNode[] } {
  const made = new World(seed);
  const nodes = names.map((name) => made.node(name));
  for (const [i, node] of nodes.entries())
    node.moreLocals.push(underlayAddress(`10.1.0.${i + 1}`, 7000));
  return { world: made, nodes };
}

const specOf = (to: TestNode, more: Partial<NeighbourSpec> = {}): NeighbourSpec => ({
  name: to.name,
  remotes: [to.locals[0]!],
  paths: to.locals.map((remote, local) => ({ remote, local })),
  ...more,
});

function homed(seed = 1, more: Partial<NeighbourSpec> = {}) {
  const { world: w, nodes } = world(['a', 'b'], seed);
  const [a, b] = nodes as [TestNode, TestNode];
  a.start({ neighbours: [specOf(b, more)] });
  b.start({ neighbours: [specOf(a, more)] });
  w.runUntil(() => upTo(a, b) === 2 && upTo(b, a) === 2, seconds(3));
  w.run(seconds(2));
  return { w, a, b };
}

const row = (node: TestNode, to: TestNode) =>
  node.layer.status(node.world.now).find((link) => link.neighbour === to.address);
const pathsOf = (node: TestNode, to: TestNode) => row(node, to)?.paths ?? [];
const upTo = (node: TestNode, to: TestNode): number =>
  pathsOf(node, to).filter(({ state }) => state === 'up').length;
const inUse = (node: TestNode, to: TestNode): number =>
  to.locals.findIndex(({ key }) => key === row(node, to)?.remote.key);

function provider(w: World, p: number, a: TestNode, b: TestNode, isCut: boolean): void {
  w.channelBetween(a.locals[p]!.key, b.locals[p]!.key).isCut = isCut;
  w.channelBetween(b.locals[p]!.key, a.locals[p]!.key).isCut = isCut;
}

describe('several paths to one neighbour', () => {
  it('are all up, measured apart, and one link to the rooms above', () => {
    const { w, a, b } = homed();
    assert.equal(a.events('up').length, 1);
    assert.equal(b.events('up').length, 1);
    assert.deepEqual(
      pathsOf(a, b).map(({ state }) => state),
      ['up', 'up'],
    );
    const used = inUse(a, b);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      w.channelBetween(from.locals[1 - used]!.key, to.locals[1 - used]!.key).delay =
        milliseconds(40);
    w.run(seconds(10));
    const [first, spare] = pathsOf(a, b);
    assert.ok(Math.abs(first!.rtt - milliseconds(20)) < milliseconds(2), `${first!.rtt}`);
    assert.ok(Math.abs(spare!.rtt - milliseconds(80)) < milliseconds(8), `${spare!.rtt}`);
  });

  it('a path that neither end uses costs a fifth of the hellos', () => {
    const { w, a, b } = homed();
    // Both ends on one path: then the other is spare for both.
    w.runUntil(() => inUse(a, b) === inUse(b, a), seconds(30));
    const spare = a.locals[1 - inUse(a, b)]!.key;
    const other = b.locals[1 - inUse(a, b)]!.key;
    let count = 0;
    w.channelBetween(spare, other).tap = () => {
      count++;
      return true;
    };
    w.run(seconds(2));
    count = 0;
    w.run(seconds(10));
    assert.ok(count >= 15 && count <= 30, `${count} datagrams in 10 s`);
  });

  it('fails over without the link going down, well within the budget of a dead link', () => {
    const gaps: number[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      const { w, a, b } = homed(seed);
      const before = inUse(a, b);
      provider(w, before, a, b, true);
      const cutAt = w.now;
      let got = b.received.length;
      let sent = 0;
      while (b.received.length === got) {
        a.send(b, `m${sent++}`);
        w.run(milliseconds(5));
        assert.ok(w.now - cutAt < seconds(2), 'no packet came through');
      }
      gaps.push(w.now - cutAt);
      got = b.received.length;
      w.run(seconds(5));
      assert.equal(a.events('down').length + b.events('down').length, 0);
      assert.equal(inUse(a, b), 1 - before);
    }
    const worst = Math.max(...gaps) / 1000;
    console.log(`fail-over: worst of 20 ${worst.toFixed(0)} ms`);
    assert.ok(worst < 700, `${worst} ms`);
  });

  it('comes back into use when it is better, not when it is merely there', () => {
    const { w, a, b } = homed();
    const before = inUse(a, b);
    provider(w, before, a, b, true);
    w.runUntil(() => inUse(a, b) !== before && inUse(b, a) !== before, seconds(3));
    provider(w, before, a, b, false);
    w.run(seconds(40));
    assert.equal(inUse(a, b), 1 - before);
    assert.equal(upTo(a, b), 2);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      w.channelBetween(from.locals[1 - before]!.key, to.locals[1 - before]!.key).delay =
        milliseconds(30);
    w.run(seconds(60));
    assert.equal(inUse(a, b), before);
  });

  it('all silent is the neighbour gone', () => {
    const { w, a, b } = homed();
    provider(w, 0, a, b, true);
    provider(w, 1, a, b, true);
    w.runUntil(() => a.events('down').length > 0, seconds(6));
    assert.equal(pathsOf(a, b).length, 0);
    provider(w, 0, a, b, false);
    provider(w, 1, a, b, false);
    w.runUntil(() => upTo(a, b) === 2, seconds(10));
    assert.equal(a.isUp(b), true);
  });

  it('tells a provider in trouble from a neighbour in trouble', () => {
    const { world: w, nodes } = world(['a', 'b', 'c']);
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode];
    a.start({ neighbours: [specOf(b), specOf(c)] });
    b.start({ neighbours: [specOf(a)] });
    c.start({ neighbours: [specOf(a)] });
    w.runUntil(() => upTo(a, b) === 2 && upTo(a, c) === 2, seconds(3));
    w.run(seconds(2));
    provider(w, 0, a, b, true);
    w.run(seconds(6));
    assert.equal(a.events('provider 0 silent').length, 0, 'one neighbour is not a provider');
    provider(w, 0, a, c, true);
    w.run(seconds(8));
    assert.equal(a.events('provider 0 silent').length, 1);
    assert.ok(pathsOf(a, b).some((path) => path.local === 0 && path.isProviderTrouble));
    provider(w, 0, a, b, false);
    provider(w, 0, a, c, false);
    w.runUntil(() => a.events('provider 0 heard').length > 0, seconds(12));
    assert.equal(a.events('down').length, 0);
  });

  it('packets with a deadline take the quick path, others the one that moves most', () => {
    const { w, a, b } = homed();
    const used = inUse(a, b);
    const spare = 1 - used;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      // In use: long and clean. Spare: short, and loses what a deadline can bear.
      w.channelBetween(from.locals[used]!.key, to.locals[used]!.key).delay = milliseconds(60);
      const short = w.channelBetween(from.locals[spare]!.key, to.locals[spare]!.key);
      short.delay = milliseconds(10);
      short.loss = 0.05;
    }
    w.run(seconds(60));
    const timely = { ...SERVICE_DEFAULT, deadline: 130_000 as Duration };
    const counts = { timely: 0, bulk: 0 };
    let kind: 'timely' | 'bulk' = 'timely';
    w.channelBetween(a.locals[spare]!.key, b.locals[spare]!.key).tap = () => {
      counts[kind]++;
      return true;
    };
    for (let i = 0; i < 50; i++) {
      kind = i % 2 === 0 ? 'timely' : 'bulk';
      const at = a.layer.reserveData(
        b.address,
        40,
        kind === 'timely' ? timely : SERVICE_DEFAULT,
        w.now,
      );
      a.layer.outgoingSlab.fill(0, at, at + 40);
      a.layer.outgoingSlab[at] = 0x10;
      a.layer.flush(w.now);
    }
    // What the path loses is not counted.
    assert.ok(counts.timely >= 20, `${counts.timely} of 25`);
    assert.ok(counts.bulk <= 1, `${counts.bulk} others took the quick path`);
  });

  it('sends packets with a deadline over both paths where that is wanted', () => {
    const { w, a, b } = homed(1, { isSentTwice: true });
    const timely = { ...SERVICE_DEFAULT, deadline: 130_000 as Duration };
    for (let i = 0; i < 3; i++) {
      const at = a.layer.reserveData(b.address, 40, timely, w.now);
      const slab = a.layer.outgoingSlab;
      slab.fill(0, at, at + 40);
      slab[at] = 0x10;
      slab[at + 1] = 65 + i;
    }
    a.layer.flush(w.now);
    w.run(milliseconds(100));
    assert.deepEqual([...b.received].sort(), ['A', 'A', 'B', 'B', 'C', 'C']);
    a.send(b, 'plain');
    w.run(milliseconds(100));
    assert.equal(b.received.filter((text) => text === 'plain').length, 1);
  });
});
