import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DuplicateWindow } from './duplicate-window.ts';

test('a sequence number is admitted once, in whatever order numbers come', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 300 }),
      fc.integer({ min: 0, max: 0xffff_fe00 }),
      (numbers, base) => {
        const window = new DuplicateWindow(256);
        const seen = new Set<number>();
        let newest = -1;
        for (const n of numbers) {
          const sequence = base + n;
          const isNew = window.admit(sequence);
          newest = Math.max(newest, sequence);
          const isInWindow = newest - sequence < 256 - 32;
          assert.equal(isNew, isInWindow && !seen.has(sequence));
          seen.add(sequence);
        }
      },
    ),
  );
});

test('a jump far ahead forgets nothing it must keep and admits all that is new', () => {
  const window = new DuplicateWindow(64);
  assert.equal(window.admit(1), true);
  assert.equal(window.admit(0xffff_ffff), true);
  assert.equal(window.admit(0xffff_ffff), false);
  assert.equal(window.admit(0xffff_fff0), true);
  assert.equal(window.admit(1), false);
});

test('after a reset every number is new again', () => {
  const window = new DuplicateWindow();
  window.admit(7);
  window.reset();
  assert.equal(window.admit(7), true);
});

test('a window that grows admits nothing twice and forgets nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 200 }),
      fc.nat(200),
      (numbers, growAt) => {
        const window = new DuplicateWindow(64);
        const seen = new Set<number>();
        numbers.forEach((n, i) => {
          if (i === growAt) window.grow(1024);
          const isNew = window.admit(n);
          assert.ok(!(isNew && seen.has(n)));
          if (i > growAt && n === Math.max(n, ...seen)) assert.equal(isNew, !seen.has(n));
          seen.add(n);
        });
      },
    ),
  );
});
