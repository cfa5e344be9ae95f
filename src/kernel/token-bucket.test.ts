import assert from 'node:assert/strict';
import test from 'node:test';
import { instant } from './time.ts';
import { TokenBucket } from './token-bucket.ts';

test('a bucket gives its burst at once and its rate from then on', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 });
  const start = instant(5_000_000);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => bucket.take(start)),
    [true, true, true, false],
  );
  assert.equal(bucket.availableAt(), 5_100_000);
  assert.equal(bucket.take(instant(5_099_999)), false);
  assert.equal(bucket.take(instant(5_100_000)), true);
  assert.equal(bucket.take(instant(5_100_001)), false);
});

test('a bucket never holds more than its burst, however long it rests', () => {
  const bucket = new TokenBucket({ perSecond: 1000, burst: 2 });
  bucket.take(instant(0));
  let taken = 0;
  while (bucket.take(instant(60_000_000))) taken++;
  assert.equal(taken, 2);
});
