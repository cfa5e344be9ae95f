import assert from 'node:assert/strict';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import {
  DatagramBatch,
  fail,
  type Instant,
  InvariantError,
  type NodeAddress,
  OverlayError,
  ok,
  Random,
  underlayAddress,
} from '../kernel/index.ts';
import type { Datagram, EventUpdate, OverlayStream } from './api.ts';
import { SEND_WAITING_MAX, WATCH_QUEUE_MAX } from './api.ts';
import { FakeNode } from './fake-node.test.ts';
import { OverlayHost, type OverlayHostOptions } from './overlay-host.ts';

async function started(
  changes: Partial<OverlayHostOptions> = {},
): Promise<{ host: OverlayHost; node: FakeNode }> {
  let node: FakeNode | undefined;
  const random = new Random(5);
  const host = await OverlayHost.start({
    identity: {
      signingSeed: new Uint8Array(32),
      agreementKey: new Uint8Array(32),
      chain: new Uint8Array(0),
    },
    manifest: new Uint8Array(0),
    rootKeys: [],
    epoch: 1,
    neighbours: [],
    entropy: { bytes: (count: number) => random.bytes(count) },
    locals: [{ host: '127.0.0.1', port: 0 }],
    createNode: (_options, sink) => {
      node = new FakeNode(sink);
      return ok(node);
    },
    ...changes,
  });
  return { host, node: node! };
}

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    error instanceof OverlayError && error.code === expected;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const bounded = { timeout: 10_000 };

test('datagrams come back whole, in a few flushes, with names', bounded, async () => {
  const { host, node } = await started();
  await using socket = await host.datagram({ port: 7 });
  const flushesBefore = node.flushes;
  for (let i = 0; i < 50; i++) assert.equal(socket.send(`hello ${i}`, { to: 'DFW:7' }), true);
  const got: Datagram[] = [];
  for await (const datagram of socket) if (got.push(datagram) === 50) break;
  assert.equal(Buffer.from(got[49]!.payload).toString(), 'hello 49');
  assert.deepEqual(got[0]!.from, { node: 'DFW', port: 7 });
  assert.equal(node.flushes - flushesBefore, 1);
  await host.close();
});

test('unread datagrams are bounded, the oldest go and are counted', bounded, async () => {
  const { host } = await started();
  const socket = await host.datagram({ port: 7, receiveQueueMax: 4 });
  for (let i = 0; i < 10; i++) socket.send(Uint8Array.of(i), { to: { node: 'LAX', port: 7 } });
  await turn();
  assert.equal(socket.dropped, 6);
  await socket.close();
  const left: number[] = [];
  for await (const { payload } of socket) left.push(payload[0]!);
  assert.deepEqual(left, [6, 7, 8, 9]);
  assert.throws(() => socket.send('x', { to: 'LAX:7' }), code('CLOSED'));
  await host.close();
});

test(
  'a full node is back-pressure: nothing is lost up to a bound, then drain',
  bounded,
  async () => {
    const { host, node } = await started();
    const socket = await host.datagram({ port: 7 });
    node.isFull = true;
    for (let i = 0; i < SEND_WAITING_MAX + 5; i++)
      assert.equal(socket.send(Uint8Array.of(i), { to: 'LAX:7' }), false);
    assert.equal(socket.unsent, 5);
    node.isFull = false;
    const drained = once(socket, 'drain');
    node.post((sink) => sink.datagramDrain(100));
    host.wallClockChanged();
    await drained;
    const seen: number[] = [];
    for await (const { payload } of socket) if (seen.push(payload[0]!) === SEND_WAITING_MAX) break;
    assert.equal(seen[SEND_WAITING_MAX - 1], SEND_WAITING_MAX - 1);
    await host.close();
  },
);

