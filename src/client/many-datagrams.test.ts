/** Batches of datagrams between programs, daemons and embedded nodes: as single ones, in order and content. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  CHANNEL_DATAGRAMS,
  ChannelDecoder,
  DatagramsReader,
  initNetwork,
  provisionMember,
  startDaemon,
} from '../daemon/index.ts';
import type { DatagramSocket, OverlayNodeHandle } from '../host/index.ts';
import { Random } from '../kernel/index.ts';
import { connect } from './connect.ts';
import { ControlClient } from './control-client.ts';
import { createNode } from './create-node.ts';

const scratch = mkdtempSync(join(tmpdir(), 'overlane-many-'));
const states = { ATL: join(scratch, 'ATL'), LAX: join(scratch, 'LAX') };
const closers: (() => unknown)[] = [];
let program: OverlayNodeHandle;
let embedded: OverlayNodeHandle;
let controlPath: string;

before(async () => {
  initNetwork({ state: states.ATL, network: 'test', name: 'ATL', isLab: true });
  provisionMember({ root: states.ATL, state: states.LAX, name: 'LAX' });
  const config = join(states.ATL, 'overlane.yaml');
  writeFileSync(config, 'listen: ["127.0.0.1:0"]\nlog: { level: error }\n');
  const daemon = await startDaemon({ state: states.ATL, config, isProcess: false });
  controlPath = daemon.controlPath;
  program = await connect(controlPath);
  const addresses = (await program.status()).underlay.locals;
  const listen = ['127.0.0.1:0'];
  const neighbours = [{ name: 'ATL', addresses }];
  embedded = await createNode({ state: states.LAX, listen, neighbours });
  closers.push(async () => {
    await embedded.close();
    await program.close();
    daemon.stop();
    await daemon.ended;
  });
  const signal = AbortSignal.timeout(15_000);
  for (const [node, to] of [
    [program, 'LAX'],
    [embedded, 'ATL'],
  ] as const)
    for await (const update of node.watch('routes', { signal })) {
      const routes = update.kind === 'snapshot' ? update.routes : [];
      if (routes.some((route) => route.destination === to && route.path.length > 0)) break;
      if (update.kind === 'route-changed' && update.destination === to && update.after) break;
    }
});

after(async () => {
  for (const close of closers) await close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Sends all, waiting for room where there is none. */
