import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES, measureCore } from './packet-path/core.mjs';

for (const name of Object.keys(CASES))
  test(`every packet of the case ${name} comes out of the forwarding node`, () => {
    assert.ok(measureCore(name, { packets: 640, rounds: 1 }) > 0);
  });
