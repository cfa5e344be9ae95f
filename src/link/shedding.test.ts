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

test('a node that can keep next to nothing keeps its links, and does not blame them for what it drops', () => {
  const { world, a, b } = linkedPair();
  const before = b.log.length + a.log.length;
  b.backlog = 1;
  let sent = 0;
  for (let i = 0; i < 5; i++) sent += offer(world, a, b, [VOICE, SERVICE_DEFAULT, BULK]);
  const dropped = shed(b, 'prompt') + shed(b, 'normal') + shed(b, 'bulk');
  // Voice is served, and what a hello rides on: ten a second and neighbour at most.
  assert.ok(b.received.length >= 2_500 && b.received.length < 2_590, `${b.received.length} served`);
  assert.equal(dropped + b.received.length, sent);
  assert.deepEqual([...a.log, ...b.log].slice(before), []);
  assert.equal(shed(b, 'control'), 0);
  const [link] = b.layer.status(world.now);
  assert.equal(link!.state, 'up');
  assert.equal(link!.lossInPpm, 0);
});

test('what waits best goes first, what is prompt not while there is anything else, control never', () => {
  const { world, a, b } = linkedPair();
  const every = [VOICE, SERVICE_DEFAULT, BULK];
  for (const [backlog, ordinaryWaits, lanes, expected] of [
    [0.2, undefined, every, [0, 0, 0]],
    [0.3, undefined, every, [0, 0, 1]],
    [0.9, undefined, every, [0, 1, 1]],
    [1, undefined, every, [0, 1, 1]],
    [1, undefined, [VOICE, VOICE, VOICE, BULK], [1, 0, 1]],
    [0.4, milliseconds(0), [VOICE], [0, 0, 0]],
    [0.6, milliseconds(0), [VOICE], [1, 0, 0]],
  ] as const) {
    b.ordinaryWaits = ordinaryWaits;
    b.backlog = backlog - 0.05;
    offer(world, a, b, lanes, 1);
    b.backlog = backlog;
    const before = ['prompt', 'normal', 'bulk'].map((kind) => shed(b, kind));
    offer(world, a, b, lanes);
    const after = ['prompt', 'normal', 'bulk'].map((kind, i) => shed(b, kind) - before[i]!);
    const isShed = after.map((count) => (count > 400 ? 1 : count));
    assert.deepEqual(isShed, expected, `at ${backlog} of ${ordinaryWaits}`);
  }
  assert.equal(shed(b, 'control'), 0);
});

test('what comes past the rest makes nothing look lost or old', () => {
  const { world, a, b } = linkedPair();
  b.ordinaryWaits = milliseconds(15);
  const sent = offer(world, a, b, [SERVICE_DEFAULT, BULK, VOICE]);
  const [link] = b.layer.status(world.now);
  assert.equal(b.received.length, sent);
  assert.equal(link!.lossInPpm, 0);
});

test('what the link loses of it is told when the rest has come', () => {
  const { world, a, b } = linkedPair();
  b.ordinaryWaits = milliseconds(15);
  world.channel(a, b).loss = 0.2;
  for (let i = 0; i < 20; i++) offer(world, a, b, [VOICE, SERVICE_DEFAULT, BULK]);
  const [link] = b.layer.status(world.now);
  assert.ok(link!.lossInPpm > 0.15e6 && link!.lossInPpm < 0.25e6, `${link!.lossInPpm}`);
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
