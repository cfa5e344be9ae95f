/** Programs on two real daemons: the SDK over control sockets, and ports forwarded between them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { initNetwork, provisionMember, startDaemon } from '../daemon/index.ts';
import type { OverlayNodeHandle } from '../host/index.ts';
import type { OverlayError } from '../kernel/index.ts';
import { connect, type DaemonConnection } from './connect.ts';
import { createNode } from './create-node.ts';

const scratch = mkdtempSync(join(tmpdir(), 'overlane-sdk-'));
const states = { ATL: join(scratch, 'ATL'), LAX: join(scratch, 'LAX'), SEA: join(scratch, 'SEA') };
let atl: DaemonConnection;
let lax: DaemonConnection;
const closers: (() => unknown)[] = [];

async function daemon(state: string, config: string): Promise<DaemonConnection> {
  const file = join(state, 'overlane.yaml');
  writeFileSync(file, `listen: ["127.0.0.1:0"]\nlog: { level: error }\n${config}`);
  const running = await startDaemon({ state, config: file, isProcess: false });
  const connection = await connect(running.controlPath);
  closers.push(async () => {
    await connection.close();
    running.stop();
    await running.ended;
  });
  return connection;
}

const portOf = async (node: OverlayNodeHandle): Promise<string> =>
  (await node.status()).underlay.locals[0]!;

async function routed(node: OverlayNodeHandle, to: string): Promise<void> {
  const signal = AbortSignal.timeout(15_000);
  for await (const update of node.watch('routes', { signal })) {
    const routes = update.kind === 'snapshot' ? update.routes : [];
    if (routes.some((route) => route.destination === to && route.path.length > 0)) return;
    const isNew = update.kind === 'route-changed' && update.destination === to;
    if (isNew && update.after !== undefined) return;
  }
  assert.fail(`no route to ${to}`);
}

before(async () => {
  initNetwork({ state: states.ATL, network: 'test', name: 'ATL', isLab: true });
  provisionMember({ root: states.ATL, state: states.LAX, name: 'LAX' });
  provisionMember({ root: states.ATL, state: states.SEA, name: 'SEA' });
  atl = await daemon(states.ATL, '');
  const near = `neighbours: [{ name: ATL, addresses: ["${await portOf(atl)}"] }]\n`;
  lax = await daemon(states.LAX, near);
  await Promise.all([routed(atl, 'LAX'), routed(lax, 'ATL')]);
});

after(async () => {
  for (const close of closers.reverse()) await close();
  rmSync(scratch, { recursive: true, force: true });
});

test('streams and datagrams of two programs meet over two daemons', async () => {
  const body = Buffer.alloc(2_000_000, 'overlane ');
  await using server = await lax.listen({ port: 80 }, (stream) => stream.end(body));
  assert.deepEqual(server.address(), { node: 'LAX', port: 80 });
  const stream = await atl.connect('LAX:80');
  stream.end();
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  assert.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'));

  await using echo = await lax.datagram({ port: 9 });
  echo.on('message', ({ payload, from }) => echo.send(payload, { to: from }));
  await using socket = await atl.datagram();
  socket.send('there and back', { to: 'LAX:9' });
  const [{ payload, from }] = await once(socket, 'message');
  assert.equal(Buffer.from(payload).toString(), 'there and back');
  assert.deepEqual(from, { node: 'LAX', port: 9 });
  await assert.rejects(atl.connect('LAX:81'), { code: 'REFUSED' });
});

test('lanes and reliable datagrams cross two daemons, and what cannot be is refused', async () => {
  const receiver = await lax.datagram({ port: 7011 });
  const sender = await atl.datagram({ lane: 'video', deadline: '500ms', to: 'LAX' });
  const inbox = receiver[Symbol.asyncIterator]();
  for (let n = 0; n < 5; n++) sender.send(`picture ${n}`, { to: 'LAX:7011' });
  for (let n = 0; n < 5; n++) {
    const { value } = await inbox.next();
    assert.equal(Buffer.from(value!.payload).toString(), `picture ${n}`);
    assert.equal(value!.lane, 'video');
  }
  await sender.deliver('for certain', { to: 'LAX:7011' });
  const { value: certain } = await inbox.next();
  assert.equal(Buffer.from(certain!.payload).toString(), 'for certain');
  assert.equal(sender.delivered, 1);
  await assert.rejects(sender.deliver('x', { to: 'LAX:7012' }), { code: 'REFUSED' });
  await assert.rejects(atl.datagram({ lane: 'vidoe' }), (error: OverlayError) => {
    assert.equal(error.code, 'UNKNOWN_LANE');
    return error.details['nearest'] === 'video';
  });
  // Nothing on loopback is as near as this.
  await assert.rejects(atl.connect('LAX:1', { deadline: '1us' }), { code: 'LANE_CANNOT_HOLD' });
  const voice = await atl.checkLane({ lane: 'voice' }, { to: 'LAX' });
  assert.equal(voice.refusal, undefined);
  assert.ok(voice.latencyMs! < 100);
  await sender.close();
  await receiver.close();
});

test('ping, trace and explain answer from the real network', async () => {
  const pinged = await atl.ping('LAX');
  assert.ok(pinged.outcome === 'reply' && pinged.rttMs < 1_000);
  const traced = await atl.trace('LAX', { probesPerHop: 1 });
  assert.equal(traced.isReached, true);
  assert.deepEqual(traced.hops.at(-1)?.node, 'LAX');
  assert.deepEqual((await atl.explain('LAX')).route?.path, ['LAX']);
});

test('TCP through a forward arrives whole', async () => {
  const body = Buffer.alloc(3_000_000, 'download ');
  const service = createServer((socket) => socket.end(body)).listen(0, '127.0.0.1');
  await once(service, 'listening');
  const { port } = service.address() as { port: number };
  await lax.addExpose({ protocol: 'tcp', port: 8080, to: `127.0.0.1:${port}`, from: ['ATL'] });
  const { id, listen } = await atl.addForward({
    protocol: 'tcp',
    listen: '127.0.0.1:0',
    to: 'LAX',
    port: 8080,
  });
  const client = tcpConnect(Number(listen.split(':')[1]), '127.0.0.1');
  const hash = createHash('sha256');
  for await (const chunk of client) hash.update(chunk as Buffer);
  assert.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'));
  const [report] = await atl.forwards();
  assert.equal(report?.bytesIn, body.length);
  assert.equal((await atl.removeForward(id)).id, id);
  await assert.rejects(atl.removeForward(id), { code: 'NO_SUCH_FORWARD' });
  service.close();
});

test('UDP through a forward keeps its boundaries, both ways', async () => {
  const service = createSocket('udp4').bind(0, '127.0.0.1');
  await once(service, 'listening');
  service.on('message', (payload, from) => service.send(payload, from.port, from.address));
  const to = `127.0.0.1:${service.address().port}`;
  await lax.addExpose({ protocol: 'udp', port: 5004, to, from: 'any' });
  const forward = await atl.addForward({
    protocol: 'udp',
    listen: '127.0.0.1:0',
    to: 'LAX',
    port: 5004,
  });
  const client = createSocket('udp4').bind(0, '127.0.0.1');
  await once(client, 'listening');
  const heard = new Set<number>();
  client.on('message', (payload) => heard.add(payload.length));
  const sizes = [1, 188 * 7, 4_000];
  for (const size of sizes)
    client.send(Buffer.alloc(size), Number(forward.listen.split(':')[1]), '127.0.0.1');
  while (heard.size < sizes.length) await once(client, 'message');
  assert.deepEqual(
    [...heard].sort((a, b) => a - b),
    sizes,
  );
  client.close();
  await atl.removeForward(forward.id);
  service.close();
});

test('an embedded node is a member like any other, and its address is free when it closes', async () => {
  const neighbours = [{ name: 'ATL', addresses: [await portOf(atl)] }];
  const sea = await createNode({ state: states.SEA, listen: ['127.0.0.1:0'], neighbours });
  // An answer needs the way back.
  await Promise.all([routed(sea, 'LAX'), routed(lax, 'SEA')]);
  const pinged = await sea.ping('LAX');
  assert.equal(pinged.outcome, 'reply');
  await assert.rejects(createNode({ state: states.SEA }), { code: 'STATE_LOCKED' });
  await sea.close();
  const events = atl.watch('routes', { signal: AbortSignal.timeout(10_000) });
  for await (const update of events) {
    const isGone =
      update.kind === 'snapshot'
        ? update.routes.every((r) => r.destination !== 'SEA' || r.path.length === 0)
        : update.destination === 'SEA' && update.after === undefined;
    if (isGone) break;
  }
});

test('a daemon that is told to stop ends its watches and answers no more', async () => {
  const state = join(scratch, 'DFW');
  provisionMember({ root: states.ATL, state, name: 'DFW' });
  const dfw = await daemon(state, '');
  const watch = dfw.watch('events')[Symbol.asyncIterator]();
  assert.equal((await watch.next()).value.kind, 'snapshot');
  await dfw.shutdown();
  await assert.rejects(dfw.status(), { code: 'DAEMON_UNREACHABLE' });
});
