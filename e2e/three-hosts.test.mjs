/**
 * Three hosts, as a person sets them up: `init` on the first, `invite` there, `join` and `up` on the
 * others. Then the cable between two of them stops working and the third forwards; a configuration
 * is changed and reloaded; at the end one of them is thrown out. Over IPv4 and over IPv6.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import test from 'node:test';
import { needs, until } from './support/bounded.mjs';
import { HostNetwork } from './support/hosts.mjs';

const FILE_BYTES = 3_000_000;

for (const family of [4, 6]) {
  test(`three hosts over IPv${family}: founded, joined, forwarding for each other, one thrown out`, {
    ...needs({ programs: ['ip', 'nft'], root: true }),
    timeout: 180_000,
  }, async (t) => {
    const network = await HostNetwork.open(t, { family, names: ['ATL', 'DFW', 'LAX'] });
    for (const step of [setUp, addNeighbour, direct, indirect, pipe, revoke, down])
      await step(network, t);
  });
}

/** `init`, `invite`, `join`, `up`. */
async function setUp(network) {
  const [atl, dfw, lax] = ['ATL', 'DFW', 'LAX'].map((name) => network.host(name));
  for (const host of [atl, dfw, lax]) host.configure({});
  const founded = await atl.json(['init', 'acme', '--name', 'ATL']);
  assert.equal(founded.network, 'acme');
  await atl.up();
  for (const host of [dfw, lax]) {
    const invite = await atl.json(['invite', host.name]);
    assert.deepEqual(invite.addresses, [atl.endpoint]);
    // As a person does it: the token on the command line, the answer read from the screen.
    const { code, stdout, stderr } = await host.overlane(['join', invite.token]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /joined acme/);
    await host.up();
  }
  for (const host of [dfw, lax]) {
    const other = host === dfw ? 'LAX' : 'DFW';
    await until(
      `${host.name} reaches ${other} through ATL`,
      async () => (await host.routeTo(other)).join() === `ATL,${other}`,
    );
  }
}

/** A neighbour is configured, and reload says so. */
async function addNeighbour(network) {
  const [atl, dfw, lax] = ['ATL', 'DFW', 'LAX'].map((name) => network.host(name));
  dfw.configure({
    neighbours: [
      { name: 'ATL', addresses: [atl.endpoint] },
      { name: 'LAX', addresses: [lax.endpoint] },
    ],
  });
  const { changes } = await dfw.json(['reload']);
  const change = changes.find(({ key }) => key === 'neighbours');
  assert.equal(change?.effect, 'now');
  await until('DFW has its link to LAX', async () => {
    const { status } = await dfw.json(['status']);
    return status.links.some((link) => link.neighbour === 'LAX' && link.state === 'up');
  });
}

/** The direct link is the route; ping and trace agree. */
async function direct(network) {
  const dfw = network.host('DFW');
  await until(
    'the direct link is the route',
    async () => (await dfw.routeTo('LAX')).join() === 'LAX',
  );
  const { status } = await dfw.json(['status']);
  const link = status.links.find(({ neighbour }) => neighbour === 'LAX');
  assert.equal(link.remote, network.host('LAX').endpoint);
  const ping = await dfw.json(['ping', 'LAX', '--count', '3', '--interval', '20ms']);
  assert.equal(ping.summary.received, 3);
  const { result } = await dfw.json(['trace', 'LAX']);
  assert.deepEqual(
    result.hops.map(({ node }) => node),
    ['LAX'],
  );
}

/** With the cable cut the third host forwards. */
async function indirect(network, t) {
  const dfw = network.host('DFW');
  await network.block('DFW', 'LAX');
  const blockedMs = performance.now();
  await until(
    'ATL forwards between DFW and LAX',
    async () => (await dfw.routeTo('LAX')).join() === 'ATL,LAX',
    { timeoutMs: 10_000 },
  );
  t.diagnostic(`seen rerouted ${Math.round(performance.now() - blockedMs)} ms after nftables`);
  const ping = await dfw.json(['ping', 'LAX', '--count', '3', '--interval', '20ms']);
  assert.equal(ping.summary.received, 3);
  const { result } = await dfw.json(['trace', 'LAX']);
  assert.equal(result.isReached, true);
  assert.deepEqual(
    result.hops.map(({ node }) => node),
    ['ATL', 'LAX'],
  );
  const lost = result.explanation.candidates.filter(({ isChosen }) => !isChosen);
  for (const { verdict } of lost) assert.notEqual(verdict, '');
}

/** A file goes through unharmed, over the third host. */
async function pipe(network) {
  const bytes = randomBytes(FILE_BYTES);
  const lax = network.host('LAX');
  const listening = lax.startOverlane(['pipe', '--listen', '7000', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const hash = createHash('sha256');
  listening.child.stdout.setEncoding('latin1').on('data', (text) => {
    hash.update(text, 'latin1');
  });
  await until('LAX listens', async () => {
    const { status } = await lax.json(['status']);
    return status.sockets.some(({ kind, port }) => kind === 'listener' && port === 7000);
  });
  const sent = await network.host('DFW').overlane(['pipe', 'LAX:7000', '--json'], { input: bytes });
  assert.equal(sent.code, 0, sent.stderr);
  const { code, stderr } = await listening.ended;
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stderr).received, FILE_BYTES);
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
}

/** A revoked host is out, is told why, and cannot come again. */
async function revoke(network) {
  const [atl, dfw, lax] = ['ATL', 'DFW', 'LAX'].map((name) => network.host(name));
  const report = await atl.json(['revoke', 'LAX']);
  assert.equal(report.serials.length, 1);
  for (const host of [atl, dfw])
    await until(`${host.name} has no way to LAX`, async () => {
      const { status } = await host.json(['status']);
      const isNeighbour = status.links.some((l) => l.neighbour === 'LAX' && l.state === 'up');
      return !isNeighbour && !status.members.some((m) => m.name === 'LAX' && m.isReachable);
    });
  const { code } = await dfw.overlane(['ping', 'LAX', '--count', '1', '--timeout', '300ms']);
  assert.notEqual(code, 0);
  const told = await until('LAX is told why', async () => {
    const { status } = await lax.json(['status']);
    return status.links.map(({ reason }) => reason).find((reason) => /revoked/.test(reason ?? ''));
  });
  assert.match(told, /certificate revoked/);
  await lax.end();
  const again = await lax.overlane(['up']);
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, /revoked/);
}

/** `down` ends a daemon with exit code 0; then nobody answers. */
async function down(network) {
  const dfw = network.host('DFW');
  const report = await dfw.json(['down']);
  assert.equal(report.name, 'DFW');
  const { code } = await dfw.daemon.ended;
  assert.equal(code, 0);
  const after = await dfw.overlane(['status', '--json']);
  assert.equal(after.code, 3);
  assert.equal(JSON.parse(after.stdout).code, 'DAEMON_UNREACHABLE');
}