async function sendAll(from: DatagramSocket, payloads: Uint8Array[], to: string): Promise<void> {
  for (let at = 0; at < payloads.length; ) {
    at += from.sendMany(payloads.slice(at, at + 90), { to });
    if (at < payloads.length) await nextTurn();
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

for (const lane of ['default', 'bulk'])
  test(`batches in lane ${lane} arrive as they were sent, between a program and an embedded node`, async () => {
    for (const [from, to, name] of [
      [program, embedded, 'LAX'],
      [embedded, program, 'ATL'],
    ] as const) {
      const random = new Random(7);
      const sent = Array.from({ length: 900 }, (_, i) =>
        random.bytes(i % 100 === 7 ? random.between(1_300, 9_000) : random.between(0, 1_200)),
      );
      await using receiver = await to.datagram({ receiveQueueMax: 4_096 });
      await using sender = await from.datagram({ lane, pendingMax: 4_096 });
      const address = `${name}:${receiver.local.port}`;
      await sendAll(sender, sent, address);
      const heard: Uint8Array[] = [];
      for await (const batch of receiver.batches()) {
        assert.deepEqual(batch.from, sender.local);
        assert.equal(batch.lane, lane);
        heard.push(...batch.payloads);
        if (heard.length >= sent.length) break;
      }
      // Long ones are cut into packets and wait for their last; whole ones keep their order.
      const whole = (payloads: Uint8Array[]): string[] =>
        payloads.filter((p) => p.length < 1_250).map((p) => Buffer.from(p).toString('base64'));
      const all = (payloads: Uint8Array[]): string[] =>
        payloads.map((p) => Buffer.from(p).toString('base64')).sort();
      assert.deepEqual(whole(heard), whole(sent));
      assert.deepEqual(all(heard), all(sent));
    }
  });

test('what does not fit is refused before any of the batch is sent', async () => {
  for (const node of [program, embedded]) {
    await using socket = await node.datagram();
    const payloads = [new Uint8Array(1), new Uint8Array(65_001)];
    const to = socket.local;
    assert.throws(() => socket.sendMany(payloads, { to }), { code: 'MESSAGE_TOO_BIG' });
    assert.throws(() => socket.sendMany([], { to: 'LAX' }), { code: 'BAD_ARGUMENT' });
    await socket.close();
    assert.throws(() => socket.sendMany([], { to }), { code: 'CLOSED' });
    assert.deepEqual(await socket.batches().next(), { done: true, value: undefined });
  }
});

test('a batch to nobody is told of, datagram by datagram', async () => {
  for (const node of [program, embedded]) {
    await using socket = await node.datagram();
    const told: unknown[] = [];
    const all = new Promise<void>((resolve) =>
      socket.on('undeliverable', (to, code) => {
        if (told.push([to.node, code]) === 3) resolve();
      }),
    );
    const payloads = [1, 2, 3].map((n) => new Uint8Array(n));
    assert.equal(socket.sendMany(payloads, { to: 'NOWHERE:9' }), 3);
    await all;
    assert.deepEqual(told, new Array(3).fill(['NOWHERE', 'UNKNOWN_DESTINATION']));
    assert.equal(socket.unsent, 3);
  }
});

test('a program that does not read loses the oldest, and is told how many', async () => {
  await using receiver = await program.datagram({ receiveQueueMax: 16 });
  await using sender = await embedded.datagram({ pendingMax: 4_096 });
  const to = receiver.local;
  const payloads = Array.from({ length: 400 }, (_, i) => Uint8Array.of(i >> 8, i));
  assert.equal(sender.sendMany(payloads, { to }), 400);
  for (let turn = 0; receiver.dropped < 384; turn++) {
    assert.ok(turn < 100_000, `${receiver.dropped} dropped`);
    await nextTurn();
  }
  const batches = receiver.batches();
  const { value } = await batches.next();
  const numbers = value!.payloads.map((p: Uint8Array) => p[0]! * 256 + p[1]!);
  assert.deepEqual(
    numbers,
    Array.from({ length: 16 }, (_, i) => 384 + i),
  );
});

test('what a program leaves unread for long comes in order, without what was pushed out meanwhile', async () => {
  const { socket } = await new ControlClient(controlPath).upgrade<unknown>(
    '/v1/datagram?port=77&receiveQueueMax=200',
    'overlane-datagram',
  );
  await using sender = await embedded.datagram({ pendingMax: 4_096 });
  // More than the connection holds and the queue, so that all ways to the program are taken.
  const count = 7_000;
  const payloads = Array.from({ length: count }, (_, i) =>
    new Uint8Array(1_000).fill(i >> 8, 0, 1),
  );
  for (const [i, payload] of payloads.entries()) payload[1] = i;
  for (let at = 0; at < count; at += 100) {
    sender.sendMany(payloads.slice(at, at + 100), { to: 'ATL:77' });
    for (let turn = 0; turn < 20; turn++) await nextTurn();
  }
  const [decoder, reader] = [new ChannelDecoder(), new DatagramsReader()];
  let newest = -1;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    for (const { type, body } of decoder.push(chunk)) {
      if (type !== CHANNEL_DATAGRAMS) continue;
      for (const payload of reader.read(body)!.payloads) {
        const number = payload[0]! * 256 + payload[1]!;
        assert.ok(number > newest, `${number} behind ${newest}`);
        newest = number;
      }
    }
    if (newest === count - 1) break;
  }
  assert.equal(newest, count - 1);
});

/** A payload that shows whether anything was written over it. */
const numbered = (number: number): Uint8Array => {
  const payload = new Uint8Array(1_000).fill(number);
  payload[0] = number >> 8;
  return payload;
};

function assertNumbered(payload: Uint8Array, number: number): void {
  assert.deepEqual(Buffer.from(payload), Buffer.from(numbered(number)));
}

for (const [kind, keeps] of [
  ['a reader that is lent them', false],
  ['a reader that keeps them', true],
] as const)
  test(`payloads are whole for ${kind}, over more than any buffer holds`, async () => {
    await using receiver = await program.datagram({ receiveQueueMax: 8_192 });
    await using sender = await embedded.datagram({ lane: 'bulk', pendingMax: 4_096 });
    const sent = Array.from({ length: 4_000 }, (_, i) => numbered(i));
    const sending = sendAll(sender, sent, `ATL:${receiver.local.port}`);
    const kept: Uint8Array[] = [];
    let heard = 0;
    for await (const { payloads } of receiver.batches({ lent: !keeps })) {
      for (const payload of payloads) assertNumbered(payload, heard++);
      if (keeps) kept.push(...payloads);
      if (heard === sent.length) break;
    }
    await sending;
    for (const [i, payload] of kept.entries()) assertNumbered(payload, i);
  });

test('once somebody keeps payloads none is written over, though another reader is lent them', async () => {
  await using receiver = await program.datagram({ receiveQueueMax: 8_192 });
  await using sender = await embedded.datagram({ lane: 'bulk', pendingMax: 4_096 });
  const sent = Array.from({ length: 4_000 }, (_, i) => numbered(i));
  const lent = receiver.batches({ lent: true })[Symbol.asyncIterator]();
  const kept: Uint8Array[] = [];
  const all = new Promise<void>((resolve) =>
    receiver.on('message', ({ payload }) => {
      if (kept.push(payload) === sent.length) resolve();
    }),
  );
  await Promise.all([sendAll(sender, sent, `ATL:${receiver.local.port}`), all]);
  await lent.return?.();
  for (const [i, payload] of kept.entries()) assertNumbered(payload, i);
});
