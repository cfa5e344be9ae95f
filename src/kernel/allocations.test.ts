/** What code allocates, for tests of paths that must not. */
import assert from 'node:assert/strict';
import { Session } from 'node:inspector';
import { test } from 'node:test';

interface ProfileNode {
  readonly selfSize: number;
  readonly callFrame: { readonly url: string };
  readonly children: readonly ProfileNode[];
}

/**
 * Bytes allocated while the callback runs by functions of files whose address matches, and by the
 * builtins that they call: a view of a buffer is made by a function without an address.
 */
export function allocatedDuring(run: () => void, files: RegExp): number {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.startSampling', {
    samplingInterval: 512,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as never);
  run();
  let total = 0;
  session.post('HeapProfiler.stopSampling', (_error, result) => {
    const left: { node: ProfileNode; isOurs: boolean }[] = [
      { node: result.profile.head, isOurs: false },
    ];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const { node } = next;
      const { url } = node.callFrame;
      const isOurs = url === '' ? next.isOurs : files.test(url);
      if (isOurs) total += node.selfSize;
      for (const child of node.children) left.push({ node: child, isOurs });
    }
  });
  session.disconnect();
  return total;
}

test('what a builtin allocates counts for who called it', () => {
  const slab = new Uint8Array(1_000);
  const views: Uint8Array[] = [];
  const make = (): void => {
    for (let i = 0; i < 1_000; i++) views.push(slab.subarray(i % 10, 500));
  };
  assert.ok(allocatedDuring(make, /allocations\.test/) > 50_000);
  assert.equal(allocatedDuring(make, /no-such-file/), 0);
});
