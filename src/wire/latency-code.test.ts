import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeLatencyCode, encodeLatencyCode, LATENCY_CODE_NONE } from './latency-code.ts';

test('a latency survives its byte to within 3.3 percent, and order is kept', () => {
  const latencies = fc.integer({ min: 256, max: 15_000_000 });
  fc.assert(
    fc.property(latencies, latencies, (x, y) => {
      const back = decodeLatencyCode(encodeLatencyCode(x))!;
      assert.ok(Math.abs(back - x) <= 0.033 * x + 8, `${x} came back as ${back}`);
      if (x <= y) assert.ok(encodeLatencyCode(x) <= encodeLatencyCode(y));
    }),
  );
});

test('every code but the last is its own latency back', () => {
  for (let code = 0; code < LATENCY_CODE_NONE; code++)
    assert.equal(encodeLatencyCode(decodeLatencyCode(code)!), code);
  assert.equal(decodeLatencyCode(LATENCY_CODE_NONE), undefined);
  assert.equal(encodeLatencyCode(0), 0);
  assert.equal(encodeLatencyCode(1e12), 254);
});
