import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ControlServer, type DaemonControls } from '../daemon/index.ts';
import { LoopbackNetwork, type LoopbackNode } from '../gateway/index.ts';
import type { OverlayStream } from '../host/index.ts';
import { connect, type DaemonConnection } from './connect.ts';

const scratch = mkdtempSync(join(tmpdir(), 'overlane-control-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let sockets = 0;

const LOG = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };

/** Controls that remember how they were called. */
function fakeControls(calls: unknown[]): DaemonControls {
  const told =
    (name: string) =>
    (...args: unknown[]): never => {
      calls.push([name, ...args]);
      return { name } as never;
    };
  return new Proxy({} as DaemonControls, { get: (_target, name) => told(String(name)) });
}

interface Setup extends AsyncDisposable {
  readonly network: LoopbackNetwork;
  readonly atl: LoopbackNode;
  readonly lax: LoopbackNode;
  readonly daemon: DaemonConnection;
  readonly calls: unknown[];
  readonly path: string;
  readonly server: ControlServer;
}

/** A daemon on ATL and a connection to it; LAX is reached through it. */
async function setup(): Promise<Setup> {
  const network = new LoopbackNetwork();
  const [atl, lax] = [network.node('ATL'), network.node('LAX')];
  const calls: unknown[] = [];
  const path = join(scratch, `${sockets++}.sock`);
  const controls = fakeControls(calls);
  const server = await ControlServer.open({ path, mode: 0o600, node: atl, controls, log: LOG });
  const daemon = await connect(path);
  return {
    network,
    atl,
    lax,
    daemon,
    calls,
    path,
    server,
    async [Symbol.asyncDispose](): Promise<void> {
      await daemon.close();
      await server.close();
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 20_000; round++) {
    if (holds()) return;
    await new Promise(setImmediate);
  }
  assert.fail(`never: ${holds}`);
}

async function textOf(stream: OverlayStream): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks).toString();
}

test('a connection is the node of the daemon', async () => {
  await using it = await setup();
  assert.equal(it.daemon.name, 'ATL');
  assert.equal(it.daemon.address, it.atl.address);
  assert.equal((await it.daemon.status()).network.name, 'loopback');
  assert.deepEqual(await it.daemon.ping('LAX'), { outcome: 'reply', from: 'LAX', rttMs: 0.1 });
  assert.equal((await it.daemon.trace('LAX')).isReached, true);
  assert.equal((await it.daemon.explain('LAX')).destination, 'LAX');
  assert.equal(statSync(it.path).mode & 0o777, 0o600);
});

test('errors come over with code, details and whether a retry helps', async () => {
  await using it = await setup();
  await assert.rejects(it.daemon.ping('NOWHERE'), {
    code: 'UNKNOWN_DESTINATION',
    isRetryable: true,
  });
  await assert.rejects(it.daemon.connect('LAX:80'), { code: 'REFUSED' });
  await assert.rejects(it.daemon.connect('LAX'), { code: 'BAD_ARGUMENT' });
  await assert.rejects(connect(join(scratch, 'none.sock')), { code: 'DAEMON_UNREACHABLE' });
});

test('a stream carries both directions, each ending by itself', async () => {
  await using it = await setup();
  await it.lax.listen({ port: 80 }, async (stream) => {
    const heard = await textOf(stream);
    stream.end(`heard ${heard.length}`);
  });
  const stream = await it.daemon.connect('LAX:80');
  assert.deepEqual(stream.remote, { node: 'LAX', port: 80 });
  stream.end('x'.repeat(500_000));
  assert.equal(await textOf(stream), 'heard 500000');
  if (!stream.closed) await once(stream, 'close');
});

test('a reader that stops makes the writer behind the daemon stop', async () => {
  await using it = await setup();
  let far: OverlayStream | undefined;
  await it.lax.listen({ port: 80 }, (stream) => {
    far = stream;
  });
  const stream = await it.daemon.connect('LAX:80');
  assert.ok(far !== undefined);
  far.on('error', () => {});
  let written = 0;
  const chunk = Buffer.alloc(64 * 1024);
  // Each round lets everything that can move move.
  for (let round = 0; round < 400; round++) {
    if (!far.writableNeedDrain) {
      far.write(chunk);
      written += chunk.length;
    }
    await new Promise(setImmediate);
  }
  assert.ok(written < 4 * 1024 * 1024, `${written} bytes went into a stream nobody reads`);
  let read = 0;
  stream.on('data', (part: Buffer) => {
    read += part.length;
  });
  far.end();
  await once(stream, 'end');
  assert.equal(read, written);
  stream.destroy();
});

