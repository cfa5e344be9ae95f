import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoundedQueue } from './bounded-queue.ts';
import { DatagramBatch, underlayAddress } from './datagram-batch.ts';
import { Heap } from './heap.ts';
import { Random } from './random.ts';

test('a heap gives its items back in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (items) => {
      const heap = new Heap<number>((a, b) => a - b);
      for (const item of items) heap.push(item);
      const out: number[] = [];
      while (heap.length > 0) out.push(heap.pop()!);
      assert.deepEqual(
        out,
        items.slice().sort((a, b) => a - b),
      );
    }),
  );
});

test('a full queue refuses or pushes out the oldest, as it was told, and counts it', () => {
  const rejecting = new BoundedQueue<number>({ capacity: 2, overflow: 'reject' });
  assert.deepEqual(
    [1, 2, 3].map((n) => rejecting.push(n)),
    [true, true, false],
  );
  assert.equal(rejecting.shift(), 1);
  const dropping = new BoundedQueue<number>({ capacity: 2, overflow: 'drop-oldest' });
  for (const n of [1, 2, 3]) assert.equal(dropping.push(n), true);
  assert.deepEqual([dropping.shift(), dropping.shift(), dropping.shift()], [2, 3, undefined]);
  assert.deepEqual([rejecting.overflows, dropping.overflows], [1, 1]);
});

test('the same seed draws the same, and a split stream is not moved by draws elsewhere', () => {
  const a = new Random(7);
  const b = new Random(7);
  const early = a.split('loss');
  for (let i = 0; i < 10; i++) a.u32();
  const late = a.split('loss');
  assert.deepEqual(
    Array.from({ length: 20 }, () => early.u32()),
    Array.from({ length: 20 }, () => late.u32()),
  );
  for (let i = 0; i < 10; i++) b.u32();
  assert.equal(a.u32(), b.u32());
  assert.notEqual(new Random(7).split('x').u32(), new Random(7).split('y').u32());
});

test('draws are spread evenly: 16 bins of 160,000 draws stay within 5 sigma', () => {
  const random = new Random(1);
  const bins = new Array<number>(16).fill(0);
  for (let i = 0; i < 160_000; i++) bins[random.below(16)]!++;
  for (const n of bins) assert.ok(Math.abs(n - 10_000) < 500, `bin of ${n}`);
});

test('a batch keeps each datagram apart and says when it is full', () => {
  const batch = new DatagramBatch({ capacity: 2, slabBytes: 10 });
  const remote = underlayAddress('::1', 5);
  assert.equal(remote.key, '[::1]:5');
  batch.push(Uint8Array.of(1, 2, 3), remote, 0);
  batch.push(Uint8Array.of(4), remote, 1);
  assert.deepEqual(batch.view(0), Uint8Array.of(1, 2, 3));
  assert.deepEqual(batch.view(1), Uint8Array.of(4));
  assert.equal(batch.hasRoom(1), false);
  assert.throws(() => batch.push(Uint8Array.of(1), remote, 0), /full/);
});
