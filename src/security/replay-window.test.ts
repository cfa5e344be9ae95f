import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { InvariantError } from '../kernel/index.ts';
import { ReplayWindow } from './index.ts';

describe('replay window', () => {
  it('accepts a counter once, in any order, within the window', () => {
    const window = new ReplayWindow(64);
    for (const counter of [0, 5, 3, 63, 64, 1]) assert.ok(window.accept(counter), `${counter}`);
    for (const counter of [0, 5, 3, 63, 64, 1]) assert.ok(!window.accept(counter), `${counter}`);
    assert.equal(window.greatest, 64);
  });

  it('refuses what is older than the window, new or not', () => {
    const window = new ReplayWindow(64);
    assert.ok(window.accept(1_000));
    assert.ok(window.check(1_000 - 63));
    assert.ok(!window.check(1_000 - 64));
  });

  it('checking changes nothing', () => {
    const window = new ReplayWindow(64);
    assert.ok(window.check(900));
    assert.equal(window.greatest, -1);
    assert.ok(window.accept(2));
  });

  it('works up to the largest counter', () => {
    const window = new ReplayWindow(64);
    const last = Number.MAX_SAFE_INTEGER;
    assert.ok(window.accept(0));
    assert.ok(window.accept(last - 1));
    assert.ok(window.accept(last));
    assert.ok(!window.accept(last - 1));
    assert.ok(window.accept(last - 63));
    assert.ok(!window.accept(last - 64));
  });

  it('does as a set of all counters ever seen would', () => {
    const size = 64;
    const step = fc.oneof(fc.nat(40), fc.nat(40), fc.nat(400), fc.constant(5_000));
    const moves = fc.array(fc.tuple(fc.boolean(), step), { maxLength: 200 });
    const property = fc.property(moves, (steps) => {
      const window = new ReplayWindow(size);
      const seen = new Set<number>();
      let greatest = -1;
      for (const [isBack, distance] of steps) {
        const counter = Math.max(0, greatest + (isBack ? -distance : distance));
        const isNew = !seen.has(counter) && counter > greatest - size;
        assert.equal(window.check(counter), isNew);
        assert.equal(window.accept(counter), isNew);
        if (isNew) seen.add(counter);
        greatest = Math.max(greatest, counter);
        assert.equal(window.greatest, greatest);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  it('takes only sizes of whole words', () => {
    for (const size of [0, 33, -32]) assert.throws(() => new ReplayWindow(size), InvariantError);
  });
});