test('what cannot be sent is told apart', bounded, async () => {
  const { host } = await started();
  const socket = await host.datagram();
  const told: string[] = [];
  socket.on('undeliverable', (to, why) => told.push(`${to.node} ${why}`));
  assert.equal(socket.send('x', { to: 'MIA:7' }), true);
  assert.equal(socket.send('x', { to: 'NOWHERE:7' }), true);
  await turn();
  assert.deepEqual(told, ['MIA UNREACHABLE', 'NOWHERE UNKNOWN_DESTINATION']);
  assert.equal(socket.unsent, 2);
  assert.throws(() => socket.send('x', { to: 'MIA' }), code('BAD_ARGUMENT'));
  assert.throws(() => socket.send('x', { to: 'MIA:70000' }), code('BAD_ARGUMENT'));
  assert.throws(
    () => socket.send(new Uint8Array(65_001), { to: 'LAX:7' }),
    code('MESSAGE_TOO_BIG'),
  );
  await assert.rejects(host.datagram({ port: 0 }), code('BAD_ARGUMENT'));
  await assert.rejects(host.datagram({ port: socket.local.port }), code('PORT_IN_USE'));
  await host.close();
});

test('a reliable datagram tells how it ended, as a promise or as an event', bounded, async () => {
  const { host, node } = await started();
  const receiver = await host.datagram({ port: 7 });
  const sender = await host.datagram();
  await sender.deliver('hello', { to: 'LAX:7' });
  assert.equal(sender.delivered, 1);
  const { value: first } = await receiver[Symbol.asyncIterator]().next();
  assert.equal(Buffer.from((first as Datagram).payload).toString(), 'hello');
  await assert.rejects(sender.deliver('x', { to: 'MIA:7' }), code('TIMED_OUT'));
  await assert.rejects(sender.deliver('x', { to: 'NOWHERE:7' }), code('UNKNOWN_DESTINATION'));
  await assert.rejects(sender.deliver('x', { to: 'LAX' }), code('BAD_ARGUMENT'));
  const told = once(sender, 'undeliverable');
  assert.equal(sender.send('y', { to: 'MIA:7', reliable: true }), true);
  assert.deepEqual(await told, [{ node: 'MIA', port: 7 }, 'TIMED_OUT']);
  const gone = AbortSignal.abort();
  await assert.rejects(sender.deliver('x', { to: 'LAX:7', signal: gone }), code('ABORTED'));
  node.isFull = true;
  const waiting = sender.deliver('held', { to: 'LAX:7' });
  const closing = assert.rejects(waiting, code('CLOSED'));
  await sender.close();
  await closing;
  await host.close();
});

test('an aborted signal closes what was opened with it', bounded, async () => {
  const { host } = await started();
  const abort = new AbortController();
  const socket = await host.datagram({ port: 7, signal: abort.signal });
  const server = await host.listen({ port: 8, signal: abort.signal });
  const reading = (async (): Promise<string> => {
    for await (const _datagram of socket) assert.fail('nothing was sent');
    return 'ended';
  })();
  const isServerClosed = once(server, 'close');
  abort.abort();
  assert.equal(await reading, 'ended');
  await isServerClosed;
  await host.datagram({ port: 7 });
  await assert.rejects(host.datagram({ port: 9, signal: abort.signal }), code('ABORTED'));
  await assert.rejects(host.ping('LAX', { signal: abort.signal }), code('ABORTED'));
  await host.close();
});

test('a stream carries a megabyte there and back through a small window', bounded, async () => {
  const { host, node } = await started();
  await host.listen({ port: 80 }, (stream) => {
    pipeline(stream, stream).catch(() => undefined);
  });
  const stream = await host.connect('LAX:80');
  assert.deepEqual(stream.remote, { node: 'LAX', port: 80 });
  const sent = Buffer.from(new Random(3).bytes(1_000_000));
  const received: Buffer[] = [];
  const reading = (async (): Promise<void> => {
    for await (const chunk of stream) received.push(chunk as Buffer);
  })();
  stream.end(sent);
  await reading;
  assert.ok(Buffer.concat(received).equals(sent));
  await turn();
  assert.equal(node.openStreams, 0);
  assert.deepEqual(
    (await host.status()).sockets.map((s) => s.kind),
    ['listener'],
  );
  await host.close();
});

