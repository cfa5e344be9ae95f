import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, seconds } from '../kernel/index.ts';
import { DATA_RECOVERY_AT, FRAME_DATA, RECOVERY_RELIABLE } from '../wire/index.ts';
import { both, linkedPair } from './harness.test.ts';

test('an idle link costs less than 8 kbit/s each way, headers included', () => {
  const { world, a, b } = linkedPair();
  world.run(seconds(5));
  const before = { bytes: a.bytesOut, packets: a.datagramsOut };
  world.run(seconds(300));
  const bytes = a.bytesOut - before.bytes + 28 * (a.datagramsOut - before.packets);
  const bitsPerSecond = (bytes * 8) / 300;
  assert.ok(bitsPerSecond < 7_000, `${bitsPerSecond}`);
  assert.ok(bitsPerSecond > 5_000, `${bitsPerSecond}`);
  assert.equal(b.events('down').length, 0);
});

test('a hello rides with data where there is data', () => {
  const { world, a, b } = linkedPair();
  const before = a.datagramsOut;
  for (let i = 0; i < 1_000; i++) {
    a.send(b, 'x');
    world.run(milliseconds(10));
  }
  assert.ok(a.datagramsOut - before < 1_030, `${a.datagramsOut - before}`);
});

test('30 % loss is told at both ends within 1.5 s with nothing but hellos', () => {
  const times: number[] = [];
  for (let seed = 1; seed <= 40; seed++) {
    const { world, a, b } = linkedPair(seed);
    world.run(milliseconds(3_000 + 11 * seed));
    const start = world.now;
    world.channel(a, b).loss = 0.3;
    world.runUntil(
      () => a.events('metrics').some((e) => e.at >= start && e.metrics!.lossOutPpm > 50_000),
      seconds(6),
    );
    times.push((world.now - start) / 1_000);
  }
  times.sort((x, y) => x - y);
  const late = times.filter((time) => time > 1_500).length;
  assert.ok(late <= 3, `${late} of 40 late: ${times.slice(-6).join(' ')}`);
});

test('30 % loss is told within 0.7 s when data flows', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, a, b } = linkedPair(seed);
    world.run(seconds(3));
    const start = world.now;
    world.channel(a, b).loss = 0.3;
    const isTold = (): boolean =>
      a.events('metrics').some((e) => e.at >= start && e.metrics!.lossOutPpm > 50_000);
    while (!isTold() && world.now - start < seconds(3)) {
      a.send(b, 'flow');
      world.run(milliseconds(10));
    }
    assert.ok(world.now - start < milliseconds(700), `${world.now - start}`);
  }
});

test('ten minutes of 20 % noise and 0.5 % loss tell routing nothing', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { world, a, b } = linkedPair(seed);
    both(world, a, b, { delay: milliseconds(15 * seed), noise: 0.2, loss: 0.005 });
    world.run(seconds(30));
    const from = world.now;
    world.run(seconds(600));
    const told = [...a.events('metrics'), ...b.events('metrics')].filter((e) => e.at > from);
    assert.deepEqual(told, []);
    assert.equal(a.events('down').length + b.events('down').length, 0);
  }
});

test('ten minutes of 30 % loss both ways do not kill the link', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const { world, a, b } = linkedPair(seed);
    both(world, a, b, { loss: 0.3, delay: milliseconds(10 * seed) });
    world.run(seconds(600));
    assert.equal(a.events('down').length + b.events('down').length, 0, `seed ${seed}`);
    const { lossOutPpm } = a.layer.facts.metrics(b.address)!;
    assert.ok(lossOutPpm > 180_000 && lossOutPpm < 450_000, `${lossOutPpm}`);
  }
});

test('a longer way is told within a second, a shorter one after ten', () => {
  const { world, a, b } = linkedPair();
  world.run(seconds(5));
  const start = world.now;
  both(world, a, b, { delay: milliseconds(20) });
  const isTold = (rtt: number) => (): boolean =>
    Math.abs(a.layer.facts.metrics(b.address)!.rtt - rtt) < rtt * 0.3;
  world.runUntil(isTold(40_000), seconds(1));
  assert.ok(world.now - start > milliseconds(300));
  world.run(seconds(5));
  both(world, a, b, { delay: milliseconds(10) });
  const took = world.runUntil(isTold(20_000), seconds(15));
  assert.ok(took > seconds(10), `${took}`);
});

test('a loss that ends is told no sooner than ten seconds later, and only then', () => {
  const { world, a, b } = linkedPair();
  world.run(seconds(3));
  world.channel(a, b).loss = 0.3;
  world.runUntil(() => a.layer.facts.metrics(b.address)!.lossOutPpm > 100_000, seconds(4));
  world.run(seconds(5));
  world.channel(a, b).loss = 0;
  const took = world.runUntil(
    () => a.layer.facts.metrics(b.address)!.lossOutPpm < 50_000,
    seconds(60),
  );
  assert.ok(took > seconds(5) && took < seconds(40), `${took}`);
});

test('reordering is not loss', () => {
  const { world, a, b } = linkedPair();
  both(world, a, b, { noise: 0.9, delay: milliseconds(20) });
  for (let i = 0; i < 5_000; i++) {
    a.send(b, 'x');
    world.run(milliseconds(2));
  }
  assert.equal(b.layer.facts.metrics(a.address)!.lossInPpm, 0);
  assert.ok(b.layer.status(world.now)[0]!.lossInPpm < 2_000);
});

test('where hellos are slow, traffic that is acknowledged shows a longer way within a second', () => {
  const slow = { limits: { helloBudget: 60 } };
  for (const hasTraffic of [false, true]) {
    const { world, a, b } = linkedPair(1, { a: slow, b: slow });
    world.run(seconds(60));
    both(world, a, b, { delay: milliseconds(40) });
    const frame = new Uint8Array(100);
    frame[0] = FRAME_DATA;
    frame[DATA_RECOVERY_AT] = RECOVERY_RELIABLE << 4;
    const start = world.now;
    const isKnown = (): boolean => a.layer.status(world.now)[0]!.rtt > 70_000;
    while (!isKnown() && world.now - start < seconds(3)) {
      if (hasTraffic) a.layer.reliable.sendReliable(b.address, { frame, length: 100 }, world.now);
      a.layer.flush(world.now);
      world.run(milliseconds(20));
    }
    assert.equal(isKnown(), hasTraffic);
    assert.ok(!hasTraffic || world.now - start < seconds(1.5), `${world.now - start}`);
  }
});

test('with hellos at the default pace a busy link is measured as a quiet one is', () => {
  const { world, a, b } = linkedPair();
  const { samples } = a.layer.facts.linkTo(b.address)!.path.rtt;
  const frame = new Uint8Array(100);
  frame[0] = FRAME_DATA;
  frame[DATA_RECOVERY_AT] = RECOVERY_RELIABLE << 4;
  for (let i = 0; i < 1_000; i++) {
    a.layer.reliable.sendReliable(b.address, { frame, length: 100 }, world.now);
    a.layer.flush(world.now);
    world.run(milliseconds(10));
  }
  const taken = a.layer.facts.linkTo(b.address)!.path.rtt.samples - samples;
  assert.ok(taken >= 90 && taken <= 125, `${taken}`);
});
