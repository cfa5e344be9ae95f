import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runFuzz } from './fuzz/run.mjs';
import { allTargets } from './fuzz/targets.mjs';
import { forgottenReaders, wireTargets } from './fuzz/wire-targets.mjs';

test('every reader that wire exports is fuzzed', () => {
  assert.deepEqual(forgottenReaders(), []);
});

test('every decoder has valid messages to start from', () => {
  for (const { name, seeds, read } of wireTargets()) {
    assert.ok(seeds.length > 0, `${name} has no valid message`);
    for (const seed of seeds) {
      const outcome = read(seed, 0, seed.length);
      assert.ok(outcome !== undefined && outcome?.ok !== false, `${name} refuses its own seed`);
    }
  }
});

test('20,000 fuzzed inputs over all readers and whole nodes bring no throw and no stall', async () => {
  const { inputs, faults } = await runFuzz({ targets: allTargets(), inputs: 20_000, seed: 1 });
  assert.ok(inputs >= 20_000);
  assert.deepEqual(faults, []);
});

test('a reader that throws, or looks past its bound, is a fault', async () => {
  const seeds = [Uint8Array.of(1, 2, 3)];
  const throwing = { name: 'throws', seeds, read: (b, at) => BigInt(b[at] / 2) };
  const curious = { name: 'curious', seeds, read: (b, _at, end) => b[end] };
  const { rows } = await runFuzz({ targets: [throwing, curious], inputs: 2_000, seed: 1 });
  assert.ok(rows.every((row) => row.faults > 0));
});