test('a reader that does not read closes the window, and reading opens it', bounded, async () => {
  const { host, node } = await started();
  node.windowBytes = 200_000;
  const [stream, far] = await pair(host);
  let taken = 0;
  const chunk = Buffer.alloc(10_000, 1);
  while (taken < 1_000_000 && stream.write(chunk)) taken += chunk.length;
  await turn();
  await turn();
  // The far Duplex holds what it may, the window is full behind it, and the write waits.
  stream.write(chunk);
  for (let i = 0; i < 100; i++) stream.write(chunk);
  for (let i = 0; i < 5; i++) await turn();
  assert.ok(far.readableLength <= node.windowBytes + 64 * 1024 + chunk.length);
  assert.ok(stream.writableLength > 0);
  far.resume();
  await once(stream, 'drain');
  assert.equal(stream.writableLength, 0);
  const reset = once(far, 'error');
  stream.destroy();
  await reset;
  await host.close();
});

test('each direction ends on its own', bounded, async () => {
  const { host } = await started();
  const [stream, far] = await pair(host);
  stream.end('question');
  far.on('data', () => undefined);
  await once(far, 'end');
  far.end('answer');
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), 'answer');
  await host.close();
});

test('destroying one end resets the other', bounded, async () => {
  const { host } = await started();
  const [stream, far] = await pair(host);
  const failed = once(far, 'error');
  stream.destroy();
  const [error] = await failed;
  assert.ok(code('RESET')(error));
  await host.close();
});

test('a connection that cannot be made says why', bounded, async () => {
  const { host } = await started();
  await assert.rejects(host.connect('LAX:81'), code('REFUSED'));
  await assert.rejects(host.connect('MIA:80'), code('UNREACHABLE'));
  await assert.rejects(host.connect('NOWHERE:80'), code('UNKNOWN_DESTINATION'));
  await assert.rejects(host.connect('LAX:9', { timeoutMs: 5 }), code('TIMED_OUT'));
  const abort = new AbortController();
  const waiting = host.connect('LAX:9', { signal: abort.signal });
  abort.abort(new Error('enough'));
  await assert.rejects(
    waiting,
    (error: OverlayError) => (error.cause as Error).message === 'enough',
  );
  await host.close();
});

test('an incoming stream nobody takes is reset', bounded, async () => {
  const { host } = await started();
  await host.listen({ port: 80 });
  const stream = await host.connect('LAX:80');
  const [error] = await once(stream, 'error');
  assert.ok(code('RESET')(error));
  await host.close();
});

test('routing choices reach the node as addresses', bounded, async () => {
  const { host, node } = await started();
  await host.datagram({ routing: 'pinned' });
  await host.datagram({ routing: { via: ['DFW', 'LAX'] } });
  assert.deepEqual(
    node.flows.map((flow) => flow.routing),
    [{ scheme: 'pinned' }, { scheme: 'explicit', route: [2, 3] }],
  );
  await assert.rejects(host.datagram({ routing: { via: ['X'] } }), code('UNKNOWN_DESTINATION'));
  await host.close();
});

test('lanes reach the node as number, service, playout and routing', bounded, async () => {
  const { host, node } = await started({
    lanes: [{ name: 'telemetry', number: 20, extends: 'monitoring' }],
  });
  await host.datagram({ lane: 'video', deadline: '130ms' });
  await host.datagram({ lane: 'telemetry' });
  await host.datagram({ routing: 'pinned', recovery: 'realtime' });
  assert.deepEqual(
    node.flows.map(({ lane, service, playout }) => [
      lane,
      service?.recovery,
      service?.deadline,
      playout,
    ]),
    [
      [2, 3, 130_000, 'order'],
      [20, 4, 1_000_000, 'deadline'],
      [0, 2, 0, 'none'],
    ],
  );
  await assert.rejects(host.datagram({ lane: 'vidoe' }), (error: OverlayError) => {
    assert.equal(error.code, 'UNKNOWN_LANE');
    assert.equal(error.details['nearest'], 'video');
    return true;
  });
  await assert.rejects(host.datagram({ recovery: 'deadline' }), code('BAD_ARGUMENT'));
  await assert.rejects(host.datagram({ deadline: '130' }), code('BAD_ARGUMENT'));
  await assert.rejects(host.connect('LAX:9', { deadline: '1ms' }), (error: OverlayError) => {
    assert.equal(error.code, 'LANE_CANNOT_HOLD');
    assert.equal(error.details['nearest'], 'remote');
    return true;
  });
  await assert.rejects(host.datagram({ deadline: '1ms', to: 'LAX' }), code('LANE_CANNOT_HOLD'));
  const lanes = await host.lanes({ to: 'LAX' });
  assert.equal(lanes.find((l) => l.name === 'remote')?.refusal, undefined);
  await host.close();
});

