import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatDuration,
  formatHostPort,
  parseDuration,
  parseHostPort,
  parseRate,
  parseShare,
  parseSize,
} from './units.ts';

test('a duration carries its unit', () => {
  assert.equal(parseDuration('300ms'), 300_000);
  assert.equal(parseDuration('1.5s'), 1_500_000);
  assert.equal(parseDuration('5m'), 300_000_000);
  assert.equal(parseDuration('365d'), 365 * 86_400_000_000);
  for (const bad of ['300', '', 'ms', '-1s', '1e3s', '1 s', '5y', '99999999999d'])
    assert.equal(parseDuration(bad), undefined, bad);
});

test('rates count in thousands of bits, sizes in bytes, shares up to the whole', () => {
  assert.equal(parseRate('20Mbit'), 20e6);
  assert.equal(parseRate('64kbit/s'), 64e3);
  assert.equal(parseRate('20mbit'), undefined);
  assert.equal(parseSize('256KiB'), 262_144);
  assert.equal(parseShare('1.5%'), 0.015);
  assert.equal(parseShare('101%'), undefined);
  assert.equal(parseShare('constructor'), undefined);
});

test('a duration is shown in the largest unit that fits', () => {
  assert.equal(formatDuration(86_400e6), '1d');
  assert.equal(formatDuration(90e6), '1.5m');
  assert.equal(formatDuration(300_000), '300ms');
  assert.equal(formatDuration(12), '12us');
});

test('an address is a host and a port, IPv6 in brackets', () => {
  assert.deepEqual(parseHostPort('example.net:7420'), { host: 'example.net', port: 7420 });
  assert.deepEqual(parseHostPort('[::1]:5'), { host: '::1', port: 5 });
  for (const bad of ['::1:5', 'host', 'host:', 'host:70000', 'host:0', ':5', 'a b:5'])
    assert.equal(parseHostPort(bad), undefined, bad);
  assert.deepEqual(parseHostPort('h:0', { isPortZeroAllowed: true }), { host: 'h', port: 0 });
  assert.equal(formatHostPort({ host: '::1', port: 5 }), '[::1]:5');
});
