import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, seconds } from '../kernel/index.ts';
import { FRAME_FLOOD, SERVICE_DEFAULT } from '../wire/index.ts';
import { both, linkedPair, pair } from './harness.test.ts';

test('two nodes bring a link up in under half a second and pass data', () => {
  const { world, a, b } = pair();
  const took = world.runUntil(() => a.isUp(b) && b.isUp(a), seconds(1));
  assert.ok(took < milliseconds(500), `${took}`);
  assert.equal(a.send(b, 'hello there'), true);
  assert.equal(b.send(a, 'and back'), true);
  assert.equal(
    a.layer.sendControl(b.address, FRAME_FLOOD, new Uint8Array([65, 66]), world.now),
    true,
  );
  a.layer.flush(world.now);
  world.run(milliseconds(20));
  assert.deepEqual(b.received, ['hello there']);
  assert.deepEqual(a.received, ['and back']);
  assert.equal(b.events('control')[0]!.reason, `${FRAME_FLOOD}:AB`);
  assert.equal(a.events('up').length, 1);
  assert.equal(a.events('down').length, 0);
});

test('the round-trip time is measured within a tenth and the larger datagram is found', () => {
  const { world, a, b } = linkedPair();
  world.run(seconds(1));
  const metrics = a.layer.facts.metrics(b.address)!;
  assert.ok(Math.abs(metrics.rtt - 20_000) < 2_000, `${metrics.rtt}`);
  assert.equal(metrics.mtu, 1452);
  assert.equal(metrics.lossInPpm, 0);
});

test('a link comes up under 30 % loss each way', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, a, b } = pair(seed);
    both(world, a, b, { loss: 0.3 });
    const took = world.runUntil(() => a.isUp(b) && b.isUp(a), seconds(15));
    assert.ok(took < seconds(10), `seed ${seed}: ${took}`);
  }
});

test('a cut is known at both ends within half a second', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, a, b } = linkedPair(seed);
    world.run(milliseconds(7 * seed));
    both(world, a, b, { isCut: true });
    const took = world.runUntil(
      () => a.events('down').length > 0 && b.events('down').length > 0,
      seconds(2),
    );
    assert.ok(took <= milliseconds(500), `seed ${seed}: ${took}`);
  }
});

test('when only one direction is cut, both ends know within 0.6 s and stay down', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, a, b } = linkedPair(seed);
    world.run(milliseconds(13 * seed));
    world.channel(a, b).isCut = true;
    const took = world.runUntil(
      () => a.events('down').length > 0 && b.events('down').length > 0,
      seconds(2),
    );
    assert.ok(took <= milliseconds(600), `seed ${seed}: ${took}`);
    world.run(seconds(5));
    assert.equal(a.isUp(b) || b.isUp(a), false);
  }
});

test('a one-way cut is known at the sending end even when no goodbye arrives', () => {
  const { world, a, b } = linkedPair(3);
  world.channel(a, b).isCut = true;
  // The neighbour cannot say that it gives up: nothing longer than a hello passes, nor a goodbye.
  world.channel(b, a).tap = (bytes) => bytes.length === 51;
  const took = world.runUntil(() => a.events('down').length > 0, seconds(3));
  assert.ok(took <= milliseconds(700), `${took}`);
});

test('after a short cut heals the link is up again within three seconds', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, a, b } = linkedPair(seed);
    both(world, a, b, { isCut: true });
    world.run(seconds(2));
    both(world, a, b, { isCut: false });
    const took = world.runUntil(() => a.isUp(b) && b.isUp(a), seconds(10));
    assert.ok(took < seconds(3), `${took}`);
  }
});

test('a restarted neighbour replaces the old session at once', () => {
  const { world, a, b } = linkedPair();
  b.isRunning = false;
  world.run(milliseconds(50));
  b.start({ neighbours: [{ name: 'a', remotes: [a.remote] }], epoch: 2 });
  const took = world.runUntil(() => a.events('up').length === 2, seconds(2));
  assert.ok(took < milliseconds(250), `${took}`);
  assert.deepEqual(
    a.events('down').map((entry) => entry.reason),
    ['neighbour restarted'],
  );
  assert.equal(a.send(b, 'again'), true);
  world.run(milliseconds(20));
  assert.deepEqual(b.received, ['again']);
});

test('an older incarnation of a neighbour is refused', () => {
  const { world, a, b } = linkedPair(1, { b: { epoch: 7 } });
  b.start({ neighbours: [{ name: 'a', remotes: [a.remote] }], epoch: 6 });
  world.run(milliseconds(300));
  assert.equal(a.layer.counters.value('link.handshake.refused.stale-epoch') > 0, true);
});

