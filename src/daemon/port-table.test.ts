import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { mock, test } from 'node:test';
import { LoopbackNetwork } from '../gateway/index.ts';
import { ownAddresses } from './own-addresses.ts';
import { PortTable } from './port-table.ts';

const LIMITS = { controlConnections: 8, forwardConnections: 8, udpClients: 8 };
const LOG = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };
const forward = (port: number, to = 'LAX') => ({
  protocol: 'tcp' as const,
  listen: { host: '127.0.0.1', port },
  to,
  port: 80,
  flow: {},
  idle: 60e6 as never,
});
const expose = (port: number) => ({
  protocol: 'udp' as const,
  port,
  to: { host: '127.0.0.1', port: 9 },
  from: ['LAX'],
  flow: {},
  idle: 60e6 as never,
});

function table() {
  const network = new LoopbackNetwork();
  const node = network.node('ATL');
  network.node('LAX');
  return { node, ports: new PortTable({ node, limits: LIMITS, log: LOG }) };
}

test('a new config closes what is gone, keeps what is the same, and leaves what the API added', async () => {
  const { node, ports } = table();
  await ports.configure([], [expose(5000), expose(5001)]);
  const added = await ports.addForward({
    protocol: 'tcp',
    listen: '127.0.0.1:0',
    to: 'LAX',
    port: 80,
  });
  assert.match(added.id, /^tcp 127\.0\.0\.1:[1-9]/, 'known by the port it got');
  const kept = node.datagrams.get(5001);
  await ports.configure([], [expose(5001), expose(5002)]);
  assert.deepEqual([...node.datagrams.keys()].sort(), [5001, 5002]);
  assert.equal(node.datagrams.get(5001), kept);
  assert.deepEqual(
    ports.forwards().map(({ id, source }) => [id, source]),
    [[added.id, 'api']],
  );
  await assert.rejects(ports.addExpose({ protocol: 'udp', port: 5002, to: 'h:1', from: 'any' }), {
    code: 'FORWARD_EXISTS',
  });
  await ports.close();
  assert.equal(node.datagrams.size, 0);
});

test('a forward whose port is taken is told as not open and opens when the port is free', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const { ports } = table();
    await ports.configure([forward(port)], []);
    assert.equal(ports.forwards()[0]?.isOpen, false);
    holder.close();
    await once(holder, 'close');
    mock.timers.tick(5_000);
    for (let round = 0; round < 1_000 && ports.forwards()[0]?.isOpen !== true; round++)
      await new Promise(setImmediate);
    assert.equal(ports.forwards()[0]?.isOpen, true);
    await ports.close();
  } finally {
    mock.timers.reset();
  }
});

test('an invite names what is advertised, or every address that "any" stands for', () => {
  const entry = (address: string, family: 'IPv4' | 'IPv6', internal = false, scopeid = 0) =>
    ({ address, family, internal, scopeid, netmask: '', mac: '', cidr: null }) as never;
  const interfaces = {
    lo: [entry('127.0.0.1', 'IPv4', true)],
    eth0: [
      entry('192.0.2.7', 'IPv4'),
      entry('2001:db8::7', 'IPv6'),
      entry('fe80::7', 'IPv6', false, 2),
    ],
  };
  assert.deepEqual(ownAddresses([], ['0.0.0.0:7420', '[::]:7420'], interfaces), [
    '192.0.2.7:7420',
    '[2001:db8::7]:7420',
  ]);
  assert.deepEqual(ownAddresses([], ['127.0.0.1:5'], interfaces), ['127.0.0.1:5']);
  assert.deepEqual(ownAddresses(['h:1'], ['0.0.0.0:7420'], interfaces), ['h:1']);
});