test('ping tells replies, silence and unreachability apart', bounded, async () => {
  const { host } = await started();
  assert.deepEqual(await host.ping('LAX'), { outcome: 'reply', from: 'LAX', rttMs: 45.5 });
  assert.equal((await host.ping('MIA')).outcome, 'unreachable');
  assert.deepEqual(await host.ping('000000ff', { timeoutMs: 1 }), { outcome: 'timed-out' });
  await assert.rejects(host.ping('NOWHERE'), code('UNKNOWN_DESTINATION'));
  await assert.rejects(host.ping('LAX', { hopLimit: 300 }), code('BAD_ARGUMENT'));
  await host.close();
});

test('trace measures each hop and explains the route', bounded, async () => {
  const { host } = await started();
  const traced = await host.trace('LAX', { probesPerHop: 2 });
  assert.equal(traced.isReached, true);
  assert.deepEqual(traced.hops, [
    { hop: 1, node: 'DFW', rttsMs: [20, 20] },
    { hop: 2, node: 'LAX', rttsMs: [45.5, 45.5] },
  ]);
  assert.deepEqual(traced.explanation.route?.path, ['DFW', 'LAX']);
  assert.equal(traced.explanation.route?.loss, 0.01);
  const lost = await host.trace('000000ff', { timeoutMs: 1, hopsMax: 2, probesPerHop: 1 });
  assert.deepEqual([lost.isReached, lost.hops.length, lost.hops[0]!.node], [false, 2, undefined]);
  await host.close();
});

test('a watch begins with a snapshot, follows, and ends with its signal', bounded, async () => {
  const { host, node } = await started();
  const abort = new AbortController();
  const kinds: string[] = [];
  for await (const update of host.watch('routes', { signal: abort.signal })) {
    kinds.push(update.kind);
    if (update.kind === 'route-changed') {
      assert.deepEqual(update.after, ['DFW', 'LAX']);
      assert.match(update.at, /^\d{4}-.*Z$/);
      abort.abort();
    } else {
      node.post((sink) => sink.event({ kind: 'member', address: 9 as NodeAddress, name: 'NEW' }));
      node.post((sink) =>
        sink.event({
          kind: 'route-changed',
          destination: 3 as NodeAddress,
          before: undefined,
          after: [2, 3] as NodeAddress[],
          cause: 'link ATL-DFW up',
        }),
      );
      host.wallClockChanged();
    }
  }
  assert.deepEqual(kinds, ['snapshot', 'route-changed']);
  await host.close();
});

test(
  'a watcher that falls behind gets a fresh snapshot with the number missed',
  bounded,
  async () => {
    const { host, node } = await started();
    const watch = host.watch('events')[Symbol.asyncIterator]();
    await watch.next();
    for (let i = 0; i < WATCH_QUEUE_MAX + 10; i++)
      node.post((sink) => sink.event({ kind: 'member', address: 9 as NodeAddress, name: `M${i}` }));
    host.wallClockChanged();
    const { value } = (await watch.next()) as { value: EventUpdate };
    assert.ok(value.kind === 'snapshot' && value.missed === WATCH_QUEUE_MAX + 10);
    assert.equal(value.status.counters['packets-forwarded'], 7);
    assert.equal(value.status.underlay.locals.length, 1);
    const waiting = watch.next();
    await host.close();
    assert.equal((await waiting).done, true);
  },
);

