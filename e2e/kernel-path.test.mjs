import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelPathProblem } from '../bench/kernel-path/kernel-path.mjs';
import { measureKernelTcp, pathProblem } from './kernel-path.mjs';

const missing = kernelPathProblem();
const options = { skip: missing ?? false, timeout: 60_000 };

test('the emulated path shows the kernel 60 ms and 20 Mbit/s', options, async () => {
  const rows = await measureKernelTcp({ seconds: 12, losses: [0] });
  assert.equal(pathProblem(rows, { shareMin: 0.6 }), undefined);
});