test('giving a stream up resets the other end, either way', async () => {
  await using it = await setup();
  const ends: OverlayStream[] = [];
  await it.lax.listen({ port: 80 }, (stream) => ends.push(stream));
  const first = await it.daemon.connect('LAX:80');
  first.destroy();
  await assert.rejects(once(ends[0]!, 'close'), { code: 'RESET' });
  const second = await it.daemon.connect('LAX:80');
  ends[1]!.destroy();
  await assert.rejects(once(second, 'close'), { code: 'RESET' });
});

test('a listener gets streams and its port is free again when it closes', async () => {
  await using it = await setup();
  const server = await it.daemon.listen({ port: 7 }, (stream) => {
    stream.pipe(stream);
  });
  assert.deepEqual(server.address(), { node: 'ATL', port: 7 });
  await assert.rejects(it.daemon.listen({ port: 7 }), { code: 'PORT_IN_USE' });
  const stream = await it.lax.connect('ATL:7');
  stream.end('there and back');
  assert.equal(await textOf(stream), 'there and back');
  await server.close();
  await until(() => it.atl.listeners.size === 0);
});

test('a stream to a listener without a handler is reset', async () => {
  await using it = await setup();
  await it.daemon.listen({ port: 7 });
  const stream = await it.lax.connect('ATL:7');
  await assert.rejects(once(stream, 'close'), { code: 'RESET' });
});

test('datagrams keep their boundaries and their sender', async () => {
  await using it = await setup();
  await using echo = await it.lax.datagram({ port: 5000 });
  echo.on('message', ({ payload, from }) => echo.send(payload, { to: from }));
  await using socket = await it.daemon.datagram();
  const sizes = [1, 1_000, 65_000];
  for (const size of sizes) socket.send(new Uint8Array(size), { to: 'LAX:5000' });
  const heard: number[] = [];
  for await (const { payload, from } of socket) {
    assert.deepEqual(from, { node: 'LAX', port: 5000 });
    heard.push(payload.length);
    if (heard.length === sizes.length) break;
  }
  assert.deepEqual(heard, sizes);
  assert.throws(() => socket.send(new Uint8Array(65_001), { to: 'LAX:1' }), {
    code: 'MESSAGE_TOO_BIG',
  });
  socket.send('x', { to: 'NOWHERE:1' });
  const [to, code] = await once(socket, 'undeliverable');
  assert.deepEqual([to, code], [{ node: 'NOWHERE', port: 1 }, 'UNKNOWN_DESTINATION']);
  await socket.close();
  assert.throws(() => socket.send('x', { to: 'LAX:1' }), { code: 'CLOSED' });
  await until(() => it.atl.datagrams.size === 0);
});

test('datagrams nobody reads are dropped and counted, the newest kept', async () => {
  await using it = await setup();
  await using socket = await it.daemon.datagram({ port: 9, receiveQueueMax: 4 });
  await using sender = await it.lax.datagram();
  for (let i = 0; i < 10; i++) sender.send(String(i), { to: 'ATL:9' });
  await until(() => socket.dropped === 6);
  const kept: string[] = [];
  for await (const { payload } of socket) {
    kept.push(Buffer.from(payload).toString());
    if (kept.length === 4) break;
  }
  assert.deepEqual(kept, ['6', '7', '8', '9']);
});

test('a watch begins with a snapshot and ends with its signal', async () => {
  await using it = await setup();
  const abort = new AbortController();
  const heard: string[] = [];
  for await (const update of it.daemon.watch('links', { signal: abort.signal })) {
    heard.push(update.kind);
    if (heard.length === 1) it.atl.updates.emit('links', { kind: 'link-up', neighbour: 'LAX' });
    else abort.abort();
  }
  assert.deepEqual(heard, ['snapshot', 'link-up']);
  await until(() => it.atl.updates.listenerCount('links') === 0);
});

test('an aborted call rejects and an aborted socket closes', async () => {
  await using it = await setup();
  const aborted = AbortSignal.abort();
  await assert.rejects(it.daemon.status({ signal: aborted }), { code: 'ABORTED' });
  await assert.rejects(it.daemon.connect('LAX:80', { signal: aborted }), { code: 'ABORTED' });
  const abort = new AbortController();
  const socket = await it.daemon.datagram({ signal: abort.signal });
  abort.abort();
  for await (const _ of socket) assert.fail('nothing can come');
});

test('closing the connection closes what was opened through it, not the daemon', async () => {
  await using it = await setup();
  const other = await connect(it.path);
  const socket = await it.daemon.datagram();
  await it.daemon.close();
  for await (const _ of socket) assert.fail('nothing can come');
  await assert.rejects(async () => it.daemon.status(), { code: 'CLOSED' });
  assert.equal((await other.status()).name, 'ATL');
  await other.close();
});

