import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseCrypto } from '../dist/underlay/index.js';
import { CASES, measureCore } from './packet-path/core.mjs';
import { ThreadedForwarding } from './packet-path/threads.mjs';

const { kind, reason } = chooseCrypto();

for (const name of Object.keys(CASES))
  test(`every packet of the case ${name} comes out of the forwarding node`, () => {
    assert.ok(measureCore(name, { packets: 640, rounds: 1 }) > 0);
  });

test('every packet that two threads open and seal comes out of the forwarding node', {
  skip: kind === 'fast' ? false : reason,
}, () => {
  const node = new ThreadedForwarding({ threads: 2, bytes: 300, batch: 64 });
  assert.ok(node.run(640) > 0);
});
