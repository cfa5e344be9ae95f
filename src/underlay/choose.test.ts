import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { AeadAlgorithm } from '../kernel/index.ts';
import { aeadPreferenceBy } from './crypto.ts';
import { chooseCrypto, openUnderlay } from './index.ts';

const locals = [{ host: '127.0.0.1', port: 0 }];

test('what is to be had is taken, and the reason is told', async () => {
  const { value, kind, reason, isFallback } = await openUnderlay({ locals });
  assert.equal(value.kind, kind);
  assert.match(reason, /\w/);
  assert.equal(isFallback, kind === 'portable');
  await value.close();
  const crypto = chooseCrypto();
  assert.equal(crypto.isFallback, crypto.kind === 'portable');
});

test('the portable one is taken where it is asked for, which is no fallback', async () => {
  const chosen = await openUnderlay({ locals, choice: 'portable' });
  assert.equal(chosen.value.kind, 'portable');
  assert.deepEqual([chosen.reason, chosen.isFallback], ['as configured', false]);
  await chosen.value.close();
  assert.equal(chooseCrypto('portable').kind, 'portable');
  assert.match(chooseCrypto('portable', 2).reason, /one thread: more need the fast one/);
});

test('the fast one is taken where it is asked for, or the start fails and says why', async () => {
  try {
    const chosen = await openUnderlay({ locals, choice: 'fast', segmentation: false });
    assert.deepEqual([chosen.kind, chosen.reason], ['fast', 'no runs, as configured']);
    await chosen.value.close();
  } catch (error) {
    assert.equal((error as { code: string }).code, 'FAST_UNDERLAY_UNAVAILABLE');
    assert.match((error as Error).message, /to be had: \w/);
  }
});

test('AES-128-GCM is preferred where the processor has instructions for it: where it costs about as much', async () => {
  const costs = (aes: number, chacha: number) => (algorithm: AeadAlgorithm) =>
    algorithm === 'aes-128-gcm' ? aes : chacha;
  assert.deepEqual(aeadPreferenceBy(costs(1, 2)), ['aes-128-gcm', 'chacha20-poly1305']);
  assert.deepEqual(aeadPreferenceBy(costs(1.5, 1)), ['aes-128-gcm', 'chacha20-poly1305']);
  assert.deepEqual(aeadPreferenceBy(costs(2.5, 1)), ['chacha20-poly1305', 'aes-128-gcm']);
  const { aeadPreference } = chooseCrypto().value;
  assert.deepEqual([...aeadPreference].sort(), ['aes-128-gcm', 'chacha20-poly1305']);
  const cpu = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  if (/^(flags|Features)\s*:.*\baes\b/m.test(cpu)) assert.equal(aeadPreference[0], 'aes-128-gcm');
});
