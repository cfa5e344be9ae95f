import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestSpelling } from './nearest-spelling.ts';

const KEYS = ['neighbours', 'listen', 'forwards', 'acceptLinks', 'log'];

test('a misspelt word finds the known word it is nearest to', () => {
  assert.equal(nearestSpelling('neighbors', KEYS), 'neighbours');
  assert.equal(nearestSpelling('lisetn', KEYS), 'listen');
  assert.equal(nearestSpelling('accept-links', KEYS), 'acceptLinks');
});

test('a word that is near nothing finds nothing', () => {
  assert.equal(nearestSpelling('quux', KEYS), undefined);
  assert.equal(nearestSpelling('', KEYS), undefined);
});

test('a very long word costs no more than a long one', () => {
  assert.equal(nearestSpelling('n'.repeat(1_000_000), KEYS), undefined);
});
