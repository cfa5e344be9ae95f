import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { summary, takeCpuProfile } from './cpu-profile.ts';

const frame = (id: number, functionName: string, url: string) => ({
  id,
  callFrame: { functionName, url },
});

test('time is summed by room and by function, greatest first', () => {
  const { rooms, functions } = summary({
    nodes: [
      frame(1, 'open', 'file:///x/dist/link/incoming.js'),
      frame(2, 'flush', 'file:///x/dist/link/outgoing.js'),
      frame(3, '(idle)', ''),
      frame(4, 'send', 'node:dgram'),
      frame(5, 'set', ''),
    ],
    samples: [1, 1, 2, 3, 4, 5],
    timeDeltas: [10, 10, 30, 40, 5, 5],
  });
  assert.deepEqual(rooms, [
    { name: 'link', share: 0.5 },
    { name: '(idle)', share: 0.4 },
    { name: 'node', share: 0.05 },
    { name: 'native', share: 0.05 },
  ]);
  assert.deepEqual(functions[1], { name: 'link/ flush', share: 0.3 });
});

test('a profile is a file and a summary, and only one is taken at a time', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'overlane-profile-'));
  const ended = new AbortController();
  try {
    const first = takeCpuProfile({ durationMs: 60_000, directory, signal: ended.signal });
    await assert.rejects(takeCpuProfile({ durationMs: 1, directory }), { code: 'PROFILE_RUNNING' });
    ended.abort();
    const report = await first;
    const written = JSON.parse(readFileSync(report.file, 'utf8')) as { nodes: unknown[] };
    assert.ok(written.nodes.length > 0);
    assert.ok(report.rooms.length > 0);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
