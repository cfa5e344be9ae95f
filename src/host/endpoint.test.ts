import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OverlayError } from '../kernel/index.ts';
import { formatEndpoint, parseEndpoint } from './endpoint.ts';

test('an endpoint is a name and a port, together or apart', () => {
  assert.deepEqual(parseEndpoint('LAX:80'), { node: 'LAX', port: 80 });
  assert.deepEqual(parseEndpoint({ node: 'LAX', port: 80 }), { node: 'LAX', port: 80 });
  assert.equal(formatEndpoint(parseEndpoint('0a0b0c0d:65535')), '0a0b0c0d:65535');
});

test('anything else is a bad argument', () => {
  for (const wrong of ['', 'LAX', ':80', 'LAX:', 'LAX:0', 'LAX:65536', 'LAX:8o', 'LAX:-1'])
    assert.throws(
      () => parseEndpoint(wrong),
      (error: unknown) => error instanceof OverlayError && error.code === 'BAD_ARGUMENT',
      wrong,
    );
  assert.throws(() => parseEndpoint({ node: 'LAX', port: 1.5 }), { code: 'BAD_ARGUMENT' });
});