test('a daemon that goes fails its streams and ends its sockets', async () => {
  await using it = await setup();
  await it.lax.listen({ port: 80 }, (stream) => stream.on('error', () => {}));
  const stream = await it.daemon.connect('LAX:80');
  const socket = await it.daemon.datagram();
  const failed = once(stream, 'close');
  await it.server.close();
  await assert.rejects(failed, { code: 'NODE_STOPPED' });
  for await (const _ of socket) assert.fail('nothing can come');
});

test('commands reach the daemon with their arguments checked', async () => {
  await using it = await setup();
  await it.daemon.reload();
  await it.daemon.invite({ name: 'SEA', expiresMs: 60_000, labels: { site: 'west' } });
  await it.daemon.setLogLevel({ level: 'debug', subsystem: 'link', forMs: 1_000 });
  await it.daemon.impair('LAX', { loss: 0.3, cut: false });
  await it.daemon.removeForward('tcp 127.0.0.1:80');
  assert.deepEqual(
    it.calls.map((call) => (call as unknown[])[0]),
    ['reload', 'invite', 'setLogLevel', 'impair', 'removeForward'],
  );
  assert.deepEqual(it.calls[3], ['impair', 'LAX', { loss: 0.3, cut: false }, undefined]);
  assert.deepEqual(it.calls[4], ['removeForward', 'tcp 127.0.0.1:80']);
  const level = 'debgu' as 'debug';
  await assert.rejects(it.daemon.setLogLevel({ level }), {
    code: 'BAD_ARGUMENT',
    details: { field: 'level', nearest: 'debug' },
  });
  await assert.rejects(it.daemon.impair('LAX', { los: 0.3 } as object), {
    message: 'unknown field "los"; did you mean "loss"?',
  });
});

/** One raw request; what a program without our client would see. */
async function raw(
  path: string,
  method: string,
  url: string,
  body = '',
): Promise<[number, string]> {
  const outgoing = request({ socketPath: path, method, path: url, agent: false });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return [response.statusCode, text];
}

test('what is wrong with a request is told with a status and a versioned error', async () => {
  await using it = await setup();
  const codes: [string, string, string, number, string][] = [
    ['GET', '/v1/statsu', '', 404, 'NO_SUCH_ROUTE'],
    ['PUT', '/v1/status', '', 405, 'METHOD_NOT_ALLOWED'],
    ['POST', '/v1/ping', '{', 400, 'BAD_ARGUMENT'],
    ['POST', '/v1/ping', '[]', 400, 'BAD_ARGUMENT'],
    ['POST', '/v1/ping', 'x'.repeat(70_000), 413, 'REQUEST_TOO_BIG'],
    ['GET', '/v1/watch?topics=lnks', '', 400, 'BAD_ARGUMENT'],
    ['GET', '/v1/route/%zz', '', 400, 'BAD_ARGUMENT'],
  ];
  for (const [method, url, body, status, code] of codes) {
    const [told, text] = await raw(it.path, method, url, body);
    assert.equal(told, status, url);
    const answer = JSON.parse(text);
    assert.equal(answer.version, 1);
    assert.equal(answer.error.code, code, url);
  }
});

test('metrics are text, for Prometheus', async () => {
  await using it = await setup();
  const [status, text] = await raw(it.path, 'GET', '/v1/metrics');
  assert.equal(status, 200);
  assert.match(
    text,
    /^# TYPE overlane_info gauge\noverlane_info\{node="ATL",network="loopback"\} 1\n/m,
  );
});

test('a socket file that a dead daemon left is taken over; a living one is not', async () => {
  await using it = await setup();
  const options = { mode: 0o600, node: it.atl, controls: fakeControls([]), log: LOG };
  await assert.rejects(ControlServer.open({ ...options, path: it.path }), {
    code: 'CONTROL_SOCKET_IN_USE',
  });
  const file = join(scratch, 'file');
  writeFileSync(file, '');
  const dead = join(scratch, 'dead.sock');
  // A listener whose file is kept when it dies, as after a kill.
  const holder = createServer().listen(dead);
  await once(holder, 'listening');
  const { linkSync } = await import('node:fs');
  linkSync(dead, `${dead}.kept`);
  holder.close();
  await once(holder, 'close');
  const server = await ControlServer.open({ ...options, path: `${dead}.kept` });
  await server.close();
  await assert.rejects(ControlServer.open({ ...options, path: join(scratch, 'x'.repeat(120)) }), {
    code: 'CONTROL_SOCKET_FAILED',
  });
});
