import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EXIT } from '../exit-codes.ts';
import { runFake } from '../fake-context.ts';
import type { SeedOutcome, SwarmRequest } from '../simulator-port.ts';

const GOOD: SeedOutcome = {
  seed: 17,
  violations: [],
  hash: 'abc',
  lastLines: [],
  duration: 42_000_000,
  eventsRun: 1_000,
  datagrams: 900,
  messagesSent: 10,
  messagesReceived: 9,
  healedAfter: 1_500_000,
};
const violation = { invariant: 'forward-once', at: 3_000_000, node: 'n3', text: 'twice' };
const BAD = { ...GOOD, seed: 18, violations: [violation], lastLines: ['{"a":1}'] };

function simulator(outcomes: readonly SeedOutcome[], asked: SwarmRequest[] = []) {
  return {
    swarm(request: SwarmRequest) {
      asked.push(request);
      request.onLine?.('{}');
      return Promise.resolve(outcomes);
    },
    describe: (seed: number) => Promise.resolve([`seed ${seed}: 5 nodes`]),
  };
}

describe('sim', () => {
  test('ends with 0 and says how fast it was when all seeds hold', async () => {
    const asked: SwarmRequest[] = [];
    const run = await runFake(['sim', '-n', '1', '--first', '17'], {
      simulator: simulator([GOOD], asked),
    });
    assert.equal(run.exit, EXIT.ok, run.err);
    assert.match(run.out, /^ok {5}seed 17 {2}42 s simulated, healed in 1\.5 s, 9 of 10 messages/);
    assert.match(run.out, /1 seed ok: 42 s simulated/);
    const [request] = asked;
    assert.deepEqual(
      [request?.firstSeed, request?.seeds, request?.nodesMax, request?.isRepeated],
      [17, 1, 12, true],
    );
  });

  test('ends with 1, names what broke and how to see it again', async () => {
    const run = await runFake(['sim', '--seeds', '2'], { simulator: simulator([GOOD, BAD]) });
    assert.equal(run.exit, EXIT.negative);
    assert.match(run.out, /FAILED seed 18/);
    assert.match(run.out, /forward-once at 3\.0 s on n3: twice/);
    assert.match(run.out, /again: overlane sim --first 18 --seeds 1 --nodes 12 --trace/);
    assert.match(run.out, /1 of 2 seeds failed \(18\)/);
  });

  test('gives the outcomes as data', async () => {
    const run = await runFake(['sim', '--json'], { simulator: simulator([BAD]) });
    const data = JSON.parse(run.out);
    assert.deepEqual([data.schema, data.failed], ['overlane.sim/1', [18]]);
    assert.deepEqual(data.outcomes[0].violations, [violation]);
  });

  test('describes without running', async () => {
    const words = ['sim', '--describe', '--seeds', '2', '--first', '5'];
    const run = await runFake(words, { simulator: simulator([]) });
    assert.equal(run.out, 'seed 5: 5 nodes\nseed 6: 5 nodes\n');
  });
});
