import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milliseconds, seconds, utf8Decode, utf8Encode } from '../kernel/index.ts';
import { StubNode } from './stub-node.ts';
import { Testbed } from './testbed.ts';
import { lineTopology, ringTopology } from './topology.ts';

const stubTestbed = (options: Partial<ConstructorParameters<typeof Testbed>[0]> = {}): Testbed => {
  const testbed = new Testbed({
    seed: 5,
    topology: ringTopology(4, { delay: milliseconds(10) }),
    factory: (nodeOptions, sink) => new StubNode(nodeOptions, sink),
    ...options,
  });
  testbed.start();
  return testbed;
};

test('a message takes the latency of the links on its way', () => {
  const testbed = stubTestbed({ topology: lineTopology(3), receiveGrainMax: milliseconds(0) });
  const heard: { text: string | undefined; from: string; at: number }[] = [];
  testbed.node('n3').bind({
    port: 9,
    onMessage: (m) => heard.push({ text: utf8Decode(m.payload), from: m.from, at: testbed.now }),
  });
  const sentAt = testbed.now;
  testbed.node('n1').bind({}).send(utf8Encode('hello'), { to: 'n3', port: 9 });
  testbed.run(seconds(1));
  assert.deepEqual(heard, [{ text: 'hello', from: 'n1', at: sentAt + milliseconds(20) }]);
  assert.equal(testbed.now, sentAt + seconds(1));
});

test('nothing passes a cut link until it is healed', () => {
  const testbed = stubTestbed({ topology: lineTopology(2), receiveGrainMax: milliseconds(0) });
  let heard = 0;
  testbed.node('n2').bind({ port: 9, onMessage: () => heard++ });
  const socket = testbed.node('n1').bind({});
  const send = (): unknown => socket.send(utf8Encode('x'), { to: 'n2', port: 9 });
  testbed.cut('n1', 'n2');
  send();
  testbed.run(seconds(1));
  assert.equal(heard, 0);
  testbed.heal('n1', 'n2');
  send();
  assert.ok(testbed.runUntil(() => heard === 1, { within: milliseconds(11) }));
  assert.equal(testbed.now, seconds(1) + milliseconds(10));
});

test('runUntil gives up when its time is over', () => {
  const testbed = stubTestbed();
  assert.equal(
    testbed.runUntil(() => false, { within: seconds(2) }),
    false,
  );
  assert.equal(testbed.now, seconds(2));
});

test('a crash ends sockets and streams, and onStart sets an application up again', () => {
  const testbed = stubTestbed({ topology: lineTopology(2) });
  const served: string[] = [];
  const closed: unknown[] = [];
  const server = testbed.node('n2');
  server.onStart(() => {
    server.listen(7, () => ({ onData: (bytes) => served.push(`${server.life}:${bytes.length}`) }));
  });
  const connect = (): void => {
    const stream = testbed
      .node('n1')
      .connect(
        { to: 'n2', port: 7 },
        { onConnected: () => stream.ok && stream.value.write(utf8Encode('abc')) },
      );
  };
  testbed.node('n1').connect({ to: 'n2', port: 7 }, { onClose: (reason) => closed.push(reason) });
  connect();
  testbed.run(seconds(1));
  server.crash();
  assert.equal(server.isRunning, false);
  assert.equal(server.status(), undefined);
  testbed.run(seconds(1));
  testbed.start('n2');
  connect();
  testbed.run(seconds(1));
  assert.deepEqual(served, ['1:3', '2:3']);
  testbed.crash('n1');
  assert.deepEqual(closed, ['node-gone']);
});

test('a stream brings bytes both ways and closes in good order', () => {
  const testbed = stubTestbed({ topology: lineTopology(3) });
  let echoed = '';
  let reason: unknown = 'open';
  testbed.node('n3').listen(7, (stream) => ({
    onData: (bytes) => stream.write(bytes),
    onEnd: () => stream.finish(),
  }));
  const opened = testbed.node('n1').connect(
    { to: 'n3', port: 7 },
    {
      onData: (bytes) => {
        echoed += utf8Decode(bytes);
      },
      onClose: (why) => {
        reason = why;
      },
    },
  );
  assert.ok(opened.ok);
  opened.value.write(utf8Encode('round trip'));
  opened.value.finish();
  assert.ok(testbed.runUntil(() => reason === undefined, { within: seconds(2) }));
  assert.equal(echoed, 'round trip');
});

test('scheduled faults begin and end on time and leave nothing behind', () => {
  const testbed = stubTestbed();
  const at = (): boolean => testbed.network.impairments('n1', 'n2').cut;
  testbed.schedule([
    {
      kind: 'link',
      a: 'n1',
      b: 'n2',
      effect: { cut: true },
      start: seconds(1),
      duration: seconds(2),
    },
    { kind: 'partition', island: ['n1'], start: seconds(2), duration: seconds(2) },
    { kind: 'crash', node: 'n3', start: seconds(1), duration: seconds(1) },
  ]);
  const seen: boolean[] = [];
  const up: boolean[] = [];
  for (let i = 0; i < 5; i++) {
    testbed.run(i === 0 ? milliseconds(500) : seconds(1));
    seen.push(at());
    up.push(testbed.node('n3').isRunning);
  }
  assert.deepEqual(seen, [false, true, true, true, false]);
  assert.deepEqual(up, [true, false, true, true, true]);
  assert.equal(testbed.network.impairments('n1', 'n4').cut, false);
});

test('after a rebind datagrams come from another port and both addresses lead to the node', () => {
  const lines: string[] = [];
  const testbed = stubTestbed({ topology: lineTopology(2), onLine: (line) => lines.push(line) });
  let heard = 0;
  for (const name of ['n1', 'n2']) testbed.node(name).bind({ port: 9, onMessage: () => heard++ });
  testbed.rebind('n1');
  testbed.node('n1').bind({}).send(utf8Encode('x'), { to: 'n2', port: 9 });
  testbed.node('n2').bind({}).send(utf8Encode('x'), { to: 'n1', port: 9 });
  testbed.run(seconds(1));
  assert.equal(heard, 2);
  assert.ok(lines.some((l) => l.includes('"receive","remote":"10.0.0.0:7101"')));
});

test('the trace is lines of JSON, and the checkers find what is in it', () => {
  const lines: string[] = [];
  const testbed = stubTestbed({ onLine: (line) => lines.push(line) });
  testbed.run(milliseconds(10));
  assert.ok(lines.every((line) => typeof JSON.parse(line).at === 'number'));
  testbed.assertSound();
  const at = testbed.now;
  testbed.trace.record({ at, node: 'n1', kind: 'expected', what: 'x', isMet: false, text: 'y' });
  assert.throws(() => testbed.assertSound(), /heals at 10000 us/);
});

test('a paused node hears nothing until it goes on, and then as much as its buffer held', () => {
  const testbed = stubTestbed({ topology: lineTopology(2) });
  let heard = 0;
  testbed.node('n2').bind({ port: 9, onMessage: () => heard++ });
  const socket = testbed.node('n1').bind({});
  testbed.pause('n2');
  for (let i = 0; i < 100; i++) socket.send(utf8Encode('x'), { to: 'n2', port: 9 });
  testbed.run(seconds(2));
  assert.equal(heard, 0);
  testbed.resume('n2');
  testbed.run(seconds(1));
  assert.equal(heard, 64);
});
