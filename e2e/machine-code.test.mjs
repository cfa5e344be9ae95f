/** The bytes of the packet loop are what an assembler makes of the lines beside them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { PACKET_LOOP } from '../dist/underlay/fast/packet-loop.js';
import { needs, scratch } from './support/bounded.mjs';

const NEEDS = process.arch === 'x64' ? needs({ programs: ['as', 'objcopy'] }) : { skip: 'not x64' };

test('the packet loop is what its listing says', NEEDS, (t) => {
  const folder = scratch(t, 'listing');
  const [source, object, bytes] = ['loop.s', 'loop.o', 'loop.bin'].map((f) => join(folder, f));
  const lines = PACKET_LOOP.map(([, line]) => line);
  writeFileSync(source, ['.intel_syntax noprefix', ...lines, ''].join('\n'));
  execFileSync('as', ['-o', object, source]);
  execFileSync('objcopy', ['-O', 'binary', '-j', '.text', object, bytes]);
  assert.equal(readFileSync(bytes).toString('hex'), PACKET_LOOP.map(([hex]) => hex).join(''));
});
