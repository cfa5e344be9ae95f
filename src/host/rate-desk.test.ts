import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeAddress, OverlayError } from '../kernel/index.ts';
import { RateDesk } from './rate-desk.ts';

const link = (capacity: number | undefined) => ({
  neighbour: 2 as NodeAddress,
  name: 'DFW',
  capacity,
});

test('a link gives away what it has, says what is left, and takes back what is released', () => {
  const desk = new RateDesk();
  const first = desk.reserve('8Mbit', link(10e6));
  assert.throws(
    () => desk.reserve('4Mbit/s', link(10e6)),
    (error: OverlayError) => {
      assert.equal(error.code, 'RATE_NOT_AVAILABLE');
      assert.equal(error.details['available'], 2e6);
      assert.match(
        error.message,
        /4Mbit are more than is left on the link to DFW: 2Mbit of 10Mbit/,
      );
      return error.isRetryable;
    },
  );
  const second = desk.reserve('2Mbit', link(10e6));
  first.release();
  first.release();
  desk.reserve('8Mbit', link(10e6)).release();
  second.release();
  desk.reserve('10Mbit', link(10e6)).release();
});

test('what states no capacity refuses nothing; what is no rate is said', () => {
  const desk = new RateDesk();
  desk.reserve('100Gbit', link(undefined)).release();
  desk.reserve('100Gbit', link(0)).release();
  desk.reserve('100Gbit', undefined).release();
  desk.reserve(undefined, link(1)).release();
  assert.throws(() => desk.reserve('8mbit', link(10e6)), { code: 'BAD_ARGUMENT' });
  assert.throws(() => desk.reserve('0Mbit', link(10e6)), { code: 'BAD_ARGUMENT' });
});
