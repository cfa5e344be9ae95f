import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, seconds } from '../kernel/index.ts';
import { SERVICE_DEFAULT } from '../wire/index.ts';
import { linkedPair, type TestNode, type World } from './harness.test.ts';

const VOICE = { ...SERVICE_DEFAULT, priority: 12 };
const BULK = { ...SERVICE_DEFAULT, priority: 1 };

/** One packet every 2 ms in each of the lanes, for a second. */
function offer(
  world: World,
  a: TestNode,
  b: TestNode,
  lanes: readonly (typeof VOICE)[],
  times = 500,
): number {
  let sent = 0;
  for (let i = 0; i < times; i++) {
    for (const service of lanes) sent += a.send(b, `${service.priority}`, 40, service) ? 1 : 0;
    world.run(milliseconds(2));
  }
  world.run(milliseconds(100));
  return sent;
}

const shed = ({ layer }: TestNode, kind: string): number =>
  layer.counters.value(`link.shed.${kind}`);

test('a node that can keep nothing keeps its links, and does not blame them for what it drops', () => {
  const { world, a, b } = linkedPair();
  const before = b.log.length + a.log.length;
  b.backlog = 1;
  let sent = 0;
  for (let i = 0; i < 5; i++) sent += offer(world, a, b, [VOICE, SERVICE_DEFAULT, BULK]);
  const dropped = shed(b, 'prompt') + shed(b, 'normal') + shed(b, 'bulk');
  // What a hello rides on is served: ten a second and neighbour.
  assert.ok(b.received.length > 30 && b.received.length < 90, `${b.received.length} served`);
  assert.equal(dropped + b.received.length, sent);
  assert.deepEqual([...a.log, ...b.log].slice(before), []);
  assert.equal(shed(b, 'control'), 0);
  const [link] = b.layer.status(world.now);
  assert.equal(link!.state, 'up');
  assert.equal(link!.lossInPpm, 0);
});

test('what waits best goes first, and control never goes', () => {
  const { world, a, b } = linkedPair();
  for (const [backlog, bulk, normal, prompt] of [
    [0.2, 0, 0, 0],
    [0.3, 1, 0, 0],
    [0.9, 1, 1, 0],
    [1, 1, 1, 1],
  ] as const) {
    b.backlog = backlog - 0.05;
    offer(world, a, b, [BULK], 1);
    b.backlog = backlog;
    const before = ['bulk', 'normal', 'prompt'].map((kind) => shed(b, kind));
    offer(world, a, b, [VOICE, SERVICE_DEFAULT, BULK]);
    const after = ['bulk', 'normal', 'prompt'].map((kind, i) => shed(b, kind) - before[i]!);
    const isShed = after.map((count) => (count > 400 ? 1 : count));
    assert.deepEqual(isShed, [bulk, normal, prompt], `at ${backlog}`);
  }
});

test('a buffer that a pause has filled is emptied without loss; one that goes on filling is not', () => {
  const { world, a, b } = linkedPair();
  const serve = (from: number, step: number): void => {
    for (let i = 0; i < 10; i++) {
      b.backlog = from + i * step;
      offer(world, a, b, [BULK], 1);
    }
    b.backlog = 0;
    offer(world, a, b, [BULK], 1);
  };
  serve(0.7, -0.05);
  assert.equal(shed(b, 'bulk'), 0);
  serve(0.2, 0.05);
  assert.ok(shed(b, 'bulk') >= 7, `${shed(b, 'bulk')}`);
});

test('what the link loses is told also while packets are shed', () => {
  const { world, a, b } = linkedPair();
  b.backlog = 0.8;
  world.channel(a, b).loss = 0.2;
  for (let i = 0; i < 20; i++) offer(world, a, b, [VOICE, SERVICE_DEFAULT, BULK]);
  const [link] = b.layer.status(world.now);
  assert.ok(link!.lossInPpm > 0.15e6 && link!.lossInPpm < 0.25e6, `${link!.lossInPpm}`);
});

test('a node that has caught up serves all again', () => {
  const { world, a, b } = linkedPair();
  b.backlog = 1;
  offer(world, a, b, [SERVICE_DEFAULT]);
  b.backlog = 0;
  b.received.length = 0;
  world.run(seconds(1));
  const sent = offer(world, a, b, [SERVICE_DEFAULT]);
  assert.equal(b.received.length, sent);
  assert.equal(b.layer.status(world.now)[0]!.lossInPpm, 0);
});