test('goodbye ends a link at once', () => {
  const { world, a, b } = linkedPair();
  b.layer.stop(world.now);
  b.layer.flush(world.now);
  world.run(milliseconds(15));
  assert.equal(a.events('down')[0]!.reason, 'neighbour left');
  assert.equal(b.layer.nextTimeout(), undefined);
});

test('keys are renewed without losing a packet, also under reordering', () => {
  const timers = { rekeyAfter: seconds(2) };
  const { world, a, b } = linkedPair(5, { a: { timers }, b: { timers } });
  both(world, a, b, { noise: 0.5 });
  let sent = 0;
  for (let i = 0; i < 10_000; i++) {
    if (a.send(b, `a${i}`)) sent++;
    if (b.send(a, `b${i}`)) sent++;
    world.run(milliseconds(1));
  }
  world.run(seconds(1));
  assert.equal(sent, 20_000);
  assert.equal(a.received.length + b.received.length, 20_000);
  assert.equal(new Set([...a.received, ...b.received]).size, 20_000);
  assert.ok(a.layer.counters.value('link.rekeys') + b.layer.counters.value('link.rekeys') >= 4);
  assert.equal(a.events('down').length, 0);
});

test('rekeying goes on under 30 % loss', () => {
  const timers = { rekeyAfter: seconds(5) };
  const { world, a, b } = linkedPair(6, { a: { timers }, b: { timers } });
  both(world, a, b, { loss: 0.3 });
  world.run(seconds(120));
  assert.equal(a.events('down').length + b.events('down').length, 0);
});

test('simultaneous opening gives one link, and both ends agree on its keys', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const { world, a, b } = pair(seed);
    world.run(seconds(8));
    for (let i = 0; i < 50; i++) {
      assert.equal(a.send(b, `a${i}`), true);
      assert.equal(b.send(a, `b${i}`), true);
      world.run(milliseconds(100));
    }
    world.run(seconds(1));
    assert.equal(a.events('up').length, 1);
    assert.equal(a.events('down').length + b.events('down').length, 0);
    assert.equal(a.received.length + b.received.length, 100);
    assert.equal(a.layer.counters.value('link.packet.unknown-session'), 0);
  }
});

test('a neighbour that moves to another address keeps its link', () => {
  const { world, a, b } = linkedPair();
  const moved = { ...b.remote, host: '10.9.9.9', key: '10.9.9.9:7000' };
  Object.assign(b, { remote: moved });
  world.run(seconds(3));
  assert.equal(a.events('down').length + b.events('down').length, 0);
  assert.equal(a.layer.status(world.now)[0]!.remote.key, '10.9.9.9:7000');
  assert.equal(a.send(b, 'found'), true);
  world.run(milliseconds(50));
  assert.deepEqual(b.received, ['found']);
});

test('neighbours that are no longer configured are let go, new ones are dialled', () => {
  const { world, a, b } = linkedPair(1, { b: { neighbours: [] } });
  a.layer.setNeighbours([], world.now);
  a.layer.flush(world.now);
  world.run(milliseconds(30));
  assert.equal(b.events('down')[0]!.reason, 'not wanted by the neighbour');
  a.layer.setNeighbours([{ remotes: [b.remote] }], world.now);
  world.runUntil(() => a.isUp(b) && b.isUp(a), seconds(2));
});

test('a frame too big for the path is refused with the reason', () => {
  const { world, a, b } = linkedPair();
  assert.equal(a.layer.reserveData(b.address, 1421, SERVICE_DEFAULT, world.now), -1);
  assert.equal(a.layer.lastRefusal, 'too-big');
  assert.equal(a.send(b, 'largest', 1420), true);
  world.run(milliseconds(20));
  assert.deepEqual(b.received, ['largest']);
});

test('a hole for large datagrams is found under traffic, and its end too', () => {
  const { world, a, b } = linkedPair();
  world.run(seconds(1));
  world.channel(a, b).tap = (bytes) => bytes.length <= 1300;
  for (let i = 0; i < 400 && a.layer.facts.metrics(b.address)!.mtu === 1452; i++) {
    a.send(b, 'large', 1300);
    world.run(milliseconds(10));
  }
  assert.equal(a.layer.facts.metrics(b.address)!.mtu, 1232);
  assert.equal(a.events('down').length, 0);
  world.channel(a, b).tap = undefined;
  world.run(seconds(65));
  assert.equal(a.layer.facts.metrics(b.address)!.mtu, 1452);
});

test('a process that did not run for a while does not blame its neighbours', () => {
  const { world, a, b } = linkedPair();
  a.isRunning = false;
  world.run(milliseconds(600));
  a.isRunning = true;
  world.run(seconds(2));
  assert.equal(a.layer.counters.value('link.stalls'), 1);
  assert.equal(a.layer.counters.value('link.down.silence'), 0);
  assert.equal(a.isUp(b) && b.isUp(a), true);
});
