import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressCache } from './address-cache.ts';

test('the same remote is always the same object', () => {
  const cache = new AddressCache(4);
  const first = cache.intern('127.0.0.1', 5);
  cache.intern('127.0.0.1', 6);
  assert.equal(cache.intern('127.0.0.1', 5), first);
  assert.equal(cache.intern('::1', 7).key, '[::1]:7');
});

test('a flood of addresses evicts the oldest and is counted', () => {
  const cache = new AddressCache(100);
  for (let i = 1; i <= 1000; i++) cache.intern(`10.0.${i >> 8}.${i & 255}`, i);
  assert.equal(cache.size, 100);
  assert.equal(cache.evictions, 900);
});
