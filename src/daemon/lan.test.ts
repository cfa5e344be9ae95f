/** Members that find each other on the local network: the table of peers, and real daemons on loopback. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { NodeAddress } from '../kernel/index.ts';
import { encodeLanAnnouncement } from '../wire/index.ts';
import type { Daemon } from './daemon.ts';
import { startDaemon } from './index.ts';
import { LAN_PEERS_MAX, LanPeers } from './lan-peers.ts';
import { initNetwork, provisionMember } from './provision.ts';
import { StateDirectory } from './state-directory.ts';

const GROUP = '239.255.76.79';
const NETWORK = 'aa'.repeat(16);
const peersOf = (address: number): LanPeers =>
  new LanPeers({ address: address as NodeAddress, networkId: NETWORK });
const said = (address: number, networkId = NETWORK) => ({
  address: address as NodeAddress,
  port: 7000 + address,
  networkId,
});

test('who announces the same network is a peer, at the address the datagram came from', () => {
  const peers = peersOf(1);
  assert.equal(peers.hear(said(3), '10.0.0.3', 0), 'new');
  assert.equal(peers.hear(said(2), '10.0.0.2', 0), 'new');
  assert.equal(peers.hear(said(3), '10.0.0.9', 1), 'known');
  assert.equal(peers.hear(said(1), '10.0.0.1', 2), 'own');
  assert.equal(peers.hear(said(4, 'bb'.repeat(16)), '10.0.0.4', 3), 'other-network');
  assert.deepEqual(
    peers.list().map(({ address, remote }) => `${address} ${remote.key}`),
    ['2 10.0.0.2:7002', '3 10.0.0.9:7003'],
  );
});

test('who falls silent is forgotten, and newcomers beyond the bound are left out', () => {
  const peers = peersOf(1_000);
  for (let i = 1; i <= LAN_PEERS_MAX; i++) assert.equal(peers.hear(said(i), '10.0.0.1', 0), 'new');
  assert.equal(peers.hear(said(900), '10.0.0.1', 0), 'full');
  assert.equal(peers.hear(said(5), '10.0.0.1', 30_000), 'known');
  peers.expire(36_000);
  assert.deepEqual(
    peers.list().map(({ address }) => address),
    [5],
  );
  assert.equal(peers.hear(said(900), '10.0.0.1', 36_000), 'new');
});

const scratch = mkdtempSync(join(tmpdir(), 'overlane-lan-'));
const started: Daemon[] = [];
const sockets: Socket[] = [];
after(async () => {
  for (const socket of sockets) socket.close();
  for (const daemon of started) daemon.stop();
  await Promise.all(started.map((daemon) => daemon.ended));
  rmSync(scratch, { recursive: true, force: true });
});

/** A socket in the group, at a port that nobody else has; it stays open so that none takes it. */
function groupSocket(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    sockets.push(socket);
    socket.bind({ address: GROUP, port: 0, exclusive: false }, () => {
      socket.addMembership(GROUP, '127.0.0.1');
      socket.setMulticastInterface('127.0.0.1');
      resolve(socket);
    });
  });
}

