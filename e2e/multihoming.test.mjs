/**
 * Three hosts with two providers each, as a person sets them up, and iperf3 that knows nothing of any
 * of it: UDP through a forward from ATL to LAX. The provider in use goes silent under the running program,
 * which hardly notices; the network's routes stay as they are, and `status` says that it is the provider.
 * When a host dies instead, it says that it is the host.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { cpuPressure, freeTcpPort, needs, pause, until } from './support/bounded.mjs';
import { HostNetwork } from './support/hosts.mjs';

const NAMES = ['ATL', 'DFW', 'LAX'];
const IPERF_PORT = 5201;
/** 200 datagrams of 250 bytes a second. */
const IPERF = { bytes: 250, perSecond: 200, seconds: 6 };
const CUT_AFTER_MS = 2_500;
/** Silence that a failure of a provider may cost; more with a busy machine, which is printed. */
const GAP_BAR_MS = 1_000;

test('a provider fails under iperf3: the second takes over, no route changes, the trouble has its name', {
  ...needs({ programs: ['ip', 'nft', 'iperf3'], root: true }),
  timeout: 180_000,
}, async (t) => {
  const network = await HostNetwork.open(t, { family: 4, names: NAMES, providers: 2 });
  await setUp(network);
  const pressure = cpuPressure();
  const provider = await carry(network, t);
  t.diagnostic(`some process waited for a processor ${pressure()} of the time`);
  await provider.mend();
  await hostDies(network);
});

async function setUp(network) {
  const atl = network.host('ATL');
  atl.configure({});
  await atl.json(['init', 'acme', '--name', 'ATL']);
  await atl.up();
  for (const name of ['DFW', 'LAX']) {
    const host = network.host(name);
    host.configure({});
    const { token } = await atl.json(['invite', name]);
    const { code, stderr } = await host.overlane(['join', token]);
    assert.equal(code, 0, stderr);
    await host.up();
  }
  for (const name of NAMES) {
    const neighbours = NAMES.filter((other) => other !== name).map((other) => ({
      name: other,
      addresses: network.host(other).endpoints,
      paths: 2,
    }));
    network.host(name).configure({ neighbours });
    await network.host(name).json(['reload']);
  }
  for (const name of NAMES)
    await until(`${name} has two paths to both others`, async () => {
      const links = await linksOf(network, name);
      return links.length === 2 && links.every((link) => pathsUp(link) === 2);
    });
  await until('the direct link is the route', async () => {
    return (await atl.routeTo('LAX')).join() === 'LAX';
  });
}

/** iperf3 runs, and the provider that its packets leave by fails. */
async function carry(network, t) {
  const [atl, lax] = [network.host('ATL'), network.host('LAX')];
  const server = lax.start('iperf3', ['-s', '-1', '-p', String(IPERF_PORT)]);
  const to = `127.0.0.1:${IPERF_PORT}`;
  const port = String(await freeTcpPort());
  for (const protocol of ['tcp', 'udp']) {
    await lax.json(['expose', 'add', protocol, '7001', to, '--from', 'ATL']);
    await atl.json(['forward', 'add', protocol, port, 'LAX:7001']);
  }
  const link = (await linksOf(network, 'ATL')).find(({ neighbour }) => neighbour === 'LAX');
  const used = link.paths.find(({ isInUse }) => isInUse).local;
  const { history: before } = await atl.json(['why', 'LAX', '--history']);
  const { bytes, perSecond, seconds } = IPERF;
  const rate = String(8 * bytes * perSecond);
  const words = ['-c', '127.0.0.1', '-p', port, '-u', '-b', rate, '-l', String(bytes)];
  const client = atl.start('iperf3', [...words, '-t', String(seconds), '--json']);
  await pause(CUT_AFTER_MS);
  await network.fail('ATL', used);
  await until('ATL says that its provider is silent', async () => {
    const paths = (await linksOf(network, 'ATL')).flatMap((one) => one.paths);
    const silent = paths.filter(({ isProviderTrouble }) => isProviderTrouble);
    return silent.length === 2 && silent.every(({ local }) => local === used);
  });
  const { status } = await atl.json(['status']);
  assert.ok(
    status.links.every(({ state }) => state !== 'down'),
    'no link went down',
  );
  for (const other of ['DFW', 'LAX']) {
    const paths = (await linksOf(network, other)).flatMap((one) => one.paths);
    assert.ok(!paths.some(({ isProviderTrouble }) => isProviderTrouble), `${other} blames itself`);
  }
  const told = await client.ended;
  assert.equal(told.code, 0, `${told.stdout}${told.stderr}`);
  await server.ended;
  const { lost_packets: lost, packets } = JSON.parse(told.stdout).end.sum;
  const gapMs = Math.round((1_000 * lost) / perSecond);
  t.diagnostic(`iperf3: ${lost} of ${packets} datagrams lost, ${gapMs} ms without the provider`);
  assert.ok(packets > perSecond * seconds * 0.8, `${packets} datagrams`);
  assert.ok(gapMs < GAP_BAR_MS, `${gapMs} ms`);
  const { history: after } = await atl.json(['why', 'LAX', '--history']);
  // Times of day are reckoned from the node's clock when asked for, to a millisecond.
  const changes = (history) => history.map(({ at, ...change }) => change);
  assert.deepEqual(changes(after), changes(before), 'the route to LAX changed');
  return { mend: () => network.mend(used) };
}

/** Nothing is heard of LAX by either provider: its link goes down, and no provider is blamed. */
async function hostDies(network) {
  await until('both providers carry again', async () => {
    return (await linksOf(network, 'ATL')).every((link) => pathsUp(link) === 2);
  });
  network.host('LAX').daemon.child.kill('SIGKILL');
  await until('the link to LAX is down', async () => {
    const links = await linksOf(network, 'ATL');
    return links.find(({ neighbour }) => neighbour === 'LAX').state !== 'up';
  });
  const paths = (await linksOf(network, 'ATL')).flatMap((link) => link.paths);
  assert.ok(!paths.some(({ isProviderTrouble }) => isProviderTrouble));
}

async function linksOf(network, name) {
  const { status } = await network.host(name).json(['status']);
  return status.links;
}

const pathsUp = ({ paths }) => paths.filter(({ state }) => state === 'up').length;