test('what one node transmits reaches another as datagrams, unless cut', bounded, async () => {
  const near = await started();
  const far = await started();
  const [key] = (await far.host.status()).underlay.locals;
  const remote = underlayAddress('127.0.0.1', Number(key!.split(':')[1]));
  const arrived = (): string[] => far.node.received.map((bytes) => Buffer.from(bytes).toString());
  const transmit = (text: string): void => {
    near.node.post((sink) => {
      const batch = new DatagramBatch({ capacity: 1, slabBytes: 100 });
      batch.push(Buffer.from(text), remote, 0);
      sink.transmit(batch);
    });
    near.host.wallClockChanged();
  };
  transmit('one');
  near.host.impair(remote.key, { cut: true });
  transmit('two');
  near.host.restore(remote.key);
  transmit('three');
  while (arrived().length < 2) await turn();
  assert.deepEqual(arrived(), ['one', 'three']);
  assert.equal((await near.host.status()).counters['underlay.impaired.cut'], 1);
  await Promise.all([near.host.close(), far.host.close()]);
});

test('impairments are for labs', bounded, async () => {
  const { host, node } = await started();
  assert.equal(host.impair('127.0.0.1:9', { cut: true }).cut, true);
  assert.equal(host.impairments().size, 1);
  node.isLab = false;
  assert.throws(() => host.impair('127.0.0.1:9', { cut: true }), code('NOT_A_LAB'));
  await host.close();
});

test('timeouts are brought when due and the node rests in between', bounded, async () => {
  const { host, node } = await started();
  let fired = 0;
  const done = new Promise<void>((resolve) => {
    node.onTimeout = (): void => {
      fired++;
      node.timeout = fired < 5 ? ((node.timeout! + 2_000) as Instant) : undefined;
      if (fired === 5) resolve();
    };
  });
  node.timeout = Math.floor(performance.now() * 1_000) as Instant;
  host.wallClockChanged();
  await done;
  assert.equal(node.inputs.filter((input) => input.kind === 'timeout').length, 5);
  await host.close();
});

test('a timeout that makes no progress stops the node and says so', bounded, async () => {
  let died: (error: unknown) => void = () => undefined;
  const death = new Promise<unknown>((resolve) => {
    died = resolve;
  });
  const { host, node } = await started({ onFatal: (error) => died(error) });
  const socket = await host.datagram();
  const isClosed = once(socket, 'close');
  node.timeout = Math.floor(performance.now() * 1_000) as Instant;
  host.wallClockChanged();
  assert.ok((await death) instanceof InvariantError);
  await isClosed;
  await assert.rejects(host.datagram(), code('CLOSED'));
  await host.close();
});

test(
  'closing withdraws, fails what waits, frees the port, and may be repeated',
  bounded,
  async () => {
    const { host, node } = await started();
    const [stream] = await pair(host);
    const local = (await host.status()).underlay.locals[0]!;
    const ping = host.ping('000000ff');
    const failed = Promise.all([
      assert.rejects(ping, code('CLOSED')),
      once(stream, 'error').then(([error]) => assert.ok(code('NODE_STOPPED')(error))),
    ]);
    await Promise.all([host.close(), host.close()]);
    await failed;
    assert.equal(node.inputs.filter((input) => input.kind === 'stop').length, 1);
    const port = Number(local.split(':')[1]);
    const { host: next } = await started({ locals: [{ host: '127.0.0.1', port }] });
    await next.close();
  },
);

test('an identity that does not stand up opens nothing', bounded, async () => {
  await assert.rejects(
    started({
      createNode: () => fail('expired'),
    }),
    code('BAD_IDENTITY'),
  );
});

async function pair(host: OverlayHost): Promise<[OverlayStream, OverlayStream]> {
  const far = new Promise<OverlayStream>((resolve) => void host.listen({ port: 80 }, resolve));
  const near = await host.connect('LAX:80');
  return [near, await far];
}
