import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ClientTable } from './client-table.ts';
import { LoopbackNetwork } from './loopback-node.ts';
import { openTcpExpose } from './tcp-expose.ts';
import { openTcpForward } from './tcp-forward.ts';
import { openUdpExpose } from './udp-expose.ts';
import { openUdpForward } from './udp-forward.ts';

const ANY = { host: '127.0.0.1', port: 0 };

/** A TCP service on a free port of this host. */
async function service(
  handler: (socket: Socket) => void,
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    handler(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

/** However it ended. */
const gone = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {}).once('close', () => resolve());
  });

async function udpSocket(): Promise<UdpSocket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** ATL with a TCP forward to port 80 of LAX, which leads to `handler`. */
async function tcpPath(
  handler: (socket: Socket) => void,
  options: { from?: 'any' | string[]; connectionsMax?: number } = {},
) {
  const network = new LoopbackNetwork();
  const [atl, lax] = [network.node('ATL'), network.node('LAX')];
  const { server, port } = await service(handler);
  const target = { host: '127.0.0.1', port };
  const exposed = await openTcpExpose(lax, { port: 80, to: target, from: options.from ?? ['ATL'] });
  const bound = options.connectionsMax === undefined ? {} : options;
  const forward = await openTcpForward(atl, { listen: ANY, to: 'LAX', port: 80, ...bound });
  const close = async (): Promise<void> => {
    await forward.close();
    await exposed.close();
    server.close();
  };
  return { forward, exposed, server, close };
}

test('a TCP connection passes both ways, each direction ending by itself', async () => {
  const path = await tcpPath((socket) => {
    let heard = 0;
    socket.on('data', (chunk) => {
      heard += chunk.length;
    });
    socket.once('end', () => socket.end(`heard ${heard}`));
  });
  const client = connect({ ...path.forward.local, allowHalfOpen: true });
  client.end('x'.repeat(300_000));
  assert.equal(await text(client), 'heard 300000');
  assert.equal(path.forward.counters.bytesOut, 300_000);
  assert.equal(path.forward.counters.connectionsTotal, 1);
  await path.close();
  assert.equal(path.exposed.counters.connections, 0);
});

test('a member that is not on the list does not get through', async () => {
  const path = await tcpPath(() => assert.fail('the service was reached'), { from: ['SEA'] });
  const client = connect(path.forward.local);
  await gone(client);
  assert.deepEqual(path.exposed.counters.refusals, { 'not-allowed': 1 });
  await path.close();
});

test('a port with no expose rule behind it is refused', async () => {
  const network = new LoopbackNetwork();
  const atl = network.node('ATL');
  network.node('LAX');
  const forward = await openTcpForward(atl, { listen: ANY, to: 'LAX', port: 22 });
  const client = connect(forward.local);
  await gone(client);
  assert.deepEqual(forward.counters.refusals, { REFUSED: 1 });
  await forward.close();
});

test('a service that fails resets the client, so that no broken transfer looks whole', async () => {
  const path = await tcpPath((socket) => {
    socket.write('half of it');
    // A reset on the heels of data may reach the reader as a plain end; so the reader says when.
    socket.once('data', () => socket.resetAndDestroy());
  });
  const client = connect(path.forward.local);
  client.once('data', () => client.write('and the rest?'));
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  await path.close();
});

test('a service that is not there resets the client', async () => {
  const path = await tcpPath(() => {});
  path.server.close();
  await once(path.server, 'close');
  const client = connect(path.forward.local);
  await gone(client);
  assert.deepEqual(path.exposed.counters.refusals, { 'target-unreachable': 1 });
  await path.close();
});

test('connections past the bound are turned away and counted', async () => {
  const path = await tcpPath((socket) => socket.resume(), { connectionsMax: 1 });
  const first = connect(path.forward.local);
  first.on('error', () => {});
  await once(first, 'connect');
  const second = connect(path.forward.local);
  await gone(second);
  assert.deepEqual(path.forward.counters.refusals, { 'too-many-connections': 1 });
  await path.close();
});

test('UDP keeps boundaries and tells clients apart', async () => {
  const network = new LoopbackNetwork();
  const [atl, lax] = [network.node('ATL'), network.node('LAX')];
  const echo = await udpSocket();
  echo.on('message', (payload, from) => {
    echo.send(`${payload.length} of ${payload[0]}`, from.port, from.address);
  });
  const target = { host: '127.0.0.1', port: echo.address().port };
  const exposed = await openUdpExpose(lax, { port: 5000, to: target, from: 'any' });
  const forward = await openUdpForward(atl, { listen: ANY, to: 'LAX', port: 5000 });
  const clients = [await udpSocket(), await udpSocket()];
  const answers = clients.map(async (client, i) => {
    const heard: string[] = [];
    client.on('message', (payload) => heard.push(payload.toString()));
    for (const length of [1, 1316, 9000])
      client.send(Buffer.alloc(length, i + 1), forward.local.port, forward.local.host);
    while (heard.length < 3) await once(client, 'message');
    return heard.sort();
  });
  assert.deepEqual(await Promise.all(answers), [
    ['1 of 1', '1316 of 1', '9000 of 1'],
    ['1 of 2', '1316 of 2', '9000 of 2'],
  ]);
  assert.equal(forward.counters.connections, 2);
  for (const client of clients) client.close();
  await forward.close();
  await exposed.close();
  assert.equal(atl.datagrams.size + lax.datagrams.size, 0, 'every overlay socket is closed');
  echo.close();
});

test('UDP from a member that is not on the list goes nowhere', async () => {
  const network = new LoopbackNetwork();
  const [atl, lax] = [network.node('ATL'), network.node('LAX')];
  const exposed = await openUdpExpose(lax, { port: 5000, to: ANY, from: ['SEA'] });
  const socket = await atl.datagram();
  socket.send('x', { to: 'LAX:5000' });
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.deepEqual(exposed.counters.refusals, { 'not-allowed': 1 });
  await exposed.close();
});

test('a port that is taken is told with its address', async () => {
  const atl = new LoopbackNetwork().node('ATL');
  const { server, port } = await service(() => {});
  const listen = { host: '127.0.0.1', port };
  await assert.rejects(openTcpForward(atl, { listen, to: 'LAX', port: 1 }), {
    code: 'FORWARD_LISTEN_FAILED',
    message: `cannot listen on 127.0.0.1:${port} (EADDRINUSE)`,
  });
  const udp = await udpSocket();
  const taken = { host: '127.0.0.1', port: udp.address().port };
  await assert.rejects(openUdpForward(atl, { listen: taken, to: 'LAX', port: 1 }), {
    code: 'FORWARD_LISTEN_FAILED',
  });
  udp.close();
  server.close();
});

test('a client table forgets the silent and stays within its bound', () => {
  let now = 0;
  const closed: string[] = [];
  const table = new ClientTable({ max: 2, idleMs: 1_000, now: () => now });
  const hear = (key: string): void => {
    table.heard(key, () => ({ close: () => closed.push(key) }));
  };
  hear('a');
  now = 500;
  hear('b');
  hear('a');
  hear('c');
  assert.deepEqual(closed, ['b'], 'the longest silent gives way');
  now = 1_400;
  table.touch('c');
  now = 1_501;
  table.sweep();
  assert.deepEqual(closed, ['b', 'a']);
  table.close();
  assert.deepEqual(closed, ['b', 'a', 'c']);
  assert.equal(table.evictions, 1);
});