async function start(name: string, config: string): Promise<Daemon> {
  const state = join(scratch, name);
  const file = join(state, 'overlane.yaml');
  writeFileSync(file, `listen: ["127.0.0.1:0"]\nlog: { level: error }\n${config}`);
  const daemon = await startDaemon({ state, config: file, isProcess: false });
  started.push(daemon);
  return daemon;
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const limit = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < limit, `not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const addressOf = (daemon: Daemon): string => daemon.host.statusNow().underlay.locals[0]!;
const isLinked = (daemon: Daemon, neighbour: string): boolean =>
  daemon.host.statusNow().links.some((l) => l.neighbour === neighbour && l.state === 'up');
const counter = (daemon: Daemon, name: string): number =>
  daemon.host.statusNow().counters[name] ?? 0;

test('two daemons find each other, share what an application measured, and a flow goes by it', async () => {
  const group = await groupSocket();
  const root = join(scratch, 'MIRROR');
  initNetwork({ state: root, network: 'test', name: 'MIRROR', isLab: true });
  for (const name of ['NEAR', 'FAR', 'ALICE', 'BOB', 'CAROL'])
    provisionMember({ root, state: join(scratch, name), name });

  // ALICE and BOB reach the mirror over NEAR and over FAR; they are not told of each other.
  const mirror = await start('MIRROR', 'neighbours: []');
  const to = (name: string, daemon: Daemon): string =>
    `  - { name: ${name}, addresses: ["${addressOf(daemon)}"] }\n`;
  const near = await start('NEAR', `neighbours:\n${to('MIRROR', mirror)}`);
  const far = await start('FAR', `neighbours:\n${to('MIRROR', mirror)}`);
  const ways = `neighbours:\n${to('NEAR', near)}${to('FAR', far)}`;
  const lan = `lan: { discover: true, group: "${GROUP}:${group.address().port}", interface: 127.0.0.1 }\n`;
  const alice = await start('ALICE', ways + lan);
  const bob = await start('BOB', ways + lan);
  const carol = await start('CAROL', ways);
  await until(() => isLinked(alice, 'BOB') && isLinked(bob, 'ALICE'), 'ALICE and BOB have a link');
  assert.ok(!isLinked(carol, 'ALICE') && !isLinked(alice, 'CAROL'));

  // ALICE's application measured how long fetching takes over either; BOB's asks.
  const fetch = (from: string, value: number) =>
    alice.host.reportPerformance({ from, to: 'MIRROR', metric: 'fetch-ms', value });
  await fetch('NEAR', 900);
  await fetch('FAR', 20);
  for (const [a, b, value] of [
    ['BOB', 'NEAR', 1],
    ['BOB', 'FAR', 1],
    ['ALICE', 'MIRROR', 5_000],
  ] as const)
    await alice.host.reportPerformance({ from: a, to: b, metric: 'fetch-ms', value });
  await until(
    async () =>
      (await bob.host.bestPerformance({ metric: 'fetch-ms', to: 'MIRROR' }))?.from === 'FAR',
    'BOB knows what ALICE reported',
  );
  assert.equal(await carol.host.bestPerformance({ metric: 'fetch-ms' }), undefined);
  await using socket = await bob.host.datagram({ routing: { metric: 'app:fetch-ms' } });
  await until(async () => {
    socket.send('fetch', { to: 'MIRROR:80' });
    const flows = await bob.host.why('MIRROR');
    const flow = flows.find(({ metric }) => metric === 'app:fetch-ms');
    return flow?.path?.join(' ') === 'FAR MIRROR';
  }, 'a flow of BOB goes by it');

  // What is said to the group by who is no member introduces nobody and harms nobody.
  const { network, links } = alice.host.statusNow();
  const before = links.length;
  const strangers = [
    Buffer.from('hello'),
    encodeLanAnnouncement({ address: 77 as NodeAddress, port: 9, networkId: new Uint8Array(16) }),
    encodeLanAnnouncement({
      address: 78 as NodeAddress,
      port: 9,
      networkId: Uint8Array.from(Buffer.from(network.id, 'hex')),
    }),
  ];
  for (const bytes of strangers) group.send(bytes, group.address().port, GROUP);
  await until(
    () => counter(alice, 'lan.malformed') > 0 && counter(alice, 'lan.other-network') > 0,
    'strangers are counted',
  );
  assert.equal(alice.host.statusNow().links.length, before);

  // Without BOB nothing is shared any more, and nothing fails.
  bob.stop();
  await bob.ended;
  await fetch('NEAR', 800);
  assert.equal(
    (await alice.host.bestPerformance({ metric: 'fetch-ms', to: 'MIRROR' }))?.from,
    'FAR',
  );
});

test('where there is no multicast the daemon runs all the same and says so', async () => {
  const state = join(scratch, 'ALONE');
  initNetwork({ state, network: 'alone', name: 'ALONE', isLab: true });
  // An address that no interface of this host has (TEST-NET-3).
  const alone = await start(
    'ALONE',
    'lan: { discover: true, interface: 203.0.113.9 }\nneighbours: []',
  );
  await until(() => counter(alone, 'lan.group-failed') > 0, 'the failure is counted');
  assert.equal(StateDirectory.open(state).path, state);
});
