import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutAmbientGlobals } from './poisoned-globals.test.ts';
import type { ScenarioOutcome } from './scenario.ts';
import type { StubFault } from './stub-node.ts';
import { StubNode } from './stub-node.ts';
import { reportFailure, runSeed } from './swarm.ts';

function runStub(seed: number, fault?: StubFault): ScenarioOutcome {
  return withoutAmbientGlobals(() =>
    runSeed(seed, {
      factory: (options, sink) => new StubNode(options, sink, fault),
      nodesMax: 6,
      hasRoutes: false,
    }),
  );
}

/** The first seeds until one fails; a fault need not show in each. */
function firstFailure(fault: StubFault, seeds: number): ScenarioOutcome | undefined {
  for (let seed = 1; seed <= seeds; seed++) {
    const outcome = runStub(seed, fault);
    if (outcome.violations.length > 0) return outcome;
  }
  return undefined;
}

test('a node that keeps every rule passes every checker, twice with one hash', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const outcome = runStub(seed);
    assert.deepEqual(outcome.violations, [], reportFailure(outcome).join('\n'));
    assert.ok(outcome.messagesReceived > 0, 'the load reached nobody');
  }
});

const caughtBy: Record<StubFault, string> = {
  'forwards-twice': 'forward-once',
  'delivers-twice': 'deliver-once',
  'changes-messages': 'deliver-once',
  'delivers-to-others': 'deliver-once',
  'never-heals': 'heals',
  'reuses-nonces': 'nonce-once',
  'stalls-timeouts': 'due-timeout-progress',
  throws: 'no-throw',
  'keeps-views': 'heals',
  'outgrows-bounds': 'within-bounds',
  'loses-stream-bytes': 'stream-order',
  'ends-streams-early': 'stream-order',
  amplifies: 'no-amplification',
  'draws-at-random': 'same-seed-same-run',
  'sends-too-much': 'datagram-size',
};

for (const [fault, invariant] of Object.entries(caughtBy)) {
  test(`a node that ${fault.replaceAll('-', ' ')} is caught by ${invariant}`, () => {
    const outcome = firstFailure(fault as StubFault, 8);
    assert.equal(outcome?.violations[0]?.invariant, invariant, JSON.stringify(outcome?.violations));
  });
}

test('a failure names its seed, the invariant and what came last', () => {
  const outcome = firstFailure('delivers-twice', 8);
  assert.ok(outcome !== undefined);
  const report = reportFailure(outcome).join('\n');
  assert.match(report, new RegExp(`seed ${outcome.seed}`));
  assert.match(report, /deliver-once/);
  assert.match(report, /"kind":"packet-delivered"/);
});
